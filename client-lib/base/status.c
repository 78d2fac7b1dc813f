#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Arrays, not pointers: of those each would be a relocation, longer than what it points to. */
static const struct {
    int status;
    char error[12]; /* the protocol's name; "" if it has none */
    char text[56];
} table[] = {
    { PP_OK, "", "PP_OK: done" },
    { PP_EINVAL, "", "PP_EINVAL: an argument is wrong" },
    { PP_ENOMEM, "", "PP_ENOMEM: no memory" },
    { PP_ESTATE, "", "PP_ESTATE: not possible in this state" },
    { PP_ECANCELED, "E_CANCELED", "PP_ECANCELED: canceled" },
    { PP_ECLOSED, "", "PP_ECLOSED: closed by this side" },
    { PP_ETIMEDOUT, "E_TIMEOUT", "PP_ETIMEDOUT: the time is over" },
    { PP_EPEERCLOSED, "", "PP_EPEERCLOSED: closed by the other side" },
    { PP_EBUSY, "E_BUSY", "PP_EBUSY: busy, no room now" },
    { PP_ENOSERVER, "", "PP_ENOSERVER: nobody listens there" },
    { PP_EINUSE, "", "PP_EINUSE: the name is in use" },
    { PP_EACCESS, "", "PP_EACCESS: access denied" },
    { PP_EUNTRUSTED, "", "PP_EUNTRUSTED: the other side is not who was expected" },
    { PP_ENOTFOUND, "E_NOTFOUND", "PP_ENOTFOUND: not found" },
    { PP_ELIMIT, "E_LIMIT", "PP_ELIMIT: a limit is reached" },
    { PP_EIO, "", "PP_EIO: the system refused" },
    { PP_ENOTSUP, "", "PP_ENOTSUP: not offered on this system" },
    { PP_EDEADLOCK, "", "PP_EDEADLOCK: waiting here could never end" },
    { PP_EOF, "", "PP_EOF: the end of the file" },
    { PP_EFULL, "", "PP_EFULL: no room is left on the disk" },
    { PP_EPROTO, "E_PROTO", "PP_EPROTO: the other side broke the protocol" },
    { PP_EMETHOD, "E_METHOD", "PP_EMETHOD: no such control method" },
    { PP_EARG, "E_ARG", "PP_EARG: an argument was refused" },
    { PP_EPERM, "E_PERM", "PP_EPERM: not permitted" },
    { PP_ENORESP, "E_NORESP", "PP_ENORESP: nobody serves that subject" },
    { PP_EGONE, "E_GONE", "PP_EGONE: the server went away" },
    { PP_EQUOTA, "E_QUOTA", "PP_EQUOTA: a quota is used up" },
    { PP_ESLOW, "E_SLOW", "PP_ESLOW: cut for reading too slowly" },
    { PP_ESHUTDOWN, "E_SHUTDOWN", "PP_ESHUTDOWN: the broker is leaving" },
    { PP_EVERSION, "E_VERSION", "PP_EVERSION: protocol versions differ" },
    { PP_ENAME, "E_NAMETAKEN", "PP_ENAME: the name is taken or unknown" },
    { PP_ENAME, "E_NONAME", "PP_ENAME: the name is taken or unknown" },
    { PP_EREMOTE, "", "PP_EREMOTE: the service answered with an error" },
};

enum { DETAIL_BYTES = 256 };
static _Thread_local char detail[DETAIL_BYTES];

const char *pp_strerror(int status)
{
    for (size_t i = 0; i < PPI_COUNT(table); i++)
        if (table[i].status == status)
            return table[i].text;
    return status > 0 ? "PP_OK: done" : "unknown status";
}

const char *pp_detail(void)
{
    return detail;
}

int ppi_fail(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    return status;
}

int ppi_fail_plain(int status)
{
    detail[0] = '\0';
    return status;
}

int ppi_status_of_error(const char *text, size_t length)
{
    for (size_t i = 0; i < PPI_COUNT(table); i++) {
        size_t name = strlen(table[i].error);

        if (name != 0 && length >= name && memcmp(text, table[i].error, name) == 0 &&
            (length == name || text[name] == ' '))
            return table[i].status;
    }
    return PP_EREMOTE;
}
