/* member.c: a process of a small application, as orders.py starts and kills them in every order.
 *
 *     service   doubles numbers:                                  calls of "math.double"
 *     worker    one of a group; has each job doubled by the service: "jobs" -> "done"
 *     ui        asks for a job every 10 ms and says when one is done
 *
 * Each says "up" when it begins, "connected" and "away" as the broker comes and goes, and ends when
 * its standard input does. It sees the public headers and nothing else. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/client.h>
#include <panpipe/sys.h>

enum { JOB_MS = 10, WAIT_MS = 1000, NUMBER_BYTES = 6 };

static pp_client *client;

static void say(const char *text)
{
    pp_stdout_write(text, strlen(text));
}

static int fail(const char *what, int status)
{
    fprintf(stderr, "%s: %s: %s\n", what, pp_strerror(status), pp_detail());
    return 1;
}

static void on_state(void *context, pp_client *which, const pp_client_event *event)
{
    char line[80];

    (void)context;
    (void)which;
    if (event->state == PP_CLIENT_CONNECTED)
        say("connected\n");
    if (event->state != PP_CLIENT_AWAY)
        return;
    snprintf(line, sizeof line, "away, unconfirmed %llu\n", (unsigned long long)event->unconfirmed);
    say(line);
}

/* [number], whose answer is its double. The number is a uint32 of 5 bytes, as `jobs` has it. */
static void on_double(void *context, const pp_message *message)
{
    const uint8_t *params = message->params;
    uint8_t result[NUMBER_BYTES - 1] = { 0xCE };
    uint32_t number = 0;

    (void)context;
    if (message->params_size != NUMBER_BYTES) {
        pp_reply_error(client, message->call, "E_ARG one number is wanted");
        return;
    }
    for (int i = 2; i < NUMBER_BYTES; i++)
        number = number << 8 | params[i];
    number *= 2;
    for (int i = 0; i < 4; i++)
        result[1 + i] = (uint8_t)(number >> (24 - 8 * i));
    pp_reply(client, message->call, result, sizeof result);
}

/* --- the worker ------------------------------------------------------------------------------ */

struct job {
    pp_op op;
    pp_answer answer;
};

static void on_doubled(pp_op *op)
{
    struct job *job = PP_CONTAINER(op, struct job, op);
    uint8_t params[NUMBER_BYTES] = { 0x91 };

    if (op->status == PP_OK && job->answer.size == NUMBER_BYTES - 1) {
        memcpy(params + 1, job->answer.data, job->answer.size);
        pp_publish(client, "done", params, sizeof params);
    }
    pp_answer_free(&job->answer);
    free(job);
}

static void on_job(void *context, const pp_message *message)
{
    pp_call_config config = PP_CALL_CONFIG_INIT;
    struct job *job = calloc(1, sizeof *job);

    (void)context;
    if (job == NULL)
        return;
    config.wait_ms = WAIT_MS;
    pp_op_use_call(&job->op, on_doubled);
    if (pp_call(client, &job->op, "math.double", message->params, message->params_size, &config,
                &job->answer) != PP_PENDING)
        free(job);
}

/* --- the UI ---------------------------------------------------------------------------------- */

static void on_done(void *context, const pp_message *message)
{
    (void)context;
    (void)message;
    say("done\n");
}

static atomic_bool over;

static void ask(void *argument)
{
    uint8_t params[NUMBER_BYTES] = { 0x91, 0xCE };

    (void)argument;
    for (unsigned n = 0; !over; n++) {
        params[4] = (uint8_t)(n >> 8);
        params[5] = (uint8_t)n;
        pp_publish(client, "jobs", params, sizeof params);
        pp_sleep_ms(JOB_MS);
    }
}

/* --- all of them ------------------------------------------------------------------------------ */

static int take_part(const char *role)
{
    pp_serve_config serve = PP_SERVE_CONFIG_INIT;
    pp_sub_config sub = PP_SUB_CONFIG_INIT;
    pp_sub *part;

    serve.on_call = on_double;
    sub.on_message = role[0] == 'u' ? on_done : on_job;
    sub.group = role[0] == 'u' ? NULL : "workers";
    if (role[0] == 's')
        return pp_serve(client, NULL, "math.double", &serve, &part);
    return pp_subscribe(client, NULL, role[0] == 'u' ? "done" : "jobs", &sub, &part);
}

int main(int argc, char **argv)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_thread *asking = NULL;
    char byte;

    argv = pp_program_begin(&argc, argv);
    if (argc != 2 || strchr("swu", argv[1][0]) == NULL)
        return fprintf(stderr, "usage: member service|worker|ui\n"), 2;
    say("up\n");
    config.name = argv[1];
    config.connect_ms = -1; /* it may come before the broker */
    config.on_state = on_state;
    int status = pp_client_open(&client, &config);
    if (status != PP_OK)
        return fail("connect", status);
    status = take_part(argv[1]);
    if (status == PP_OK && argv[1][0] == 'u')
        status = pp_thread_start(&asking, ask, NULL);
    if (status != PP_OK)
        return fail(argv[1], status);
    while (pp_stdin_read(&byte, 1) > 0)
        ; /* until whoever started it wants it to end */
    over = true;
    if (asking != NULL)
        pp_thread_join(asking);
    return pp_client_close(client) != PP_OK;
}
