/* embedded_broker.c: a program that runs a broker inside, and two programs that talk through it:
 * one adds, the other asks it to. Both are this very program, started with an argument. */
#include <stdio.h>
#include <string.h>

#include <panpipe/broker.h>
#include <panpipe/client.h>
#include <panpipe/sys.h>

static const char name[] = "embedded-example";

static int complain(const char *what, int status)
{
    fprintf(stderr, "embedded_broker: %s: %s %s\n", what, pp_strerror(status), pp_detail());
    return 1;
}

/* --- the children ---------------------------------------------------------------------------- */

/* Answers calls of "add" until the broker leaves: [a, b], small numbers, which are bytes. */
static int serve(pp_client *client)
{
    pp_message call;
    pp_sub *service;

    if (pp_serve(client, NULL, "add", NULL, &service) != PP_OK)
        return 1;
    while (pp_receive(service, NULL) == PP_OK)
        while (pp_next(service, &call) == 1) {
            const unsigned char *params = call.params;
            unsigned char sum = (unsigned char)(call.params_size == 3 ? params[1] + params[2] : 0);

            pp_reply(client, call.call, &sum, 1);
        }
    return 0;
}

static int call(pp_client *client)
{
    pp_answer answer = { 0 };
    int status;

    while ((status = pp_call(client, NULL, "add", "\x92\x02\x03", 3, NULL, &answer)) == PP_ENORESP)
        pp_sleep_ms(5); /* the other one is still being started */
    if (status == PP_OK)
        printf("2 + 3 = %d\n", *(const unsigned char *)answer.data);
    pp_answer_free(&answer);
    return status == PP_OK ? 0 : complain("call", status);
}

static int be_child(const char *task)
{
    pp_client_config config = PP_CLIENT_CONFIG_INIT;
    pp_client *client;

    config.broker = name;
    config.name = task;
    int status = pp_client_open(&client, &config);
    if (status != PP_OK)
        return complain(task, status);
    int code = strcmp(task, "serve") == 0 ? serve(client) : call(client);
    pp_client_close(client);
    return code;
}

/* --- the parent ------------------------------------------------------------------------------ */

static void on_log(void *context, uint32_t level, const char *line)
{
    (void)context;
    if (level <= PP_LOG_WARN)
        fprintf(stderr, "embedded_broker: %s\n", line);
}

/* A thread of the program's own, for its port: packets of its own would come here, too. */
static void work(void *port)
{
    pp_packet packet;

    while (pp_port_get(port, &packet, -1) == 1)
        ;
}

/* Runs one child beside the other. 0: both ended well, the one that serves because the broker did.
 */
static int run_children(pp_broker *broker)
{
    const char *const serve_it[] = { pp_program_path(), "serve", NULL };
    const char *const call_it[] = { pp_program_path(), "call", NULL };
    pp_process *server, *caller;
    int codes[2] = { 1, 1 };

    int status = pp_process_start(&server, serve_it);
    if (status != PP_OK)
        return complain(serve_it[0], status);
    status = pp_process_start(&caller, call_it);
    if (status == PP_OK)
        pp_process_wait(caller, -1, &codes[0]);
    else
        complain(call_it[0], status);
    pp_broker_stop(broker); /* its clients are told, and get what is queued for them */
    pp_process_wait(server, -1, &codes[1]);
    return codes[0] != 0 || codes[1] != 0;
}

int main(int argc, char **argv)
{
    pp_broker_config config = PP_BROKER_CONFIG_INIT;
    pp_thread *thread;
    pp_broker *broker;
    pp_port *port;

    argv = pp_program_begin(&argc, argv);
    if (argc > 1)
        return be_child(argv[1]);
    config.name = name;
    config.on_log = on_log;
    int status = pp_port_open(&port, NULL);
    if (status != PP_OK)
        return complain("port", status);
    status = pp_broker_open(&broker, port, &config);
    if (status != PP_OK)
        return complain(name, status);
    status = pp_thread_start(&thread, work, port);
    if (status != PP_OK)
        return complain("thread", status);
    int code = run_children(broker);
    pp_port_shutdown(port, PP_SHUT_FAST, -1, NULL, NULL);
    pp_thread_join(thread);
    pp_broker_close(broker);
    pp_port_close(port);
    puts(code == 0 ? "all have ended" : "something went wrong");
    return code;
}
