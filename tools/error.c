#include "error.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <panpipe/port.h>

#include "text.h"

enum { WHY_MAX = 512, NAME_MAX_BYTES = 32 };

static const struct error_kind kinds[] = {
    { PP_EINVAL, EXIT_WRONG_USE, "E_USAGE", "an argument is wrong", "" },
    { PP_ENOMEM, EXIT_FAILED, "E_NOMEM", "no memory", "" },
    { PP_ECANCELED, EXIT_FAILED, "E_CANCELED", "it was canceled", "" },
    { PP_ECLOSED, EXIT_NO_BROKER, "E_CLOSED", "the connection to the broker has ended",
      "see the broker's log" },
    { PP_EPEERCLOSED, EXIT_NO_BROKER, "E_CLOSED", "the broker went away",
      "see its log, or start it again" },
    { PP_ETIMEDOUT, EXIT_TIMED_OUT, "E_TIMEOUT", "no answer came in time",
      "give it more with --timeout" },
    { PP_EBUSY, EXIT_LIMIT, "E_BUSY", "busy, no room now", "try again later" },
    { PP_ENOSERVER, EXIT_NO_BROKER, "E_NOBROKER", "no broker is running",
      "start one with panpiped" },
    { PP_EACCESS, EXIT_DENIED, "E_ACCESS", "the system denies access",
      "run as the broker's user, or let a broker for all users run: panpiped --system" },
    { PP_EUNTRUSTED, EXIT_DENIED, "E_UNTRUSTED", "another user's program listens there",
      "find out whose it is; do not talk to it" },
    { PP_ENOTFOUND, EXIT_NOT_FOUND, "E_NOTFOUND", "there is no such thing", "" },
    { PP_ELIMIT, EXIT_LIMIT, "E_LIMIT", "a limit is reached", "" },
    { PP_EIO, EXIT_FAILED, "E_IO", "the system refused", "" },
    { PP_EPROTO, EXIT_PROTOCOL, "E_PROTO", "the other side does not speak the protocol", "" },
    { PP_EMETHOD, EXIT_PROTOCOL, "E_METHOD", "the broker does not know that method",
      "is it an older one? see panpiped --version" },
    { PP_EARG, EXIT_WRONG_USE, "E_ARG", "an argument was refused", "" },
    { PP_EPERM, EXIT_DENIED, "E_PERM", "not permitted", "" },
    { PP_ENORESP, EXIT_NOBODY, "E_NORESP", "nobody serves that subject",
      "start its service; panpipe ls subs shows what is served" },
    { PP_EGONE, EXIT_NOBODY, "E_GONE", "the server went away before it answered",
      "it may or may not have done its work" },
    { PP_EQUOTA, EXIT_LIMIT, "E_QUOTA", "a quota is used up", "" },
    { PP_ESLOW, EXIT_LIMIT, "E_SLOW", "the broker cut the connection, which read too slowly",
      "read faster" },
    { PP_ESHUTDOWN, EXIT_NO_BROKER, "E_SHUTDOWN", "the broker is leaving", "start it again" },
    { PP_EVERSION, EXIT_PROTOCOL, "E_VERSION", "broker and program speak different versions",
      "use those of one release" },
    { PP_ENAME, EXIT_FAILED, "E_NAMETAKEN", "somebody else has it", "" },
    { PP_ENAME, EXIT_NOBODY, "E_NONAME", "nobody has that name", "" },
    { PP_EREMOTE, EXIT_REMOTE, "E_REMOTE", "the server answered with an error", "" },
};

static struct {
    const char *what;
    bool json;
    char *kept; /* not NULL: of so many bytes */
    size_t kept_size;
    void (*ready)(void); /* NULL: nothing is to be readied */
} error;

void error_begin(const char *what, bool json)
{
    error.what = what;
    error.json = json;
}

void error_keep(char *why, size_t size)
{
    error.kept = why;
    error.kept_size = size;
    if (why != NULL)
        why[0] = '\0';
}

const struct error_kind *error_kind_at(size_t i)
{
    return i < COUNT_OF(kinds) ? &kinds[i] : NULL;
}

void error_before(void (*ready)(void))
{
    error.ready = ready;
}

void error_clean(char *text)
{
    size_t left = strlen(text), length;

    text_clean(text, left);
    for (; left > 0; text += length, left -= length) {
        text_letter(text, left, &length);
        if (length == 1 && (unsigned char)*text >= 0x80)
            *text = '?';
    }
}

int error_say(int code, const char *name, const char *why, const char *hint)
{
    char clean[WHY_MAX];

    if (error.ready != NULL)
        error.ready();
    snprintf(clean, sizeof clean, "%s", why);
    error_clean(clean);
    if (error.kept != NULL) {
        if (error.kept[0] == '\0')
            snprintf(error.kept, error.kept_size, "%s", clean);
        return code;
    }
    if (error.json) {
        json_t *object =
            json_pack("{s:{s:s,s:s,s:s}}", "error", "code", name, "text", clean, "hint", hint);
        char *line = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

        fprintf(stderr, "%s\n", line != NULL ? line : "{\"error\":{}}");
        free(line);
        json_decref(object);
    } else {
        fprintf(stderr, "panpipe: %s%s%s%s%s\n", error.what, error.what[0] != '\0' ? ": " : "",
                clean, hint[0] != '\0' ? "; " : "", hint);
    }
    return code;
}

int error_use(const char *format, ...)
{
    char why[WHY_MAX], hint[64];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    snprintf(hint, sizeof hint, "see panpipe %s%s--help", error.what,
             error.what[0] != '\0' ? " " : "");
    return error_say(EXIT_WRONG_USE, "E_USAGE", why, hint);
}

/* Copies the name that words begin with, "E_NORESP", if they do; what is behind it. */
static const char *split(const char *words, char name[NAME_MAX_BYTES])
{
    size_t length = 2;

    name[0] = '\0';
    if (strncmp(words, "E_", 2) != 0)
        return words;
    while (isupper((unsigned char)words[length]) || words[length] == '_')
        length++;
    if (length == 2 || length >= NAME_MAX_BYTES || (words[length] != ' ' && words[length] != '\0'))
        return words;
    memcpy(name, words, length);
    name[length] = '\0';
    return words + length + (words[length] == ' ');
}

int error_status(int status, const char *words)
{
    const struct error_kind *kind = NULL;
    char name[NAME_MAX_BYTES];
    const char *why = split(words, name);

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (kinds[i].status == status && (kind == NULL || strcmp(kinds[i].name, name) == 0))
            kind = &kinds[i];
    if (kind == NULL)
        return error_say(EXIT_FAILED, "E_FAILED", words[0] != '\0' ? words : pp_strerror(status),
                         "");
    return error_say(kind->code, status == PP_EREMOTE && name[0] != '\0' ? name : kind->name,
                     why[0] != '\0' ? why : kind->why, kind->hint);
}

int error_note(const char *words)
{
    char name[NAME_MAX_BYTES];
    const char *why = split(words, name);

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return error_status(kinds[i].status, words);
    return error_say(EXIT_FAILED, name[0] != '\0' ? name : "E_FAILED", why, "");
}
