/* complete.c: the script for bash, and what all have in common.
 *
 * Names of clients and subjects come from others: a script must never let its shell expand them. */
#include "complete.h"

#include <string.h>

#include "commands.h"
#include "help.h"
#include "out.h"

const char *complete_list(enum operand kind)
{
    switch (kind) {
    case OPERAND_CLIENT: return "ls clients --where name!=panpipe-ls --format '{name}'";
    case OPERAND_SUBJECT: return "ls subjects --format '{subject}'";
    case OPERAND_NONE:
    case OPERAND_TEXT:
    case OPERAND_BODY:
    case OPERAND_COMMAND: break;
    }
    return NULL;
}

void complete_quote(const char *text, const char *special, const char *quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            out_text(quote);
            continue;
        }
        if (strchr(special, *text) != NULL)
            out_text("\\");
        out_bytes(text, 1);
    }
}

void complete_options(const struct option *table, bool with_value)
{
    for (const struct option *at = table; at != NULL && at->name != NULL; at++) {
        if (with_value && at->value == NULL)
            continue;
        if (at->letter != 0)
            out_format(" -%c", at->letter);
        out_format(" --%s", at->name);
    }
}

void complete_choice(const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        out_format("%s%s", i > 0 ? " " : "", words[i]);
}

/* --- bash ------------------------------------------------------------------------------------ */

static const char bash_begin[] =
    "# Completes the command lines of panpipe in bash.\n"
    "\n"
    "# Adds those lines of the standard input that begin with what is there already.\n"
    "_panpipe_add()\n"
    "{\n"
    "    local line\n"
    "    while IFS= read -r line; do\n"
    "        [[ -n $line && $line == \"$cur\"* ]] && COMPREPLY+=(\"$(printf %q \"$line\")\")\n"
    "    done\n"
    "}\n"
    "\n"
    "_panpipe_ask()\n"
    "{\n"
    "    _panpipe_add < <(\"$program\" \"${where[@]}\" --timeout " COMPLETE_PATIENCE
    " --no-start \"$@\" 2>/dev/null)\n"
    "}\n"
    "\n";

static const char bash_main[] =
    "_panpipe()\n"
    "{\n"
    "    local program=$1 cur=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    local command='' list='' i word\n"
    "    local -a where=() operands=()\n"
    "    local options=$_panpipe_options valued=$_panpipe_valued\n"
    "    COMPREPLY=()\n"
    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
    "        word=${COMP_WORDS[i]}\n"
    "        case $word in\n"
    "        -b | --broker) where+=(-b \"${COMP_WORDS[i + 1]}\") ;;\n"
    "        --system) where+=(--system) ;;\n"
    "        esac\n"
    "        if [[ $word == -?* ]]; then\n"
    "            [[ \"$valued \" == *\" $word \"* ]] && ((i++))\n"
    "        elif [[ -z $command ]]; then\n"
    "            command=$word\n"
    "            _panpipe_command\n"
    "        else\n"
    "            operands+=(\"$word\")\n"
    "        fi\n"
    "    done\n"
    "    if ((i > COMP_CWORD)); then\n"
    "        _panpipe_value\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
    "    elif [[ -z $command ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$_panpipe_commands\" -- \"$cur\"))\n"
    "    else\n"
    "        _panpipe_operand\n"
    "    fi\n"
    "}\n"
    "complete -F _panpipe panpipe\n";

static void bash_lists(void)
{
    out_text("_panpipe_commands='");
    for (const struct command *at = commands; at->name != NULL; at++)
        out_format("%s%s", at > commands ? " " : "", at->name);
    out_text("'\n_panpipe_options='");
    complete_options(global_options, false);
    out_text("'\n_panpipe_valued='");
    complete_options(global_options, true);
    out_text("'\n\n");
}

/* The options of the command. */
static void bash_command(void)
{
    out_text("_panpipe_command()\n{\n    case $command in\n");
    for (const struct command *at = commands; at->name != NULL; at++) {
        if (at->options == NULL)
            continue;
        out_format("    %s)\n        options+='", at->name);
        complete_options(at->options, false);
        out_text("'\n        valued+='");
        complete_options(at->options, true);
        out_text("'\n        ;;\n");
    }
    out_text("    esac\n}\n\n");
}

/* What may stand behind an option. */
static void bash_value(void)
{
    out_text("_panpipe_value()\n{\n    case \"$command $last\" in\n");
    for (const struct command *at = commands; at->name != NULL; at++) {
        for (const struct option *option = at->options; option != NULL && option->name != NULL;
             option++) {
            if (option->words == NULL)
                continue;
            out_format("    '%s --%s') COMPREPLY=($(compgen -W '", at->name, option->name);
            complete_choice(option->words);
            out_text("' -- \"$cur\")) ;;\n");
        }
    }
    out_text("    *' --ready') compopt -o default ;;\n    esac\n}\n\n");
}

static void bash_kind(enum operand kind)
{
    if (complete_list(kind) != NULL)
        out_format("_panpipe_ask %s", complete_list(kind));
    else if (kind == OPERAND_COMMAND)
        out_text("COMPREPLY=($(compgen -W \"$_panpipe_commands\" -- \"$cur\"))");
    else if (kind == OPERAND_BODY)
        out_text("compopt -o default");
    out_text(complete_list(kind) != NULL || kind == OPERAND_COMMAND || kind == OPERAND_BODY
                 ? " ;;\n"
                 : ";;\n");
}

static void bash_operands(const struct command *command)
{
    if (command->words == NULL) {
        out_format("    %s/0/*) ", command->name);
        bash_kind(command->first);
        out_format("    %s/*) ", command->name);
        bash_kind(command->next);
        return;
    }
    out_format("    %s/0/*) COMPREPLY=($(compgen -W '", command->name);
    for (const struct command_word *at = command->words; at->name != NULL; at++)
        out_format("%s%s", at > command->words ? " " : "", at->name);
    out_text("' -- \"$cur\")) ;;\n");
    for (const struct command_word *at = command->words; at->name != NULL; at++) {
        if (at->next == OPERAND_NONE)
            continue;
        out_format("    %s/1/%s) ", command->name, at->name);
        bash_kind(at->next);
    }
}

void complete_bash(void)
{
    out_text(bash_begin);
    bash_lists();
    bash_command();
    bash_value();
    out_text("_panpipe_operand()\n{\n    case $command/${#operands[@]}/${operands[0]} in\n");
    for (const struct command *at = commands; at->name != NULL; at++)
        if (at->words != NULL || at->first != OPERAND_NONE)
            bash_operands(at);
    out_text("    esac\n}\n\n");
    out_text(bash_main);
}
