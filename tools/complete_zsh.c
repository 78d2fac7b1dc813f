/* complete_zsh.c: the script for zsh. */
#include <string.h>

#include "commands.h"
#include "complete.h"
#include "help.h"
#include "out.h"

static const char begin[] = "#compdef panpipe\n"
                            "# Completes the command lines of panpipe in zsh.\n"
                            "\n"
                            "_panpipe_ask() {\n"
                            "    local -a lines\n"
                            "    lines=(${(f)\"$(\"${panpipe[@]}\" --timeout " COMPLETE_PATIENCE
                            " --no-start \"$@\" 2>/dev/null)\"})\n"
                            "    compadd -a lines\n"
                            "}\n";

/* Only behind compinit, or from a file that it finds itself. */
static const char end[] = "    esac\n"
                          "    return ret\n"
                          "}\n"
                          "\n"
                          "if [[ $funcstack[1] == _panpipe ]]; then\n"
                          "    _panpipe \"$@\"\n"
                          "else\n"
                          "    compdef _panpipe panpipe\n"
                          "fi\n";

static void print_quoted(const char *text)
{
    complete_quote(text, "[]:\\", "'\\''");
}

/* The function that completes an operand; "": nothing to offer. */
static const char *action_of(enum operand kind)
{
    switch (kind) {
    case OPERAND_CLIENT: return "_panpipe_clients";
    case OPERAND_SUBJECT: return "_panpipe_subjects";
    case OPERAND_COMMAND: return "_panpipe_commands";
    case OPERAND_BODY: return "_files";
    case OPERAND_TEXT:
    case OPERAND_NONE: break;
    }
    return "";
}

/* '(-n --count)'{-n,--count}'[end after N messages]:N:' */
static void print_option(const struct option *option, const char *indent)
{
    bool many = option->kind == OPTION_MANY;

    out_text(indent);
    if (option->letter != 0)
        out_format("'(-%c --%s)'{-%c,--%s}'[", option->letter, option->name, option->letter,
                   option->name);
    else
        out_format("'%s--%s[", many ? "*" : "", option->name);
    print_quoted(option->help);
    out_text("]");
    if (option->value != NULL) {
        out_text(":");
        print_quoted(option->value);
        out_text(":");
    }
    if (option->words != NULL) {
        out_text("(");
        complete_choice(option->words);
        out_text(")");
    } else if (option->value != NULL && strcmp(option->value, "FILE") == 0) {
        out_text("_files");
    }
    out_text("'\n");
}

static void print_options(const struct option *table, const char *indent)
{
    for (const struct option *at = table; at != NULL && at->name != NULL; at++)
        print_option(at, indent);
}

static void print_helpers(void)
{
    out_format("_panpipe_clients() { _panpipe_ask %s }\n", complete_list(OPERAND_CLIENT));
    out_format("_panpipe_subjects() { _panpipe_ask %s }\n", complete_list(OPERAND_SUBJECT));
    out_text("_panpipe_commands() {\n    local -a commands=(\n");
    for (const struct command *at = commands; at->name != NULL; at++) {
        out_format("        '%s:", at->name);
        print_quoted(at->summary);
        out_text("'\n");
    }
    out_text("    )\n    _describe command commands\n}\n\n");
}

static void print_main(void)
{
    out_text("_panpipe() {\n"
             "    local curcontext=$curcontext state ret=1\n"
             "    local -a line panpipe=($words[1]) options everywhere=(\n");
    print_options(global_options, "        ");
    out_text("    )\n"
             "    typeset -A opt_args\n"
             "    _arguments -C -S $everywhere '1:command:_panpipe_commands' "
             "'*::operand:->operands' && ret=0\n"
             "    [[ $state == operands ]] || return ret\n"
             "    (( $+opt_args[-b] )) && panpipe+=(-b $opt_args[-b])\n"
             "    (( $+opt_args[--broker] )) && panpipe+=(-b $opt_args[--broker])\n"
             "    (( $+opt_args[--system] )) && panpipe+=(--system)\n"
             "    case $words[1] in\n");
}

static void print_words(const struct command *command)
{
    out_text(" '1:what:(");
    for (const struct command_word *at = command->words; at->name != NULL; at++)
        out_format("%s%s", at > command->words ? " " : "", at->name);
    out_text(")' '2:operand:->second' && ret=0\n"
             "        [[ $state == second ]] && case $line[1] in\n");
    for (const struct command_word *at = command->words; at->name != NULL; at++)
        if (action_of(at->next)[0] != '\0')
            out_format("        %s) %s && ret=0 ;;\n", at->name, action_of(at->next));
    out_text("        esac\n");
}

static void print_command(const struct command *command)
{
    out_format("    %s)\n        options=(\n", command->name);
    print_options(command->options, "            ");
    out_text("        )\n        _arguments -C -S $everywhere $options");
    if (command->words != NULL) {
        print_words(command);
    } else {
        if (command->first != OPERAND_NONE)
            out_format(" '1:operand:%s'", action_of(command->first));
        if (command->next != OPERAND_NONE)
            out_format(" '*:operand:%s'", action_of(command->next));
        out_text(" && ret=0\n");
    }
    out_text("        ;;\n");
}

void complete_zsh(void)
{
    out_text(begin);
    print_helpers();
    print_main();
    for (const struct command *at = commands; at->name != NULL; at++)
        print_command(at);
    out_text(end);
}
