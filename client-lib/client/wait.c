/* wait.c: waiting for those who will get what is published. */
#include <string.h>

#include "base/status.h"
#include "client/client.h"
#include "wire/envelope.h"

int pp_wait_subs(pp_client *client, pp_op *op, const char *subject, uint32_t count, int timeout_ms)
{
    const struct ppi_request model = {
        .kind = PPI_REQUEST_WAIT,
        .deadline_ms = timeout_ms >= 0 ? (uint32_t)timeout_ms : UINT32_MAX /* as good as never */
    };
    const struct ppi_number numbers[] = {
        { "subs", count }, { "deadline", timeout_ms > 0 ? (uint64_t)timeout_ms : 0 }
    };
    uint8_t head[PPI_HEAD_MAX], options[PPI_HEAD_MAX];
    pp_op own = PP_OP_INIT, *started;

    if (client == NULL || count == 0)
        return ppi_fail(PP_EINVAL, "client and count must be set");
    int status = ppi_client_check(subject, "\x90", 1);
    if (status == PP_OK)
        status = ppi_client_op(client, op, &own, &started);
    if (status == PP_OK) {
        const pp_piece body[] = { { head, ppi_head_params(head, 2, subject, strlen(subject)) },
                                  { options, ppi_options_numbers(options, numbers,
                                                                 timeout_ms != 0 ? 2 : 1) } };

        status = ppi_client_ask(client, started, &model, "$wait", body, 2);
    }
    return ppi_client_result(client, op, &own, status);
}
