#include "control_describe.h"

#include <string.h>

#include "pack.h"
#include "reply.h"
#include "wire/subject.h"

/* Which services are asked for, and how much they are. */
struct choice {
    const char *pattern; /* of length bytes; NULL: all */
    size_t length;
    uint32_t count;
    size_t bytes;
};

static bool is_chosen(const struct choice *choice, const struct sub *sub)
{
    return sub->serve &&
           (choice->pattern == NULL || ppi_subject_overlap(choice->pattern, choice->length,
                                                           sub->pattern, sub->pattern_length));
}

static void each(const struct broker *broker, struct choice *choice,
                 void (*visit)(void *context, struct choice *choice, const struct sub *sub),
                 void *context)
{
    for (struct ppi_list *at = broker->peers.next; at != &broker->peers; at = at->next) {
        struct peer *peer = PP_CONTAINER(at, struct peer, in_broker);

        for (struct ppi_list *in = peer->subs.next; in != &peer->subs; in = in->next) {
            const struct sub *sub = PP_CONTAINER(in, struct sub, in_peer);

            if (is_chosen(choice, sub))
                visit(context, choice, sub);
        }
    }
}

static void measure(void *context, struct choice *choice, const struct sub *sub)
{
    enum { KEYS_AND_NUMBERS = 80 };

    (void)context;
    choice->count++;
    choice->bytes +=
        KEYS_AND_NUMBERS + sub->pattern_length + strlen(sub->peer->name) + sub->doc_size;
}

static void pack(void *context, struct choice *choice, const struct sub *sub)
{
    struct reply *reply = context;
    msgpack_packer *packer = &reply->packer;

    (void)choice;
    msgpack_pack_map(packer, 6);
    pack_text(packer, "pattern", sub->pattern);
    pack_number(packer, "client", sub->peer->id);
    pack_text(packer, "name", sub->peer->name);
    pack_truth(packer, "exclusive", sub->exclusive);
    pack_number(packer, "max_inflight", sub->max_inflight);
    ppi_pack_text(packer, "doc");
    if (sub->doc_size > 0)
        reply_append(reply, sub->doc, sub->doc_size); /* as the server wrote it */
    else
        msgpack_pack_nil(packer);
}

/* The view is enough: services come, go and change their client's name in the write section. */
enum ppi_verdict control_describe(const struct request_in *in)
{
    const struct broker *broker = in->worker->broker;
    size_t bytes_max = broker->settings.frame_max - PPI_FRAME_RESERVE;
    struct choice choice = { 0 };
    struct reply reply;

    if (bytes_max > DESCRIBE_BYTES_MAX)
        bytes_max = DESCRIBE_BYTES_MAX;
    if (in->count > 0 && !in_text(in, 0, "a pattern", &choice.pattern, &choice.length))
        return PPI_NEXT;
    if (choice.pattern != NULL) {
        enum ppi_subject check = ppi_subject_check(choice.pattern, choice.length);

        if (check > PPI_SUBJECT_PATTERN) {
            in_fail(in, "E_ARG", ppi_subject_problem(check));
            return PPI_NEXT;
        }
    }
    if (!in_options(in, 1, NULL, 0))
        return PPI_NEXT;
    each(broker, &choice, measure, NULL);
    if (choice.bytes > bytes_max) {
        in_fail(in, "E_LIMIT", "that is too much for one answer: give a narrower pattern");
        return PPI_NEXT;
    }
    reply_begin(&reply, in->frame->id);
    msgpack_pack_array(&reply.packer, choice.count);
    each(broker, &choice, pack, &reply);
    reply_end(in->worker, in->peer, &reply);
    return PPI_NEXT;
}
