/* main.c: panpipe, the program: what its commands have in common on the command line. A command is
 * one file; it sees nothing but the public headers of the library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

#include "bytes.h"
#include "commands.h"
#include "error.h"
#include "fields.h"
#include "help.h"
#include "interrupt.h"
#include "out.h"
#include "panpipe_version.h"
#include "print.h"

static struct cli cli = { .word = -1 };

const struct option global_options[] = {
    { 'b', "broker", "NAME", "a name, or a path (default: $PANPIPE, or \"default\")", OPTION_TEXT,
      &cli.broker, NULL },
    { 0, "system", NULL, "a broker for all users of this machine", OPTION_FLAG, &cli.system, NULL },
    { 0, "json", NULL, "print JSON: lists as one array, streams as an object a line", OPTION_FLAG,
      &cli.json, NULL },
    { 0, "format", "TEXT", "print this text of each object, with {fields} in it; help: lists them",
      OPTION_TEXT, &cli.format, NULL },
    { 'q', "quiet", NULL, "print nothing to standard output", OPTION_FLAG, &cli.quiet, NULL },
    { 'v', "verbose", NULL, "tell of a broker that was started; sub, serve: when ready; each call",
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

/* --- the command line ------------------------------------------------------------------------ */

static int choose(const char *name)
{
    cli.command = command_find(name);
    if (cli.command == NULL)
        return command_unknown(name);
    error_begin(name, cli.json);
    return GO_ON;
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

/* --format help without a word that says which fields: all. */
static bool help_wanted(void)
{
    return cli.format != NULL && strcmp(cli.format, "help") == 0;
}

static int help_about_fields(const struct command *command)
{
    for (const struct command_word *at = command->words; at->name != NULL; at++) {
        out_format("panpipe %s %s\n", command->name, at->name);
        fields_help(at->fields);
    }
    return EXIT_DONE;
}

static int check_operands(void)
{
    const struct command *command = cli.command;

    if (command == NULL)
        return error_use("which command?");
    if (cli.operand_count == 0 && command->words != NULL && help_wanted())
        return help_about_fields(command);
    if (cli.operand_count < command->operands_min)
        return error_use("something is missing: panpipe %s %s", command->name, command->synopsis);
    if (cli.operand_count > command->operands_max)
        return error_use("\"%.60s\" is one too many: panpipe %s%s%s",
                         cli.operands[command->operands_max], command->name,
                         command->synopsis[0] != '\0' ? " " : "", command->synopsis);
    if (command->words != NULL && cli.operand_count > 0)
        cli.word = command_word(command, cli.operands[0]);
    return cli.word >= 0 || command->words == NULL || cli.operand_count == 0 ? GO_ON
                                                                             : EXIT_WRONG_USE;
}

static int run_command(void)
{
    unsigned of = cli.word >= 0 ? cli.command->words[cli.word].fields : cli.command->fields;
    int code = print_begin(&cli, of);

    if (code == GO_ON)
        code = cli.command->run(&cli);
    print_end();
    return code;
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
        cli.command != NULL ? help_command(cli.command) : help_all();
        return EXIT_DONE;
    }
    code = check_operands();
    if (code != GO_ON)
        return code;
    out_begin(cli.quiet);
    return run_command();
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
