/* manual.c: manual pages, in the macros of man(7), made of the table of commands. */
#include <ctype.h>
#include <string.h>

#include "commands.h"
#include "fields.h"
#include "help.h"
#include "out.h"
#include "panpipe_version.h"

/* --- text ------------------------------------------------------------------------------------ */

/* Text of one line, so that none of it is taken for a request. */
static void print_text(const char *text, size_t length)
{
    if (length > 0 && (text[0] == '.' || text[0] == '\''))
        out_text("\\&");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\')
            out_text("\\e");
        else if (text[i] == '-')
            out_text("\\-");
        else if (text[i] == '\'')
            out_text("\\(aq");
        else if (text[i] == '^')
            out_text("\\(ha");
        else if (text[i] == '~')
            out_text("\\(ti");
        else
            out_bytes(&text[i], 1);
    }
}

static void print_line(const char *text)
{
    print_text(text, strlen(text));
    out_text("\n");
}

/* Lines as they are. */
static void print_lines(const char *text)
{
    out_text(".nf\n");
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        print_text(text, length);
        out_text("\n");
        text += length + (text[length] == '\n');
    }
    out_text(".fi\n");
}

/* Lines that run on, but for those that begin with a space, which stay as they are. */
static void print_details(const char *text)
{
    bool fixed = false;

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        if ((text[0] == ' ') != fixed)
            out_text(fixed ? ".fi\n.PP\n" : ".PP\n.nf\n");
        fixed = text[0] == ' ';
        print_text(text, length);
        out_text("\n");
        text += length + (text[length] == '\n');
    }
    if (fixed)
        out_text(".fi\n");
}

static void print_title(const char *name)
{
    out_text(".TH PANPIPE");
    if (name != NULL)
        out_text("\\-");
    for (; name != NULL && *name != '\0'; name++)
        out_format("%c", toupper((unsigned char)*name));
    out_text(" 1 \"\" \"panpipe " PANPIPE_VERSION "\" \"Panpipe\"\n");
}

static void print_options(const struct option *table)
{
    for (const struct option *at = table; at != NULL && at->name != NULL; at++) {
        out_text(".TP\n.B ");
        if (at->letter != 0)
            out_format("\\-%c, ", at->letter);
        out_text("\\-\\-");
        print_text(at->name, strlen(at->name));
        if (at->value != NULL) {
            out_text(" ");
            print_text(at->value, strlen(at->value));
        }
        out_text("\n");
        print_line(at->help);
    }
}

/* --- panpipe(1) ------------------------------------------------------------------------------ */

static void print_commands(void)
{
    out_text(".SH COMMANDS\n");
    for (int group = 0; group < GROUP_COUNT; group++) {
        out_format(".SS %s\n", command_groups[group]);
        for (const struct command *at = commands; at->name != NULL; at++) {
            if ((int)at->group != group)
                continue;
            out_format(".TP\n.BR panpipe\\-%s (1)\n", at->name);
            print_line(at->summary);
        }
    }
}

static void print_exits(void)
{
    out_text(".SH EXIT STATUS\n");
    for (const struct help_exit *at = help_exits; at->code >= 0; at++) {
        out_format(".TP\n.B %d\n", at->code);
        print_line(at->what);
    }
}

static void print_environment(void)
{
    out_text(".SH ENVIRONMENT\n"
             ".TP\n.B PANPIPE\nThe broker\\(aqs name, or path, instead of \\(dqdefault\\(dq.\n"
             ".TP\n.B PANPIPE_NO_START\nNot empty and not 0: no broker is started.\n"
             ".TP\n.B PANPIPED\nThe program panpiped to start.\n");
}

static void print_formats(void)
{
    out_text(
        ".SH OUTPUT\n"
        "People get text: tables, aligned, and on a terminal cut to its width.\n"
        ".B \\-\\-json\n"
        "prints a list as one array, a stream as an object a line, and an error as an object on\n"
        "standard error. A name that ends with _ns, _us, _ms or _bytes, or begins with bytes_, "
        "has\n"
        "that unit.\n"
        ".PP\n"
        ".B \\-\\-format\n"
        "prints a text for each object, in which {FIELD} stands for a field:\n"
        ".PP\n"
        ".nf\n"
        "panpipe ls clients \\-\\-format \\(aq{name:10} {who.pid:>7} {queued_bytes:bytes}\\(aq\n"
        ".fi\n"
        ".PP\n"
        "Behind the field come, each after a colon, a width, and a type. Widths: 10, \\-10 or "
        "<10,\n"
        "on the left, >10, on the right. Types: text, as tables show it; json; time, a time of "
        "day;\n"
        "bytes, ns, us or ms, with the unit that fits. Without a type a number is printed as it\n"
        "is. {{ and }} are braces, \\et is a tab, \\en a new line. What is not there is \\-.\n"
        ".B \\-\\-format help\n"
        "lists a command\\(aqs fields.\n");
}

void manual_all(void)
{
    print_title(NULL);
    out_text(".SH NAME\n"
             "panpipe \\- talk to a Panpipe broker, look at it, and operate it\n"
             ".SH SYNOPSIS\n"
             ".B panpipe\n"
             ".I COMMAND\n"
             ".RI [ OPTIONS ]\n"
             ".SH DESCRIPTION\n"
             "A Panpipe broker carries messages between the processes of one machine.\n"
             "pub, sub, req, serve, stdio and bench start this user\\(aqs broker if none is "
             "running.\n");
    print_commands();
    out_text(".SH OPTIONS\nThose of every command, before or behind it:\n");
    print_options(global_options);
    print_formats();
    print_environment();
    print_exits();
    out_text(".SH EXAMPLES\n");
    for (const struct command *at = commands; at->name != NULL; at++)
        print_lines(at->examples);
}

/* --- panpipe-COMMAND(1) ---------------------------------------------------------------------- */

static void print_words(const struct command *command)
{
    for (const struct command_word *at = command->words; at != NULL && at->name != NULL; at++) {
        out_format(".TP\n.B %s\n", at->name);
        print_line(at->summary);
    }
    if (command->words != NULL && command->details[0] != '\0')
        out_text(".PP\n");
}

static void print_fields(unsigned of)
{
    for (const struct field *at = fields; at->path != NULL; at++) {
        const char *unit = fields_unit_name(at->path);

        if ((at->of & of) == 0)
            continue;
        out_format(".TP\n.B %s", at->path);
        out_format("%s%s%s\n", unit[0] != '\0' ? " (" : "", unit, unit[0] != '\0' ? ")" : "");
        print_line(at->help);
    }
}

/* Do a command's words print different things? */
static bool words_differ(const struct command *command)
{
    for (const struct command_word *at = command->words; at != NULL && at->name != NULL; at++)
        if (at->fields != command->words->fields)
            return true;
    return false;
}

static void print_all_fields(const struct command *command)
{
    unsigned of = command->words != NULL ? command->words->fields : command->fields;

    if (of == FIELDS_NONE)
        return;
    out_text(".SH FIELDS\nWhat \\-\\-json prints, and \\-\\-format takes:\n");
    if (!words_differ(command)) {
        print_fields(of);
        return;
    }
    for (const struct command_word *at = command->words; at->name != NULL; at++) {
        out_format(".SS panpipe %s %s\n", command->name, at->name);
        print_fields(at->fields);
    }
}

void manual_command(const struct command *command)
{
    print_title(command->name);
    out_format(".SH NAME\npanpipe\\-%s \\- ", command->name);
    print_line(command->summary);
    out_format(".SH SYNOPSIS\n.B panpipe %s\n", command->name);
    if (command->synopsis[0] != '\0')
        print_line(command->synopsis);
    out_text(".RI [ OPTIONS ]\n");
    if (command->words != NULL || command->details[0] != '\0')
        out_text(".SH DESCRIPTION\n");
    print_words(command);
    print_details(command->details);
    out_text(".SH OPTIONS\n");
    print_options(command->options);
    if (command->options != NULL)
        out_text(".PP\n");
    out_text("Those of every command are in\n.BR panpipe (1).\n");
    print_all_fields(command);
    if (command->exits != NULL) {
        out_text(".SH EXIT STATUS\n");
        print_lines(command->exits);
        out_text(".PP\nThe others are in\n.BR panpipe (1).\n");
    }
    out_text(".SH EXAMPLES\n");
    print_lines(command->examples);
    out_text(".SH SEE ALSO\n.BR panpipe (1)\n");
}
