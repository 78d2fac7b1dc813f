/* events.c: what a client does with what its link tells it. */
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "client/client.h"
#include "io/port.h"

static pp_client *client_of(struct ppi_link *link)
{
    return PP_CONTAINER(link, pp_client, link);
}

static void on_nothing(struct ppi_link *link)
{
    (void)link;
}

static bool subject_is(const struct ppi_frame *frame, const char *name)
{
    return frame->subject_length == strlen(name) &&
           memcmp(ppi_frame_subject(frame), name, frame->subject_length) == 0;
}

/* ["E_NAME", "text", ...] of $note and $bye, for the user. */
static void on_note(pp_client *client, const struct ppi_frame *frame)
{
    struct ppi_slice slices[2];
    char texts[2][PPI_ERROR_TEXT] = { "", "" };
    int count = ppi_slices(frame->data + frame->params, frame->size - frame->params, slices, 2);

    for (int i = 0; i < 2 && i < count; i++) {
        struct ppi_value value = ppi_value_at(slices[i].data, slices[i].size);

        if (value.kind == PPI_VALUE_TEXT)
            snprintf(texts[i], sizeof texts[i], "%.*s", (int)value.text_length, value.text);
    }
    if (subject_is(frame, "$bye")) {
        ppi_mutex_lock(&client->lock);
        client->why = ppi_status_of_error(texts[0], strlen(texts[0]));
        ppi_mutex_unlock(&client->lock);
    }
    if (client->config.on_note == NULL)
        return;
    bool before = ppi_enter_callback();
    client->config.on_note(client->config.context, client, texts[0], texts[1]);
    ppi_leave_callback(before);
}

static enum ppi_verdict on_frame(struct ppi_link *link, const struct ppi_frame *frame)
{
    pp_client *client = client_of(link);

    if (PPI_LIKELY(frame->type == PPI_NOTIFICATION && subject_is(frame, "$msg")))
        return ppi_client_on_message(client, frame);
    if (frame->type == PPI_ANSWER)
        ppi_client_on_answer(client, frame);
    else if (frame->type == PPI_CALL && subject_is(frame, "$call"))
        return ppi_client_on_call(client, frame);
    else if (subject_is(frame, "$cancel"))
        ppi_client_on_cancel(client, frame);
    else if (subject_is(frame, "$note") || subject_is(frame, "$bye"))
        on_note(client, frame);
    return PPI_NEXT; /* whatever else a later broker may say is ignored */
}

/* While messages wait for pp_next, answers still come through. */
static bool on_urgent(struct ppi_link *link, const struct ppi_frame *frame)
{
    if (frame->type != PPI_ANSWER)
        return false;
    ppi_client_on_answer(client_of(link), frame);
    return true;
}

static void on_bad(struct ppi_link *link, enum ppi_scan what)
{
    (void)link;
    (void)what; /* closed with PP_EPROTO */
}

/* A pp_publish_start has gone out. */
static void on_sent(struct ppi_link *link, void *tag, uint32_t count, bool lost)
{
    (void)count;
    ppi_client_finish(client_of(link), tag, lost ? PP_EPEERCLOSED : PP_OK, 0);
}

static void on_room(struct ppi_link *link)
{
    pp_client *client = client_of(link);

    ppi_mutex_lock(&client->lock);
    ppi_cond_broadcast(&client->changed);
    ppi_mutex_unlock(&client->lock);
}

/* Ends what waits for messages. */
static void end_receives(pp_client *client)
{
    for (size_t position = 0;;) {
        pp_op *op = NULL;
        pp_sub *sub;

        ppi_mutex_lock(&client->lock);
        while (op == NULL && (sub = ppi_map_next(&client->subs, &position)) != NULL) {
            op = sub->receive_op;
            sub->receive_op = NULL;
        }
        ppi_mutex_unlock(&client->lock);
        if (op == NULL)
            return;
        ppi_client_finish(client, op, PP_EPEERCLOSED, 0);
    }
}

static void on_closed(struct ppi_link *link, int why)
{
    pp_client *client = client_of(link);

    ppi_mutex_lock(&client->lock);
    if (client->why == PP_OK) /* else the broker has said why */
        client->why = why;
    why = client->why;
    bool drained = client->state == PPI_CLIENT_DRAINING;
    client->state = PPI_CLIENT_CLOSED;
    while (client->sender.busy)
        ppi_cond_wait(&client->changed, &client->lock);
    client->error[0] = '\0';
    ppi_mutex_unlock(&client->lock);
    ppi_client_end_requests(client, why == PP_OK || drained ? PP_EPEERCLOSED : why);
    end_receives(client);
    if (ppi_timer_stop(&client->drain_timer, client->port))
        ppi_client_unref(client);
    if (client->config.on_closed != NULL) {
        bool before = ppi_enter_callback();

        client->config.on_closed(client->config.context, client, why);
        ppi_leave_callback(before);
    }
    ppi_mutex_lock(&client->lock);
    client->link_over = true;
    ppi_cond_broadcast(&client->changed);
    ppi_mutex_unlock(&client->lock);
    ppi_client_unref(client);
}

const struct ppi_link_events ppi_client_events = {
    .begin = on_nothing,
    .end = on_nothing,
    .frame = on_frame,
    .urgent = on_urgent,
    .bad = on_bad,
    .sent = on_sent,
    .room = on_room,
    .closed = on_closed,
};
