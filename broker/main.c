/* main.c: panpiped, the broker as a program: reads its settings, makes workers, waits for the end.
 *
 * Exit codes as the program panpipe's: 0 ended as wished, 1 failed, 2 wrong usage, 4 access
 * denied. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

#include "base/check.h"
#include "base/compiler.h"
#include "broker.h"
#include "io/service.h"
#include "io/sys.h"
#include "launch.h"
#include "link/outq.h"
#include "link/spare.h"
#include "log_writer.h"
#include "panpipe_version.h"
#include "service.h"

enum { EXIT_USAGE = 2, EXIT_DENIED = 4, THREADS_MAX = 65, BUFFERS = 32 };

static const char usage[] =
    "usage: panpiped [-b NAME|PATH] [--system] [--access WHO] [--config FILE] [--workers N]\n"
    "                [--log-level LEVEL]\n"
    "\n"
    "The Panpipe broker: routes MessagePack-RPC messages between processes of this machine.\n"
    "\n"
    "  -b, --broker NAME|PATH  the name to listen on: a-z 0-9 . _ -, or a full path (default:\n"
    "                          \"default\", or what PANPIPE in the environment says)\n"
    "      --system            for all users of this machine, not for one\n"
    "      --access WHO        who may connect: same-user, local-users, service-and-user, admins\n"
    "                          (default: same-user; with --system local-users)\n"
    "      --access-user USER  who, beside this one, with service-and-user: uid, SID or name\n"
    "      --access-group GROUP  whose members, too, with admins: gid, SID or name\n"
    "      --print-access      show what that comes to on this machine, and end\n"
    "      --config FILE       settings, one `name = value` a line; see broker/README.md\n"
    "      --workers N         that many messages are handled at the same time (default: by the\n"
    "                          number of processors)\n"
    "      --log-level LEVEL   error, warn, info or debug (default: info); to standard error\n"
    "      --help, --version\n"
    "\n"
    "panpiped service --help tells how it becomes a Windows service; for systemd there are units.\n"
    "SIGTERM and Ctrl-C let it send what is queued and leave; twice, it leaves at once.\n";

struct arguments {
    const char *broker, *config, *workers, *log_level, *access, *access_user, *access_group;
    const char *on_demand, *service; /* for who starts it, see launch.h */
    bool system, print_access;
};

/* To standard error, or whatever stands for it, and to whom else it concerns. */
static void say(const char *words)
{
    char line[700];
    int size =
        snprintf(line, sizeof line, "%spanpiped: %s\n", ppi_service_logs() ? "<3>" : "", words);

    ppi_errors_write(line, (size_t)size);
    launch_failed(words);
}

static int complain(const char *format, ...) PPI_PRINTF(1, 2);

static int complain(const char *format, ...)
{
    va_list arguments;
    char words[600];

    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    say(words);
    if (!ppi_service_logs())
        fputs("panpiped: see panpiped --help\n", stderr);
    return EXIT_USAGE;
}

/* The value of an option, from the next argument or behind '='; NULL: it is another option. */
static bool takes(const char *name, char **argv, int argc, int *i, const char **value)
{
    size_t length = strlen(name);

    if (strncmp(argv[*i], name, length) != 0)
        return false;
    if (argv[*i][length] == '=') {
        *value = argv[*i] + length + 1;
        return true;
    }
    if (argv[*i][length] != '\0')
        return false;
    *value = *i + 1 < argc ? argv[++*i] : NULL;
    return true;
}

/* -1: go on; else the program's exit code. */
static int parse(struct arguments *arguments, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char **value = NULL, *name = argv[i], *given = NULL;

        if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(name, "--version") == 0) {
            puts("panpiped " PANPIPE_VERSION);
            return 0;
        }
        if (strcmp(name, "--system") == 0) {
            arguments->system = true;
            continue;
        }
        if (strcmp(name, "--print-access") == 0) {
            arguments->print_access = true;
            continue;
        }
        if (takes("-b", argv, argc, &i, &given) || takes("--broker", argv, argc, &i, &given))
            value = &arguments->broker;
        else if (takes("--config", argv, argc, &i, &given))
            value = &arguments->config;
        else if (takes("--access", argv, argc, &i, &given))
            value = &arguments->access;
        else if (takes("--access-user", argv, argc, &i, &given))
            value = &arguments->access_user;
        else if (takes("--access-group", argv, argc, &i, &given))
            value = &arguments->access_group;
        else if (takes("--workers", argv, argc, &i, &given))
            value = &arguments->workers;
        else if (takes("--log-level", argv, argc, &i, &given))
            value = &arguments->log_level;
        else if (takes("--on-demand", argv, argc, &i, &given))
            value = &arguments->on_demand;
        else if (takes("--service", argv, argc, &i, &given))
            value = &arguments->service;
        if (value == NULL)
            return complain("unknown option %s", name);
        if (given == NULL)
            return complain("option %s wants a value", name);
        *value = given;
    }
    return -1;
}

/* Who may connect. -1, or an exit code. */
static int settle_access(struct settings *settings, const struct arguments *arguments)
{
    const char *user = arguments->access_user, *group = arguments->access_group;

    if (arguments->access != NULL && (settings->access = pp_access_parse(arguments->access)) < 0)
        return complain("--access is one of " SETTINGS_ACCESS ", not %s", arguments->access);
    if (!settings_set_text(settings->access_user, sizeof settings->access_user, user))
        return complain("--access-user is too long");
    if (!settings_set_text(settings->access_group, sizeof settings->access_group, group))
        return complain("--access-group is too long");
    return -1;
}

static int print_access(const struct settings *settings)
{
    const pp_listen_config config = settings_listen(settings);
    char text[PP_ACCESS_TEXT_MAX];

    if (pp_access_describe(&config, text, sizeof text) != PP_OK)
        return complain("%s", pp_detail());
    printf("%s %s\n", pp_access_name(config.access), text);
    return EXIT_SUCCESS;
}

/* Defaults, then the file, then the environment, then the command line. -1, or an exit code. */
static int settle(struct settings *settings, const struct arguments *arguments)
{
    char problem[512];
    const char *name = arguments->broker, *config = arguments->config;
    char *end;

    settings_defaults(settings);
    if (arguments->on_demand != NULL)
        settings->idle_exit_ms = ON_DEMAND_IDLE_MS;
    if (config == NULL)
        config = ppi_environment("PANPIPED_CONFIG");
    if (config != NULL && config[0] != '\0' &&
        settings_load(settings, config, problem, sizeof problem) != PP_OK)
        return complain("%s", problem);
    if (name == NULL)
        name = ppi_environment("PANPIPE");
    if (name != NULL && name[0] != '\0' &&
        !settings_set_text(settings->name, sizeof settings->name, name))
        return complain("the name is too long: %s", name);
    if (arguments->system)
        settings->system = true;
    if (arguments->workers != NULL) {
        unsigned long workers = strtoul(arguments->workers, &end, 10);

        if (*end != '\0' || workers < 1 || !settings_set_number(settings, "workers", workers))
            return complain("--workers is a number from 1 to 64, not %s", arguments->workers);
    }
    if (arguments->log_level != NULL &&
        !log_level_parse(arguments->log_level, &settings->log_level))
        return complain("--log-level is error, warn, info or debug, not %s", arguments->log_level);
    int code = settle_access(settings, arguments);
    if (code >= 0)
        return code;
    if (settings_check(settings, problem, sizeof problem) != PP_OK)
        return complain("%s", problem);
    if (arguments->print_access)
        return print_access(settings);
    return -1;
}

/* What the threads of the program share. */
struct program {
    struct arguments arguments;
    struct settings settings;
    pp_port *port;
    struct broker *broker;
    struct ppi_mutex lock;
    struct ppi_cond changed;
    unsigned wishes; /* that came before there was a broker */
    bool stopped;
};

static void on_stopped(void *context, pp_broker *broker)
{
    struct program *program = context;

    (void)broker;
    ppi_mutex_lock(&program->lock);
    program->stopped = true;
    ppi_cond_signal(&program->changed);
    ppi_mutex_unlock(&program->lock);
}

static void on_wish(void *context, unsigned count)
{
    struct program *program = context;

    (void)count;
    ppi_mutex_lock(&program->lock);
    program->wishes++;
    launch_stopping(&program->settings);
    if (program->broker != NULL && !program->stopped)
        broker_stop(program->broker);
    ppi_mutex_unlock(&program->lock);
}

static void work(void *argument)
{
    struct program *program = argument;
    pp_packet packet;

    while (pp_port_get(program->port, &packet, -1) == 1)
        ; /* every packet is the broker's own, and handled inside */
}

static int say_why(const struct program *program, int status)
{
    const char *detail = pp_detail();
    char words[600];

    snprintf(words, sizeof words, "cannot listen on %s: %s", program->settings.name,
             detail[0] != '\0' ? detail : pp_strerror(status));
    say(words);
    if (status == PP_EINVAL)
        return EXIT_USAGE; /* a bad name */
    return status == PP_EACCESS || status == PP_EUNTRUSTED ? EXIT_DENIED : EXIT_FAILURE;
}

static void wait_for_end(struct program *program)
{
    ppi_mutex_lock(&program->lock);
    while (!program->stopped)
        ppi_cond_wait(&program->changed, &program->lock);
    ppi_mutex_unlock(&program->lock);
}

static int run(struct program *program)
{
    struct ppi_thread threads[THREADS_MAX];
    const struct broker_events events = { program, log_write, on_stopped };
    pp_port_stats stats = { .size = sizeof stats };
    char path[PP_PATH_MAX];
    uint32_t started = 0;
    struct broker *broker;

    int status = broker_open(&broker, &program->settings, program->port, &events);
    if (status != PP_OK)
        return say_why(program, status);
    pp_port_info(program->port, &stats);
    broker_path(broker, path, sizeof path);
    /* one more than may run at once: a handler that blocks stops nobody */
    while (started <= stats.concurrency && started < THREADS_MAX &&
           ppi_thread_start(&threads[started], work, program) == PP_OK)
        started++;

    ppi_mutex_lock(&program->lock);
    program->broker = broker;
    bool wished = program->wishes > 0;
    ppi_mutex_unlock(&program->lock);
    launch_ready(program->port, path);
    if (wished)
        broker_stop(broker);
    if (started > 0)
        wait_for_end(program);
    launch_stopping(&program->settings); /* if nobody has wished it from outside */
    pp_port_shutdown(program->port, PP_SHUT_FAST, (int)program->settings.drain_ms, NULL, NULL);
    for (uint32_t i = 0; i < started; i++)
        ppi_thread_join(&threads[i]);
    broker_close(broker);
    return started > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Measured on two processors, one worker routes more than two do, which share both of them with
 * the clients; see tests/bench/README.md. */
static uint32_t usual_workers(void)
{
    uint32_t processors = ppi_processors();

    return processors <= 2 ? 1 : processors / 2;
}

static int serve(void *context)
{
    struct program *program = context;
    pp_port_config config = PP_PORT_CONFIG_INIT;

    if (launch_begin(program->arguments.on_demand, program->arguments.broker) != PP_OK)
        return complain("%s", pp_detail());
    int code = settle(&program->settings, &program->arguments);
    if (code >= 0)
        return code;
    ppi_mutex_init(&program->lock);
    ppi_cond_init(&program->changed);
    ppi_raise_handle_limit();
    ppi_watch_for_end(on_wish, program);
    log_open(); /* without its thread, too, lines are written */
    config.concurrency =
        program->settings.workers != 0 ? program->settings.workers : usual_workers();
    config.pool_count = BUFFERS;
    int status = pp_port_open(&program->port, &config);
    if (status != PP_OK) {
        say(pp_detail()[0] != '\0' ? pp_detail() : pp_strerror(status));
        log_close();
        return EXIT_FAILURE;
    }
    code = run(program);
    pp_port_close(program->port);
    ppi_outq_trim();
    ppi_spare_trim();
    log_close();
    return code;
}

static bool are_options(int argc, char **argv)
{
    struct arguments arguments = { 0 };
    struct settings settings;

    return parse(&arguments, argc, argv) < 0 && settle(&settings, &arguments) < 0;
}

int main(int argc, char **argv)
{
    static struct program program;
    struct arguments *arguments = &program.arguments;

    ppi_check_set_hook(ppi_check_abort);
    argv = pp_program_begin(&argc, argv);
    if (argc > 1 && strcmp(argv[1], "service") == 0)
        return service_command(argc - 2, argv + 2, are_options);
    int code = parse(arguments, argc, argv);
    if (code >= 0)
        return code;
    if (arguments->service == NULL)
        return serve(&program);
    arguments->system = true;
    if (arguments->log_level == NULL)
        arguments->log_level = "warn"; /* each line is an event of the system's log */
    return ppi_service_run(arguments->service, serve, &program, &code) == PP_OK
               ? code
               : complain("%s",
                          pp_detail()[0] != '\0' ? pp_detail() : "there are no services here");
}
