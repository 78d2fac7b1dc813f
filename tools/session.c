#include "session.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/pipe.h>
#include <panpipe/sys.h>

#include "error.h"
#include "interrupt.h"

enum { PATIENCE_MS = 5000, GOODBYE_MS = 2000, HELLO_MS = 2000, NS_PER_MS = 1000000 };

uint64_t session_deadline_ns(int timeout_ms)
{
    return timeout_ms < 0 ? UINT64_MAX : pp_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
}

int session_late(uint64_t came, uint64_t wanted, const char *what)
{
    char why[120];

    if (came >= wanted)
        return EXIT_DONE;
    snprintf(why, sizeof why, "%llu of %llu %s came in the time given", (unsigned long long)came,
             (unsigned long long)wanted, what);
    return error_say(EXIT_TIMED_OUT, "E_TIMEOUT", why, "wait longer with --for");
}

const char *session_broker(const struct cli *cli)
{
    const char *name = cli->broker != NULL ? cli->broker : getenv("PANPIPE");

    return name != NULL && name[0] != '\0' ? name : "default";
}

void session_place(const struct cli *cli, char path[PP_PATH_MAX])
{
    const char *name = session_broker(cli);

    if (pp_pipe_path(name, cli->system ? PP_SCOPE_SYSTEM : PP_SCOPE_USER, path, PP_PATH_MAX) !=
        PP_OK)
        snprintf(path, PP_PATH_MAX, "%s", name);
}

int session_patience(const struct cli *cli)
{
    return cli->timeout_ms != 0 ? cli->timeout_ms : PATIENCE_MS;
}

bool session_starts(const struct cli *cli)
{
    const char *name = session_broker(cli), *never = getenv("PANPIPE_NO_START");
    char path[PP_PATH_MAX];

    return cli->command->starts && !cli->no_start && !cli->system &&
           (never == NULL || never[0] == '\0' || strcmp(never, "0") == 0) &&
           pp_pipe_path(name, PP_SCOPE_USER, path, sizeof path) == PP_OK && strcmp(path, name) != 0;
}

/* --- waiting --------------------------------------------------------------------------------- */

pp_op *session_task(struct task *task)
{
    task->ended = false;
    task->op.user = &task->ended;
    return &task->op;
}

/* Takes one packet; false: none came in time. */
static bool turn(struct session *session, uint64_t deadline_ns)
{
    uint64_t now_ns = deadline_ns != 0 ? pp_now_ns() : 0;
    uint64_t left_ms =
        deadline_ns > now_ns ? (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
    int timeout_ms = deadline_ns == UINT64_MAX ? -1 : left_ms < INT_MAX ? (int)left_ms : INT_MAX;
    pp_packet packet;

    if (pp_port_get(session->port, &packet, timeout_ms) != 1)
        return false;
    if (packet.op->user != NULL)
        *(bool *)packet.op->user = true;
    return true;
}

int session_take(struct session *session, uint64_t deadline_ns)
{
    if (session->interrupted)
        return PP_ECANCELED;
    if (session->why != PP_OK)
        return session->why;
    return turn(session, deadline_ns) ? PP_OK : PP_ETIMEDOUT;
}

int session_wait(struct session *session, struct task *task, uint64_t deadline_ns)
{
    int status = PP_OK;

    while (!task->ended && status == PP_OK)
        status = session_take(session, deadline_ns);
    return status;
}

static int state(struct session *session)
{
    return session->interrupted || session->why != PP_OK ? session_fail(session, session->why)
                                                         : GO_ON;
}

int session_turn(struct session *session)
{
    turn(session, UINT64_MAX);
    return state(session);
}

int session_sleep(struct session *session, uint64_t deadline_ns)
{
    while (!session->interrupted && session->why == PP_OK && turn(session, deadline_ns))
        ;
    return state(session);
}

int session_poll(struct session *session)
{
    return session_sleep(session, 0);
}

/* --- requests -------------------------------------------------------------------------------- */

pp_op *session_op(struct session *session)
{
    session->words[0] = '\0';
    return session_task(&session->request);
}

static void note_detail(struct session *session)
{
    snprintf(session->words, sizeof session->words, "%s", pp_detail());
}

int session_await(struct session *session, int started, int timeout_ms)
{
    if (started != PP_PENDING) {
        note_detail(session);
        return started;
    }
    int status = session_wait(session, &session->request, session_deadline_ns(timeout_ms));
    if (status != PP_OK)
        return status;
    status = session->request.op.status;
    if (status != PP_OK && session->client == NULL)
        note_detail(session);
    else if (status != PP_OK && session->why == PP_OK)
        pp_client_error(session->client, session->words, sizeof session->words);
    return status;
}

int session_call(struct session *session, const char *subject, const void *params, size_t size,
                 int deadline_ms, int wait_ms)
{
    pp_call_config config = PP_CALL_CONFIG_INIT;
    bool control = subject[0] == '$'; /* the broker itself answers, and has no deadlines for it */

    config.deadline_ms = control ? 0 : (uint32_t)deadline_ms;
    config.wait_ms = control ? 0 : (uint32_t)wait_ms;
    return session_await(session,
                         pp_call(session->client, session_op(session), subject, params, size,
                                 &config, &session->answer),
                         control ? session_patience(session->cli) : -1);
}

int session_subscribe(struct session *session, const char *pattern, const pp_sub_config *config)
{
    int status = session_await(
        session,
        pp_subscribe(session->client, session_op(session), pattern, config, &session->subscribed),
        session_patience(session->cli));

    return status == PP_OK ? GO_ON : session_fail(session, status);
}

/* --- failing --------------------------------------------------------------------------------- */

int session_fail(struct session *session, int status)
{
    if (session->interrupted)
        return EXIT_INTERRUPTED;
    if (session->why != PP_OK)
        return error_status(session->why, session->note);
    return error_status(status, session->words);
}

int session_fail_here(struct session *session, int status)
{
    note_detail(session);
    return session_fail(session, status);
}

/* --- publishing ------------------------------------------------------------------------------ */

int session_publish(struct session *session, const char *subject, const void *params, size_t size)
{
    int status = pp_publish(session->client, subject, params, size);

    if (status == PP_OK)
        return GO_ON;
    if (status != PP_EBUSY)
        return session_fail_here(session, status);
    status = session_await(
        session, pp_publish_start(session->client, session_op(session), subject, params, size), -1);
    return status == PP_OK ? GO_ON : session_fail(session, status);
}

/* --- callbacks ------------------------------------------------------------------------------- */

static void on_closed(void *context, pp_client *client, int why)
{
    struct session *session = context;

    (void)client;
    session->connected = false;
    session->why = why != PP_OK ? why : PP_EPEERCLOSED;
    pp_port_post(session->port, 0, 0, session_task(&session->closed));
}

static void on_note(void *context, pp_client *client, const char *name, const char *text)
{
    struct session *session = context;

    (void)client;
    if (strcmp(name, "STARTED") == 0) {
        if (session->cli->verbose)
            fprintf(stderr, "panpipe: %s: %s\n", session->cli->command->name, text);
        return;
    }
    if (session->note[0] == '\0')
        snprintf(session->note, sizeof session->note, "%s %s", name, text);
}

/* --- opening --------------------------------------------------------------------------------- */

int session_open_port(struct session *session, const struct cli *cli)
{
    pp_port_config config = PP_PORT_CONFIG_INIT;

    session->cli = cli;
    config.concurrency = 1;
    int status = pp_port_open(&session->port, &config);
    if (status != PP_OK)
        return session_fail_here(session, status);
    session->interrupt.op.user = &session->interrupted;
    interrupt_to(session->port, &session->interrupt.op);
    return GO_ON;
}

int session_refused(struct session *session, int status)
{
    char path[PP_PATH_MAX], why[PP_PATH_MAX + 100];
    bool hello = !session->request.ended || /* somebody took the connection, and said nothing */
                 strstr(session->words, "does not answer") != NULL;

    if (session->interrupted || session->why != PP_OK || status == PP_EINVAL || status <= PP_EPROTO)
        return session_fail(session, status);
    session_place(session->cli, path);
    switch (status) {
    case PP_ETIMEDOUT:
    case PP_ENOSERVER:
        if (hello) {
            snprintf(why, sizeof why, "who listens at %s does not answer", path);
            return error_say(EXIT_TIMED_OUT, "E_TIMEOUT", why, "is it a broker?");
        }
        if (session_starts(session->cli) && session->words[0] != '\0') {
            snprintf(why, sizeof why, "no broker can be started: %s", session->words);
            return error_say(EXIT_NO_BROKER, "E_NOBROKER", why, "");
        }
        snprintf(why, sizeof why, "no broker is running at %s", path);
        return error_say(EXIT_NO_BROKER, "E_NOBROKER", why,
                         "start one with panpiped, or name another with -b; see panpipe doctor");
    case PP_EACCESS: snprintf(why, sizeof why, "the system denies access to %s", path); break;
    case PP_EUNTRUSTED:
        if (session_starts(session->cli) && strcmp(session->words, path) != 0)
            return session_fail(session, status); /* it is the folder */
        snprintf(why, sizeof why, "another user's program listens at %s", path);
        break;
    case PP_EBUSY:
        snprintf(why, sizeof why, "the broker at %s takes no more clients now", path);
        break;
    default: snprintf(why, sizeof why, "%s: %s", path, pp_strerror(status)); break;
    }
    return error_status(status, why);
}

static int new_client(struct session *session)
{
    const struct cli *cli = session->cli;
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    char name[80];

    snprintf(name, sizeof name, "panpipe-%s", cli->command->name);
    config.name = cli->name != NULL ? cli->name : name;
    config.broker = cli->broker;
    config.scope = cli->system ? PP_SCOPE_SYSTEM : PP_SCOPE_USER;
    if (!session->reconnects)
        config.flags = PP_CLIENT_ONCE; /* a command ends with its broker, and says so */
    if (session_starts(cli))
        config.flags |= PP_CLIENT_START;
    config.connect_ms = session_patience(cli);
    config.port = session->port;
    config.context = session;
    config.on_closed = on_closed;
    config.on_note = on_note;
    return pp_client_new(&session->client, &config);
}

int session_open(struct session *session, const struct cli *cli)
{
    int code = session_open_port(session, cli);

    if (code != GO_ON)
        return code;
    int status = new_client(session);
    if (status != PP_OK)
        return session_fail_here(session, status);
    status = session_await(session, pp_client_connect(session->client, session_op(session)),
                           session_patience(cli) + HELLO_MS);
    if (status != PP_OK)
        return session_refused(session, status);
    session->connected = true;
    return GO_ON;
}

int session_ready(const struct session *session, const char *file)
{
    char why[400];
    int status = file != NULL ? pp_file_make(file) : PP_OK;

    if (session->cli->verbose)
        fprintf(stderr, "panpipe: %s: ready\n", session->cli->command->name);
    if (status == PP_OK)
        return GO_ON;
    snprintf(why, sizeof why, "cannot make %.100s: %.200s", file, pp_detail());
    return error_say(EXIT_FAILED, "E_IO", why, "");
}

/* --- closing --------------------------------------------------------------------------------- */

/* Waits for a part of the goodbye, also when interrupted. */
static void part(struct session *session, int started)
{
    while (started == PP_PENDING && !session->goodbye.ended && turn(session, session->leave_by_ns))
        ;
}

/* Answers what was asked of its service, says goodbye, and waits for the answer. */
static void say_goodbye(struct session *session)
{
    session->leave_by_ns = session_deadline_ns(GOODBYE_MS);
    if (session->connected && session->service != NULL)
        part(session, pp_unsubscribe(session->service, session_task(&session->goodbye)));
    if (session->connected)
        part(session, pp_client_drain(session->client, session_task(&session->goodbye)));
}

int session_close(struct session *session, int code)
{
    if (session->port == NULL)
        return code;
    if (session->client != NULL)
        say_goodbye(session);
    pp_client_abort(session->client);
    session->client = NULL;
    if (!interrupt_withdraw())
        code = EXIT_INTERRUPTED;
    pp_port_shutdown(session->port, PP_SHUT_FAST, GOODBYE_MS, NULL, NULL);
    pp_port_close(session->port);
    session->port = NULL;
    pp_answer_free(&session->answer);
    return code;
}
