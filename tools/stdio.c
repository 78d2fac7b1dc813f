/* stdio.c: joins standard input and output to the broker, as a raw stream of MessagePack-RPC, for
 * programs in any language that can start another one.
 *
 * It ends when either side ends, after everything that was read has been written. There is no
 * half-close: who ends standard input is not interested in answers that have not come yet. */
#include <panpipe/pipe.h>
#include <panpipe/sys.h>

#include "commands.h"
#include "error.h"
#include "input.h"
#include "session.h"

enum { BUFFER_BYTES = 64 * 1024 };

static struct session session;
static struct task read_task, write_task;
static char buffer[BUFFER_BYTES];

static int connect(const struct cli *cli, pp_handle **pipe)
{
    pp_dial_config config = PP_DIAL_CONFIG_INIT;
    int code = session_open_port(&session, cli);

    if (code != GO_ON)
        return code;
    config.scope = cli->system ? PP_SCOPE_SYSTEM : PP_SCOPE_USER;
    config.flags = PP_DIAL_WAIT_SERVER | (session_starts(cli) ? PP_DIAL_START : 0);
    config.timeout_ms = session_patience(cli);
    int status = pp_dial(pipe, session_broker(cli), &config);
    if (status != PP_OK)
        return session_fail_here(&session, status);
    status = pp_port_attach(session.port, *pipe, 0);
    if (status == PP_OK)
        status = session_await(&session, pp_connect(*pipe, session_op(&session)), -1);
    return status == PP_OK ? GO_ON : session_refused(&session, status);
}

/* Passes on what came from the broker, and waits for more. EXIT_DONE: that was all. */
static int take_output(pp_handle *pipe)
{
    int status = read_task.op.status;

    if (status == PP_OK)
        status = pp_stdout_write(buffer, (size_t)read_task.op.bytes);
    if (status == PP_OK)
        status = pp_read(pipe, session_task(&read_task), buffer, sizeof buffer);
    if (status == PP_EPEERCLOSED) /* on either side of us */
        return EXIT_DONE;
    return status == PP_PENDING ? GO_ON : session_fail_here(&session, status);
}

/* Writes a block of input. EXIT_DONE: there is no more. */
static int take_input(pp_handle *pipe, const struct input_block *block)
{
    if (block->size < 0)
        return error_status((int)block->size, block->detail);
    if (block->size == 0)
        return EXIT_DONE;
    int status = pp_write(pipe, session_task(&write_task), block->data, (size_t)block->size);
    return status == PP_PENDING ? GO_ON : session_fail_here(&session, status);
}

static int join(pp_handle *pipe)
{
    bool writing = false, broken = false;
    int status = pp_read(pipe, session_task(&read_task), buffer, sizeof buffer);
    int code = status == PP_PENDING ? GO_ON : session_fail_here(&session, status);

    while (code == GO_ON) {
        if (read_task.ended) {
            code = take_output(pipe);
        } else if (writing && write_task.ended) {
            writing = false;
            broken = write_task.op.status != PP_OK; /* what the broker said before is still read */
            input_return(input_next());
        } else if (!writing && !broken && input_next()->task.ended) {
            code = take_input(pipe, input_next());
            writing = code == GO_ON;
        } else {
            code = session_turn(&session);
        }
    }
    return code;
}

int stream(const struct cli *cli)
{
    pp_handle *pipe = NULL;
    int code = connect(cli, &pipe);
    int status = code == GO_ON ? input_open(&session) : PP_OK;

    if (status != PP_OK)
        code = session_fail_here(&session, status);
    if (code == GO_ON)
        code = join(pipe);
    pp_close(pipe);
    input_close();
    return session_close(&session, code);
}
