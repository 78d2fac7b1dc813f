/* complete_fish.c: the script for fish. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "complete.h"
#include "help.h"
#include "out.h"

static const char begin[] =
    "# Completes the command lines of panpipe in fish.\n"
    "\n"
    "# The words before the cursor that are no options, nor options' values.\n"
    "function __panpipe_operands\n"
    "    set -l found\n"
    "    set -l skip 0\n"
    "    set -l words (commandline -opc)\n";

static const char middle[] = "    for word in $words[2..-1]\n"
                             "        if test $skip = 1\n"
                             "            set skip 0\n"
                             "        else if contains -- $word $valued\n"
                             "            set skip 1\n"
                             "        else if not string match -q -- '-*' $word\n"
                             "            set -a found $word\n"
                             "            if test (count $found) = 1\n"
                             "                switch $word\n";

static const char end[] =
    "                end\n"
    "            end\n"
    "        end\n"
    "    end\n"
    "    set -q found[1]; or return 1\n"
    "    printf '%s\\n' $found\n"
    "end\n"
    "\n"
    "# COMMAND [COUNT [FIRST]]: is it that command, with so many operands, the first of them "
    "FIRST?\n"
    "function __panpipe_is\n"
    "    set -l operands (__panpipe_operands)\n"
    "    set -q operands[1]; or return 1\n"
    "    test $operands[1] = $argv[1]; or return 1\n"
    "    set -q argv[2]; or return 0\n"
    "    test (count $operands) = (math $argv[2] + 1); or return 1\n"
    "    set -q argv[3]; or return 0\n"
    "    test $operands[2] = $argv[3]\n"
    "end\n"
    "\n"
    "# COMMAND: is it that command, with an operand or more?\n"
    "function __panpipe_goes_on\n"
    "    __panpipe_is $argv[1]; and test (count (__panpipe_operands)) -ge 2\n"
    "end\n"
    "\n"
    "function __panpipe_ask\n"
    "    set -l words (commandline -opc)\n"
    "    set -l where\n"
    "    for i in (seq 2 (count $words))\n"
    "        switch $words[$i]\n"
    "            case -b --broker\n"
    "                set -a where -b $words[(math $i + 1)]\n"
    "            case --system\n"
    "                set -a where --system\n"
    "        end\n"
    "    end\n"
    "    $words[1] $where --timeout " COMPLETE_PATIENCE " --no-start $argv 2>/dev/null\n"
    "end\n"
    "\n"
    "complete -c panpipe -f\n";

static void print_quoted(const char *text)
{
    complete_quote(text, "\\", "\\'");
}

static void print_options(const struct option *table, const char *condition)
{
    for (const struct option *at = table; at != NULL && at->name != NULL; at++) {
        bool file = at->value != NULL && strcmp(at->value, "FILE") == 0;

        out_format("complete -c panpipe%s", condition);
        if (at->letter != 0)
            out_format(" -s %c", at->letter);
        out_format(" -l %s%s", at->name, file ? " -r -F" : at->value != NULL ? " -x" : "");
        if (at->words != NULL) {
            out_text(" -a '");
            complete_choice(at->words);
            out_text("'");
        }
        out_text(" -d '");
        print_quoted(at->help);
        out_text("'\n");
    }
}

/* What an operand may be, where the condition holds. */
static void print_kind(enum operand kind, const char *condition, const char *name)
{
    if (complete_list(kind) != NULL)
        out_format("complete -c panpipe -n '%s %s' -a \"(__panpipe_ask %s)\"\n", condition, name,
                   complete_list(kind));
    else if (kind == OPERAND_BODY)
        out_format("complete -c panpipe -n '%s %s' -F\n", condition, name);
    else if (kind == OPERAND_COMMAND)
        for (const struct command *at = commands; at->name != NULL; at++)
            out_format("complete -c panpipe -n '%s %s' -a %s\n", condition, name, at->name);
}

static void print_operands(const struct command *command)
{
    char name[64];

    snprintf(name, sizeof name, "%s 0", command->name);
    print_kind(command->first, "__panpipe_is", name);
    print_kind(command->next, "__panpipe_goes_on", command->name);
    for (const struct command_word *at = command->words; at != NULL && at->name != NULL; at++) {
        out_format("complete -c panpipe -n '__panpipe_is %s 0' -a %s -d '", command->name,
                   at->name);
        print_quoted(at->summary);
        out_text("'\n");
        snprintf(name, sizeof name, "%s 1 %s", command->name, at->name);
        print_kind(at->next, "__panpipe_is", name);
    }
}

void complete_fish(void)
{
    char condition[64];

    out_text(begin);
    out_text("    set -l valued");
    complete_options(global_options, true);
    out_text("\n");
    out_text(middle);
    for (const struct command *at = commands; at->name != NULL; at++) {
        if (at->options == NULL)
            continue;
        out_format("                    case %s\n                        set -a valued", at->name);
        complete_options(at->options, true);
        out_text("\n");
    }
    out_text(end);
    print_options(global_options, "");
    for (const struct command *at = commands; at->name != NULL; at++) {
        out_format("complete -c panpipe -n 'not __panpipe_operands >/dev/null' -a %s -d '",
                   at->name);
        print_quoted(at->summary);
        out_text("'\n");
        snprintf(condition, sizeof condition, " -n '__panpipe_is %s'", at->name);
        print_options(at->options, condition);
        print_operands(at);
    }
}
