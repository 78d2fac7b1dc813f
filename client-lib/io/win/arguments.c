/* arguments.c: what main is given, as UTF-8. The C library gives it in the code page of the
 * system, where characters may be lost, so the command line is taken apart here, by the rules of
 * Microsoft's C library: blanks part arguments, quotes keep them together; backslashes before a
 * quote count half, and an odd one makes the quote an ordinary character, as does doubling it
 * inside quotes. In the first argument, a path, a backslash is nothing special. */
#include "io/win/win.h"

#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Takes one argument from *at into out; out's end. */
static char *take(const char **at, char *out, bool path)
{
    bool quoted = false;
    const char *in = *at;

    while (*in != '\0' && (quoted || !is_blank(*in))) {
        size_t slashes = path ? 0 : strspn(in, "\\");
        bool before_quote = in[slashes] == '"';

        in += slashes;
        memset(out, '\\', before_quote ? slashes / 2 : slashes);
        out += before_quote ? slashes / 2 : slashes;
        if (before_quote && slashes % 2 == 1) {
            *out++ = *in++;
        } else if (before_quote && quoted && !path && in[1] == '"') {
            *out++ = '"';
            in += 2;
        } else if (before_quote) {
            quoted = !quoted;
            in++;
        } else if (slashes == 0) {
            *out++ = *in++;
        }
    }
    *out++ = '\0';
    while (is_blank(*in))
        in++;
    *at = in;
    return out;
}

/* The command line as UTF-8, from malloc; NULL: no memory. */
static char *line_text(void)
{
    const wchar_t *wide = GetCommandLineW();
    int size = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
    char *text = size > 0 ? malloc((size_t)size) : NULL;

    if (text != NULL)
        WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, size, NULL, NULL);
    return text;
}

/* Streams that are closed need nothing: handles have no small numbers that others would take. */
char **pp_program_begin(int *argc, char **argv)
{
    char *line = line_text();
    size_t length = line != NULL ? strlen(line) : 0;
    /* each argument but the last is followed by a blank: there are at most length / 2 + 1 */
    size_t table = (length / 2 + 3) * sizeof(char *);
    char **list = line != NULL ? malloc(table + length + length / 2 + 3) : NULL;
    const char *at = line;
    int count = 0;

    if (list != NULL) {
        char *out = (char *)list + table;

        do {
            list[count] = out;
            out = take(&at, out, count == 0);
            count++;
        } while (*at != '\0');
        list[count] = NULL;
        *argc = count;
    }
    free(line);
    return list != NULL ? list : argv;
}
