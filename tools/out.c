#include "out.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <panpipe/sys.h>

#include "bytes.h"
#include "cli.h"
#include "error.h"
#include "io/console.h"

static struct {
    struct bytes bytes;
    bool quiet;
} out;

void out_begin(bool quiet)
{
    out.quiet = quiet;
}

void out_bytes(const void *data, size_t size)
{
    if (!out.quiet)
        bytes_add(&out.bytes, data, size);
}

void out_text(const char *text)
{
    out_bytes(text, strlen(text));
}

void out_format(const char *format, ...)
{
    enum { OFTEN_ENOUGH = 256 };
    va_list arguments, again;

    if (out.quiet)
        return;
    va_start(arguments, format);
    va_copy(again, arguments);
    size_t length =
        (size_t)vsnprintf(bytes_room(&out.bytes, OFTEN_ENOUGH), OFTEN_ENOUGH, format, arguments);
    if (length >= OFTEN_ENOUGH)
        vsnprintf(bytes_room(&out.bytes, length + 1), length + 1, format, again);
    out.bytes.size += length;
    va_end(again);
    va_end(arguments);
}

int out_width(void)
{
    int columns, lines;

    return ppi_console_size(PPI_STREAM_OUTPUT, &columns, &lines) ? columns : 0;
}

size_t out_size(void)
{
    return out.bytes.size;
}

int out_flush(void)
{
    int status = out.bytes.size > 0 ? pp_stdout_write(out.bytes.data, out.bytes.size) : PP_OK;

    out.bytes.size = 0;
    if (status == PP_OK)
        return GO_ON;
    return status == PP_EPEERCLOSED ? EXIT_DONE : error_say(EXIT_FAILED, "E_IO", pp_detail(), "");
}

int out_end(int code)
{
    int end = out_flush();

    bytes_free(&out.bytes);
    return end == GO_ON ? code : end;
}
