/* subs.c: subscriptions and services: known to the broker, or not.
 *
 * A subscription is more than its connection: it keeps what was asked for, and asks again. While it
 * has a sid it is in client->sids too, for the reader. */
#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "io/port.h"
#include "wire/envelope.h"
#include "wire/scan.h"

/* --- asking ----------------------------------------------------------------------------------- */

/* Asks the broker; there is room. With the lock. PP_OK, PP_ENOMEM. */
static int ask(pp_client *client, pp_sub *sub)
{
    const struct ppi_request model = { .kind = PPI_REQUEST_SUBSCRIBE, .out.sub = sub };

    ppi_list_remove(&sub->in);
    ppi_list_append(&client->subs, &sub->in);
    sub->asked = true; /* before somebody can answer */
    int status = ppi_client_ask_now(client, &model, sub->serve ? "$serve" : "$sub",
                                    ppi_buf_data(&sub->wish), ppi_buf_size(&sub->wish));
    if (status != PP_OK)
        sub->asked = false;
    return status;
}

/* How much room its request needs. */
static size_t size_of(const pp_sub *sub)
{
    return PPI_HEAD_MAX + ppi_buf_size(&sub->wish);
}

int ppi_sub_start(pp_client *client, pp_op *op, pp_sub *sub)
{
    int status = ppi_client_claim(client, op);

    if (status != PP_OK)
        return status;
    sub->op = op;
    ppi_mutex_lock(&client->lock);
    if (client->state == PPI_CLIENT_OPEN)
        ppi_sender_room(client, size_of(sub));
    if (client->state == PPI_CLIENT_OPEN)
        status = ask(client, sub) == PP_OK ? PP_OK : ppi_fail_plain(PP_ENOMEM);
    else if (client->state == PPI_CLIENT_AWAY && !client->away.leaving)
        ppi_list_append(&client->unasked, &sub->in);
    else
        status = ppi_client_refuse();
    if (status != PP_OK)
        ppi_list_remove(&sub->in);
    ppi_mutex_unlock(&client->lock);
    if (status != PP_OK)
        ppi_client_revoke(client, op);
    return status == PP_OK ? PP_PENDING : status;
}

/* The first one that was not asked for; NULL: there is none. */
static pp_sub *first_unasked(const pp_client *client)
{
    return ppi_list_empty(&client->unasked) ? NULL : PP_CONTAINER(client->unasked.next, pp_sub, in);
}

bool ppi_subs_ask_next(pp_client *client, int *status)
{
    pp_sub *sub = first_unasked(client);

    if (sub == NULL)
        return false;
    size_t room = size_of(sub);
    ppi_sender_room(client, room);
    sub = first_unasked(client); /* it may have been ended meanwhile */
    if (sub == NULL || size_of(sub) > room)
        return true;
    sub->replayed = true;
    client->replaying++;
    *status = ask(client, sub);
    return *status == PP_OK;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* The broker does not make it anew: that is told, and who waits for its messages is. With the lock,
 * which is released. */
static void on_refused(pp_client *client, pp_sub *sub, int status)
{
    struct ppi_slice pattern = { 0 };
    char name[PPI_ERROR_TEXT], text[2 * PPI_ERROR_TEXT];
    pp_op *op = sub->receive_op;

    sub->refused = status;
    sub->receive_op = NULL;
    ppi_slices(ppi_buf_data(&sub->wish), ppi_buf_size(&sub->wish), &pattern, 1);
    struct ppi_value words = ppi_value_at(pattern.data, pattern.size);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(client->error, " "), client->error);
    snprintf(text, sizeof text, "not made anew: %s %.*s: %s",
             sub->serve ? "service" : "subscription", (int)words.text_length, words.text,
             client->error);
    ppi_mutex_unlock(&client->lock);
    ppi_client_finish(client, op, status, 0);
    ppi_client_note(client, name, text);
}

/* Takes the sid. PP_OK; PP_EPROTO: another one has it; PP_ENOMEM. */
static int take_sid(pp_client *client, pp_sub *sub, uint64_t sid)
{
    if (ppi_map_get(&client->sids, sid) != NULL)
        return PP_EPROTO;
    int status = ppi_map_add(&client->sids, sid, sub);
    if (status == PP_OK)
        sub->sid = sid;
    return status;
}

void ppi_sub_answered(pp_client *client, pp_sub *sub, int status, uint64_t sid)
{
    bool replayed = sub->replayed, ending = sub->ending_op != NULL || sub->ending;
    uint64_t unwanted = 0;

    sub->asked = sub->replayed = false;
    if (status == PP_OK && !ending && (status = take_sid(client, sub, sid)) != PP_OK)
        snprintf(client->error, sizeof client->error, "%s", pp_strerror(status));
    if (status == PP_ENOMEM || ending)
        unwanted = sid; /* the broker has it */
    if (ending) {
        ppi_client_finish(client, sub->ending_op, PP_OK, 0);
        ppi_sub_end(client, sub);
    } else if (sub->out != NULL) {
        if (status == PP_OK)
            *sub->out = sub;
        sub->out = NULL;
        ppi_client_finish(client, sub->op, status, 0);
        sub->op = NULL;
        if (status != PP_OK)
            ppi_sub_end(client, sub);
    } else if (status != PP_OK) {
        on_refused(client, sub, status);
        ppi_mutex_lock(&client->lock);
    }
    if (replayed)
        ppi_client_replayed(client);
    else
        ppi_mutex_unlock(&client->lock);
    if (unwanted != 0)
        ppi_client_say(client, "$unsub", unwanted);
}

/* --- ending ----------------------------------------------------------------------------------- */

void ppi_sub_end(pp_client *client, pp_sub *sub)
{
    if (sub->sid != 0) {
        ppi_map_remove(&client->sids, sub->sid);
        client->last_sub = NULL; /* by the reader, or there is none */
    }
    ppi_list_remove(&sub->in);
    ppi_sub_free(sub, PP_ECANCELED);
}

/* Ends a subscription in the way its state asks for. With the lock; room for a request. */
static int unsubscribe(pp_client *client, pp_sub *sub, pp_op *op)
{
    uint8_t params[PPI_HEAD_MAX];
    struct ppi_request model = { .kind = PPI_REQUEST_UNSUBSCRIBE, .out.sub = sub };

    if (client->state != PPI_CLIENT_OPEN && client->state != PPI_CLIENT_AWAY)
        return ppi_client_refuse();
    if (sub->ending)
        return ppi_fail(PP_ESTATE, "it is being unsubscribed already");
    if (sub->asked) { /* as soon as its sid is known */
        sub->ending_op = op;
        sub->ending = true;
        return PP_OK;
    }
    if (client->state == PPI_CLIENT_AWAY || sub->sid == 0) {
        ppi_sub_end(client, sub);
        ppi_client_finish(client, op, PP_OK, 0);
        return PP_OK;
    }
    model.op = op;
    sub->ending = true; /* before it is answered, and sub gone */
    int status =
        ppi_client_ask_now(client, &model, "$unsub", params, ppi_params_number(params, sub->sid));
    if (status == PP_OK)
        return PP_OK;
    sub->ending = false;
    return ppi_fail_plain(status);
}

int pp_unsubscribe(pp_sub *sub, pp_op *op)
{
    pp_op own = PP_OP_INIT, *started;

    if (sub == NULL)
        return ppi_fail_plain(PP_EINVAL);
    pp_client *client = sub->client;
    int status = ppi_client_op_claimed(client, op, &own, &started);
    if (status != PP_OK)
        return status;
    ppi_mutex_lock(&client->lock);
    if (client->state == PPI_CLIENT_OPEN)
        ppi_sender_room(client, 2 * PPI_HEAD_MAX);
    status = unsubscribe(client, sub, started);
    ppi_mutex_unlock(&client->lock);
    if (status == PP_OK)
        ppi_client_resume_link(client); /* what is held for it, if anything, is dropped now */
    else
        ppi_client_revoke(client, started);
    return ppi_client_result(client, op, &own, status == PP_OK ? PP_PENDING : status);
}

void ppi_subs_lost(pp_client *client)
{
    struct ppi_list *node;

    while ((node = ppi_list_take(&client->unasked)) != NULL) /* behind the others */
        ppi_list_append(&client->subs, node);
    while ((node = ppi_list_take(&client->subs)) != NULL) {
        pp_sub *sub = PP_CONTAINER(node, pp_sub, in);

        ppi_map_remove(&client->sids, sub->sid);
        sub->sid = 0;
        sub->asked = sub->replayed = sub->full = false;
        sub->refused = PP_OK;
        ppi_list_append(&client->unasked, node);
    }
    client->last_sub = NULL;
    for (struct ppi_list *at = client->unasked.next, *next; at != &client->unasked; at = next) {
        pp_sub *sub = PP_CONTAINER(at, pp_sub, in);

        next = at->next;
        if (sub->ending_op == NULL)
            continue;
        ppi_client_finish(client, sub->ending_op, PP_OK, 0); /* that has come true */
        ppi_sub_end(client, sub);
    }
}

void ppi_subs_end(pp_client *client, int status)
{
    ppi_mutex_lock(&client->lock);
    ppi_subs_lost(client);
    for (struct ppi_list *at = client->unasked.next, *next; at != &client->unasked; at = next) {
        pp_sub *sub = PP_CONTAINER(at, pp_sub, in);

        next = at->next;
        ppi_client_finish(client, sub->receive_op, status, 0);
        sub->receive_op = NULL;
        if (sub->out == NULL)
            continue;
        ppi_client_finish(client, sub->op, status, 0); /* nobody knows it yet */
        ppi_sub_end(client, sub);
    }
    ppi_mutex_unlock(&client->lock);
}

void ppi_sub_free(pp_sub *sub, int status)
{
    ppi_client_finish(sub->client, sub->receive_op, status, 0);
    ppi_buf_deinit(&sub->wish);
    ppi_buf_deinit(&sub->filling);
    ppi_buf_deinit(&sub->reading);
    free(sub);
}

void ppi_subs_free(pp_client *client)
{
    struct ppi_list *node;

    ppi_subs_lost(client);
    while ((node = ppi_list_take(&client->unasked)) != NULL)
        ppi_sub_free(PP_CONTAINER(node, pp_sub, in), PP_ECANCELED);
    ppi_map_deinit(&client->sids);
}
