#include "unsent.h"

#include <stdlib.h>
#include <string.h>

#include "wire/scan.h"

void unsent_keep(struct peer *peer, const struct sub *serve, const uint8_t *frame, size_t size)
{
    struct ppi_slice parts[4], inner[3], *message = &parts[2]; /* the subject; params follow */

    if (!serve->serve || ppi_slices(frame, size, parts, 4) != 4)
        return;
    if (serve->form == FORM_RICH && ppi_slices(parts[3].data, parts[3].size, inner, 3) >= 3)
        message = &inner[1];
    struct ppi_value id = ppi_value_at(parts[1].data, parts[1].size);
    struct ppi_value subject = ppi_value_at(message->data, message->size);
    size_t rest_size = message[0].size + message[1].size;
    struct unsent *unsent = malloc(sizeof *unsent + rest_size);
    if (unsent == NULL)
        return;
    *unsent = (struct unsent){ .server_id = (uint32_t)id.number,
                               .subject_length = (uint32_t)subject.text_length,
                               .subject = (size_t)((const uint8_t *)subject.text - message->data),
                               .size = rest_size };
    memcpy(unsent->rest, message->data, rest_size);
    ppi_list_append(&peer->unsent, &unsent->in_peer);
}
