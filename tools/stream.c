#include "stream.h"

#include "error.h"
#include "out.h"

enum { BLOCK_BYTES = 64 * 1024 };

void stream_begin(struct stream *stream, struct session *session, uint64_t wanted)
{
    *stream = (struct stream){ .session = session, .wanted = wanted, .output_code = GO_ON };
}

static void flush(struct stream *stream)
{
    if (stream->output_code == GO_ON)
        stream->output_code = out_flush();
    stream->over = stream->over || stream->output_code != GO_ON;
}

void stream_printed(struct stream *stream)
{
    stream->over = ++stream->printed == stream->wanted;
    if (out_size() >= BLOCK_BYTES)
        flush(stream);
    if (!stream->posted)
        stream->posted =
            pp_port_post(stream->session->port, 0, 0, session_task(&stream->written)) == PP_OK;
}

int stream_run(struct stream *stream, int for_ms, const char *what)
{
    uint64_t deadline_ns = session_deadline_ns(for_ms > 0 ? for_ms : -1);
    int status = PP_OK;

    flush(stream); /* what the command has said itself */
    while (!stream->over && status == PP_OK) {
        status = session_wait(stream->session, &stream->written, deadline_ns);
        if (stream->written.ended)
            stream->posted = stream->written.ended = false;
        flush(stream);
    }
    if (stream->output_code != GO_ON)
        return stream->output_code;
    if (status == PP_ETIMEDOUT)
        return session_late(stream->printed, stream->wanted, what);
    return status == PP_OK ? EXIT_DONE : session_fail(stream->session, status);
}
