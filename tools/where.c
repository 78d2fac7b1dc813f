/* where.c: where the broker listens, for a client in another language, which connects there. */
#include <string.h>

#include <panpipe/pipe.h>

#include "commands.h"
#include "error.h"
#include "json.h"
#include "out.h"
#include "print.h"
#include "session.h"

int where(const struct cli *cli)
{
    char path[PP_PATH_MAX];
    int status = pp_pipe_path(session_broker(cli), cli->system ? PP_SCOPE_SYSTEM : PP_SCOPE_USER,
                              path, sizeof path);

    if (status != PP_OK)
        return error_status(status, pp_detail());
    if (print_is_text()) {
        out_format("%s\n", path);
        return EXIT_DONE;
    }
    json_t *event = json_must(json_pack("{s:o}", "path", json_from_text(path, strlen(path))));
    print_event(event);
    json_decref(event);
    return EXIT_DONE;
}
