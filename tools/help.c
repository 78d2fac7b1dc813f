#include "help.h"

#include <string.h>

#include "commands.h"
#include "error.h"
#include "out.h"

static const char *const shells[] = { "bash", "zsh", "fish", NULL };
static void (*const scripts[])(void) = { complete_bash, complete_zsh, complete_fish };

static struct {
    bool man;
    int shell; /* -1: not given */
} given = { .shell = -1 };

const struct option help_options[] = {
    { 0, "man", NULL, "as a manual page, in man's format", OPTION_FLAG, &given.man, NULL },
    { 0, "completion", "SHELL", "a script for bash, zsh or fish that completes command lines",
      OPTION_WORD, &given.shell, shells },
    { 0 },
};

const struct help_exit help_exits[] = {
    { EXIT_DONE, "done" },
    { EXIT_FAILED, "failed, any other way" },
    { EXIT_WRONG_USE, "wrong use" },
    { EXIT_NO_BROKER, "no broker is running, none can be started, or it is leaving" },
    { EXIT_DENIED, "access denied" },
    { EXIT_NOBODY, "nobody there: no service, it has gone, or no receiver" },
    { EXIT_TIMED_OUT, "timed out" },
    { EXIT_REMOTE, "the other side answered with an error" },
    { EXIT_LIMIT, "a limit" },
    { EXIT_PROTOCOL, "not the protocol" },
    { EXIT_NOT_FOUND, "not found" },
    { EXIT_INTERRUPTED, "interrupted" },
    { -1, NULL },
};

/* Lines, each behind so much room. */
static void print_indented(const char *lines, const char *indent)
{
    while (*lines != '\0') {
        size_t length = strcspn(lines, "\n") + 1;

        out_text(indent);
        out_bytes(lines, length);
        lines += length;
    }
}

static void print_group(enum command_group group)
{
    out_format("\n%s\n", command_groups[group]);
    for (const struct command *at = commands; at->name != NULL; at++)
        if (at->group == group)
            out_format("  %-8s %s\n", at->name, at->summary);
}

void help_all(void)
{
    out_text("usage: panpipe COMMAND [options]\n\n"
             "Talks to a Panpipe broker: messages between the processes of this machine.\n");
    for (int group = 0; group < GROUP_COUNT; group++)
        print_group((enum command_group)group);
    out_text("\nOptions of every command:\n");
    options_help(global_options);
    out_text(
        "\npub, sub, req, serve, stdio and bench start this user's broker if none is running.\n"
        "\nExit codes:\n");
    for (const struct help_exit *at = help_exits; at->code >= 0; at++)
        out_format("  %-3d %s\n", at->code, at->what);
    out_text("\npanpipe COMMAND --help tells more.\n");
}

void help_command(const struct command *command)
{
    out_format("usage: panpipe %s%s%s [options]\n\n", command->name,
               command->synopsis[0] != '\0' ? " " : "", command->synopsis);
    out_format("%s: %s.\n", command->name, command->summary);
    if (command->words != NULL)
        out_text("\n");
    for (const struct command_word *at = command->words; at != NULL && at->name != NULL; at++)
        out_format("  %-10s %s\n", at->name, at->summary);
    if (command->details[0] != '\0') {
        out_text("\n");
        out_text(command->details);
    }
    if (command->options != NULL) {
        out_text("\n");
        options_help(command->options);
    }
    if (command->exits != NULL) {
        out_text("\nExit codes:\n");
        print_indented(command->exits, "  ");
    }
    out_text("\nOptions of every command: see panpipe --help\nExamples:\n");
    print_indented(command->examples, "  ");
}

/* --- the command ----------------------------------------------------------------------------- */

int help(const struct cli *cli)
{
    const char *name = cli_operand(cli, 0);
    const struct command *command = name != NULL ? command_find(name) : NULL;

    if (name != NULL && command == NULL)
        return command_unknown(name);
    if (given.shell >= 0 && (given.man || name != NULL))
        return error_use("--completion is a script for all commands");
    if (given.shell >= 0)
        scripts[given.shell]();
    else if (given.man)
        command != NULL ? manual_command(command) : manual_all();
    else
        command != NULL ? help_command(command) : help_all();
    return EXIT_DONE;
}
