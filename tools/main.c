/* main.c: panpipe, the program: the table of commands, and what they have in common on the command
 * line. A command is one file; it sees nothing but the public headers of the library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

#include "bytes.h"
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "out.h"
#include "panpipe_version.h"

static struct cli cli;

static const struct command commands[] = {
    { "pub", "publish messages", "SUBJECT [BODY|@FILE|-]", 1, 2, pub_options,
      "BODY is a text, @FILE all of a file. Without one, or with -, each line of standard input\n"
      "is a message, without its newline; with --in msgpack, each value. A raw body, or the bytes\n"
      "that hex stands for, becomes one text if it is UTF-8, else one binary. A JSON body is the\n"
      "array of params, or one param; a MessagePack body the array.\n",
      "panpipe pub ui.tick 42", pub, true },
    { "sub", "print the messages that are published", "SUBJECT...", 1, CLI_OPERANDS_MANY,
      sub_options,
      "The token * in a SUBJECT stands for any one, > at its end for one or more: ui.* but not "
      "ui*.\n"
      "A message that is one text or binary is printed as it is, any other as a JSON array, each\n"
      "on a line. With --json a line is {\"subject\":...,\"params\":[...]}, binary is\n"
      "{\"$bin\":\"BASE64\"}.\n"
      "A slow reader of this output slows the publishers, unless --policy is cut.\n",
      "panpipe sub 'ui.>' --subject", sub, true },
    { "req", "call a service and print its result", "SUBJECT [BODY|@FILE|-]", 1, 2, req_options,
      "BODY is a text, @FILE all of a file, - all of standard input; without it there are no\n"
      "params. A subject that begins with $ is a question to the broker itself. --timeout is also\n"
      "the deadline for the answer.\n",
      "panpipe req svc.sum --in json '[1, 2]'", req, true },
    { "serve", "answer calls", "SUBJECT [BODY|@FILE]", 1, 2, serve_options,
      "The answer is BODY; or with --echo the call's first param; or with --exec what a shell\n"
      "command prints, without its last newline. A command that fails answers with an error.\n"
      "Calls are answered one after the other; on Ctrl-C those that have come, for 2 seconds.\n"
      "--doc-json takes {\"text\": \"adds\", \"params\": [[\"a\", \"int\", \"one of them\"], "
      "...],\n"
      "\"result\": \"int\", \"errors\": [\"E_ARG no number\"]}, each of which may be left out.\n",
      "panpipe serve svc.upper --exec 'tr a-z A-Z'", serve, true },
    { "describe", "tell what is served, and how to call it", "[PATTERN]", 0, 1, NULL,
      "Of all services, or of those that a call under PATTERN may go to: svc.sum, svc.*, >. What "
      "a\n"
      "service tells about itself comes from its doc, see panpipe serve --help. Nobody there: "
      "exit\n"
      "code 5, if there is a PATTERN.\n",
      "panpipe describe 'svc.>'", describe, false },
    { "ping", "measure round trips to the broker", "", 0, 0, ping_options, "", "panpipe ping -n 10",
      ping, false },
    { "stats", "show the broker's counters", "", 0, 0, NULL, "", "panpipe stats --json", stats,
      false },
    { "ls", "list clients or subscriptions", "clients|subs", 1, 1, NULL, "", "panpipe ls clients",
      list, false },
    { "doctor", "find out why the broker cannot be reached", "", 0, 0, NULL,
      "Looks at the place, who listens there, whether it may be opened, what else runs, whether a\n"
      "broker would be started and how the last start went, and at limits: ok, warn or FAIL, what\n"
      "was found, and what to do. Starts nothing, and sends nothing to another user's program.\n"
      "The exit code is that of the first failure; 0 with warnings only. --timeout: how long it\n"
      "waits for an answer (2s).\n",
      "panpipe doctor -b default", doctor, false },
    { "stop", "let the broker send what is queued and leave", "", 0, 0, NULL, "", "panpipe stop",
      stop, false },
    { "stdio", "join standard input and output to the broker", "", 0, 0, NULL,
      "The bytes are MessagePack-RPC, as they are. It ends when either side ends: keep standard\n"
      "input open until you have your answers.\n",
      "panpipe stdio", stream, true },
    { "where", "print where the broker listens", "", 0, 0, NULL,
      "A client that uses no library of Panpipe's connects to this socket, or named pipe. Nobody\n"
      "need be there yet.\n",
      "panpipe where -b default", where, false },
    { "bench", "measure the broker on this machine", "pub|sub|fan|req [SUBJECT]", 1, 2,
      bench_options,
      "pub: one publisher, one subscriber. fan: one publisher, --clients subscribers. req: calls\n"
      "to a service of its own. sub: counts what others publish on SUBJECT.\n"
      "Times are from call to callback (req: round trips); mind that at full speed messages wait\n"
      "in queues: --rate shows the times of a broker at ease.\n",
      "panpipe bench pub --for 2s", bench, true },
};

static const struct option global_options[] = {
    { 'b', "broker", "NAME", "a name, or a path (default: $PANPIPE, or \"default\")", OPTION_TEXT,
      &cli.broker, NULL },
    { 0, "system", NULL, "a broker for all users of this machine", OPTION_FLAG, &cli.system, NULL },
    { 0, "json", NULL, "print JSON: lists as one array, streams as an object a line", OPTION_FLAG,
      &cli.json, NULL },
    { 'q', "quiet", NULL, "print nothing to standard output", OPTION_FLAG, &cli.quiet, NULL },
    { 'v', "verbose", NULL,
      "tell on standard error of a broker that was started; sub, serve: when ready, and of each "
      "call",
      OPTION_FLAG, &cli.verbose, NULL },
    { 0, "no-start", NULL, "start no broker, wait for one (so does PANPIPE_NO_START=1)",
      OPTION_FLAG, &cli.no_start, NULL },
    { 0, "timeout", "D", "wait so long for the broker: 500ms, 2s, 1m (default: 5s)", OPTION_TIME,
      &cli.timeout_ms, NULL },
    { 0, "as", "NAME", "the client's name, as others see it", OPTION_TEXT, &cli.name, NULL },
    { 'h', "help", NULL, "this text; after a command, about that", OPTION_FLAG, &cli.help, NULL },
    { 0, "version", NULL, "the version", OPTION_FLAG, &cli.version, NULL },
    { 0 },
};

/* --- help ------------------------------------------------------------------------------------ */

static void help(void)
{
    out_text("usage: panpipe COMMAND [options]\n\n"
             "Talks to a Panpipe broker: messages between the processes of this machine.\n\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        out_format("  %-8s %s\n", commands[i].name, commands[i].summary);
    out_text("\nOptions of every command:\n");
    options_help(global_options);
    out_text(
        "\npub, sub, req, serve, stdio and bench start this user's broker if none is running.\n"
        "Exit codes: 0 done, 1 failed, 2 wrong use, 3 no broker, 4 access denied, 5 nobody "
        "there,\n6 timed out, 7 the other side's error, 8 a limit, 9 protocol, 11 not found,\n"
        "130 interrupted.\n"
        "panpipe COMMAND --help tells more.\n");
}

static void help_about(const struct command *command)
{
    out_format("usage: panpipe %s%s%s [options]\n\n", command->name,
               command->synopsis[0] != '\0' ? " " : "", command->synopsis);
    out_format("%s: %s.\n", command->name, command->summary);
    if (command->details[0] != '\0') {
        out_text("\n");
        out_text(command->details);
    }
    if (command->options != NULL) {
        out_text("\n");
        options_help(command->options);
    }
    out_format("\nOptions of every command: see panpipe --help\nExample: %s\n", command->example);
}

/* --- the command line ------------------------------------------------------------------------ */

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int choose(const char *name)
{
    const char *names[COUNT_OF(commands) + 1] = { NULL };

    cli.command = find(name);
    if (cli.command != NULL) {
        error_begin(name, cli.json);
        return GO_ON;
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        names[i] = commands[i].name;
    const char *meant = options_meant(name, names);
    if (meant != NULL)
        return error_use("unknown command %.60s; did you mean %s?", name, meant);
    return error_use("unknown command %.60s", name);
}

/* The first operand is the command; the others are its own. */
static int parse(int argc, char **argv)
{
    char problem[OPTION_PROBLEM_MAX];
    bool options = true;

    for (int at = 1; at < argc;) {
        const struct option *tables[2] = { global_options,
                                           cli.command != NULL ? cli.command->options : NULL };

        if (options && strcmp(argv[at], "--") == 0) {
            options = false;
            at++;
        } else if (options && argv[at][0] == '-' && argv[at][1] != '\0') {
            if (!options_take(tables, argv, argc, &at, problem))
                return error_use("%s", problem);
        } else if (cli.command == NULL) {
            int code = choose(argv[at++]);

            if (code != GO_ON)
                return code;
        } else {
            cli.operands[cli.operand_count++] = argv[at++];
        }
    }
    return GO_ON;
}

static int check(void)
{
    const struct command *command = cli.command;

    if (command == NULL)
        return error_use("which command?");
    if (cli.operand_count < command->operands_min)
        return error_use("something is missing: panpipe %s %s", command->name, command->synopsis);
    if (cli.operand_count > command->operands_max)
        return error_use("\"%.60s\" is one too many: panpipe %s%s%s",
                         cli.operands[command->operands_max], command->name,
                         command->synopsis[0] != '\0' ? " " : "", command->synopsis);
    return GO_ON;
}

static int run(int argc, char **argv)
{
    int code = parse(argc, argv);

    if (code != GO_ON)
        return code;
    if (cli.version) {
        out_text("panpipe " PANPIPE_VERSION "\n");
        return EXIT_DONE;
    }
    if (cli.help) {
        cli.command != NULL ? help_about(cli.command) : help();
        return EXIT_DONE;
    }
    code = check();
    if (code != GO_ON)
        return code;
    out_begin(cli.quiet);
    return cli.command->run(&cli);
}

int main(int argc, char **argv)
{
    argv = pp_program_begin(&argc, argv);
    interrupt_watch();
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        cli.json = cli.json || strcmp(argv[i], "--json") == 0; /* for what is wrong before it */
    error_begin("", cli.json);
    cli.operands = bytes_must(calloc((size_t)argc + 1, sizeof *cli.operands));
    int code = out_end(run(argc, argv));
    free(cli.operands);
    return code;
}
