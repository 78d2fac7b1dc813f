#include "control_in.h"

#include <stdio.h>

#include "log.h"
#include "reply.h"
#include "wire/subject.h"

void in_fail(const struct request_in *in, const char *name, const char *text)
{
    char method[LOG_QUOTED_MAX];

    if (in->call) {
        reply_error(in->worker, in->peer, in->frame->id, "%s %s", name, text);
        return;
    }
    log_quote(method, ppi_frame_subject(in->frame), in->frame->subject_length);
    reply_note(in->worker, in->peer, name, "%s: %s", method, text);
}

void in_answer_nil(const struct request_in *in)
{
    struct reply reply;

    if (!in->call)
        return;
    reply_begin(&reply, in->frame->id);
    msgpack_pack_nil(&reply.packer);
    reply_end(in->worker, in->peer, &reply);
}

void in_answer_number(const struct request_in *in, uint64_t number)
{
    struct reply reply;

    if (!in->call)
        return;
    reply_begin(&reply, in->frame->id);
    msgpack_pack_uint64(&reply.packer, number);
    reply_end(in->worker, in->peer, &reply);
}

bool in_text(const struct request_in *in, int i, const char *what, const char **text,
             size_t *length)
{
    char problem[OPTION_PROBLEM_MAX];

    if (i < in->count) {
        struct ppi_value value = ppi_value_at(in->params[i].data, in->params[i].size);

        *text = value.text;
        *length = value.text_length;
        if (value.kind == PPI_VALUE_TEXT)
            return true;
    }
    snprintf(problem, sizeof problem, "param %d is %s, a text", i + 1, what);
    in_fail(in, "E_ARG", problem);
    return false;
}

bool in_number(const struct request_in *in, int i, const char *what, uint64_t *number)
{
    char problem[OPTION_PROBLEM_MAX];

    if (i < in->count) {
        struct ppi_value value = ppi_value_at(in->params[i].data, in->params[i].size);

        *number = value.number;
        if (value.kind == PPI_VALUE_NUMBER)
            return true;
    }
    snprintf(problem, sizeof problem, "param %d is %s, a number", i + 1, what);
    in_fail(in, "E_ARG", problem);
    return false;
}

bool in_options(const struct request_in *in, int i, struct option *known, size_t count)
{
    char problem[OPTION_PROBLEM_MAX];

    if (i >= in->count || options_read(in->params[i], known, count, problem))
        return true;
    in_fail(in, "E_ARG", problem);
    return false;
}
