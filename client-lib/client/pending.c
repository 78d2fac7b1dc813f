/* pending.c: requests that wait for an answer, or to be sent, and the operations that end with
 * them. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "client/client.h"
#include "io/port.h"
#include "io/queue.h"
#include "io/timer.h"
#include "wire/envelope.h"

enum { PPI_CALL_MS = 60000 }; /* how long a call waits for a connection, if it does not say */

/* --- operations ------------------------------------------------------------------------------- */

int ppi_client_claim(pp_client *client, pp_op *op)
{
    int status = ppi_port_check_process(client->port);

    if (status != PP_OK || op == NULL)
        return status;
    if (ppi_op_start(op, PPI_REQUEST) != PP_OK)
        return ppi_fail(PP_ESTATE, "the operation is in flight");
    op->priv_.key = client->config.key;
    status = ppi_op_waited(op) ? PP_OK : ppi_port_enter(client->port, PPI_REQUEST);
    if (status != PP_OK)
        ppi_op_revoke(op);
    return status;
}

void ppi_client_revoke(pp_client *client, pp_op *op)
{
    if (op == NULL)
        return;
    if (!ppi_op_waited(op))
        ppi_port_leave(client->port, PPI_REQUEST);
    ppi_op_revoke(op);
}

void ppi_client_finish(pp_client *client, pp_op *op, int status, uint64_t bytes)
{
    if (op == NULL)
        return;
    bool waited = ppi_op_waited(op);

    ppi_op_result(op, status, 0, bytes);
    ppi_op_end(op); /* a waited op may be gone now */
    if (!waited)
        ppi_queue_push(client->port, op);
}

int ppi_client_op(pp_client *client, pp_op *op, pp_op *own, pp_op **started)
{
    *started = op != NULL ? op : own;
    if (op != NULL)
        return PP_OK;
    if (ppi_in_callback() || ppi_port_is_home(client->port))
        return ppi_fail(PP_EDEADLOCK,
                        "waiting on the port's own thread could never end: give an operation");
    return pp_op_use_wait(own);
}

int ppi_client_op_claimed(pp_client *client, pp_op *op, pp_op *own, pp_op **started)
{
    int status = ppi_client_op(client, op, own, started);

    return status == PP_OK ? ppi_client_claim(client, *started) : status;
}

int ppi_client_result(pp_client *client, const pp_op *op, pp_op *own, int started)
{
    char text[PPI_ERROR_TEXT];

    if (op != NULL || started != PP_PENDING)
        return started;
    if (pp_op_wait(own, -1) != 1)
        return PP_EDEADLOCK;
    if (own->status == PP_OK)
        return PP_OK;
    return ppi_fail(own->status, "%s", pp_client_error(client, text, sizeof text));
}

/* --- requests --------------------------------------------------------------------------------- */

/* Enters a request under an id of its own; NULL: no memory. With the lock. */
static struct ppi_request *enter(pp_client *client, pp_op *op, const struct ppi_request *model)
{
    struct ppi_request *request = client->free_requests;

    if (request != NULL)
        client->free_requests = request->next;
    else if ((request = malloc(sizeof *request)) == NULL)
        return NULL;
    while (ppi_map_get(&client->requests, client->next_id) != NULL)
        client->next_id++;
    *request = *model;
    request->id = client->next_id++;
    request->op = op;
    if (ppi_map_add(&client->requests, request->id, request) != PP_OK) {
        free(request);
        return NULL;
    }
    return request;
}

void ppi_client_leave(pp_client *client, struct ppi_request *request)
{
    ppi_map_remove(&client->requests, request->id);
    request->next = client->free_requests;
    client->free_requests = request;
}

/* Keeps a request, for which there is room, until there is a connection. With the lock; true:
 * ppi_away_watch must follow. */
static bool keep_request(pp_client *client, struct ppi_request *request, const pp_piece *pieces,
                         int count)
{
    const struct ppi_about about = { .id = request->id };
    uint64_t patience_ms = request->deadline_ms != 0 ? request->deadline_ms : PPI_CALL_MS;
    bool call = ppi_request_is_call(request), watch = call && !client->away.timing;

    request->kept = true;
    if (call) {
        request->give_up_ns = ppi_timer_now_ns(client->port) + patience_ms * PPI_NS_PER_MS;
        client->away.calls++;
        client->away.timing = true;
    }
    ppi_away_keep(client, pieces, count, &about);
    client->away.leaving = request->kind == PPI_REQUEST_BYE;
    return watch;
}

/* Sends a request, for which there is room. With the lock. */
static void send_request(pp_client *client, struct ppi_request *request, const pp_piece *pieces,
                         int count)
{
    request->published = client->confirm.published;
    if (request->kind == PPI_REQUEST_BYE)
        client->state = PPI_CLIENT_DRAINING;
    ppi_sender_stage(client, pieces, count, true);
}

int ppi_client_ask(pp_client *client, pp_op *op, const struct ppi_request *model,
                   const char *method, const pp_piece *body, int count)
{
    pp_piece pieces[PPI_BODY_PIECES + 1];
    uint8_t head[PPI_HEAD_MAX];
    size_t size_max = PPI_HEAD_MAX;
    struct ppi_request *request = NULL;
    bool watch = false;
    int status = ppi_client_claim(client, op);

    if (status != PP_OK)
        return status;
    for (int i = 0; i < count; i++) {
        pieces[i + 1] = body[i];
        size_max += body[i].length;
    }
    ppi_mutex_lock(&client->lock);
    if (client->state == PPI_CLIENT_OPEN)
        ppi_sender_room(client, size_max);
    if (client->state == PPI_CLIENT_AWAY)
        status = ppi_away_room(client, size_max);
    else if (client->state != PPI_CLIENT_OPEN)
        status = ppi_client_refuse();
    if (status == PP_OK && (request = enter(client, op, model)) == NULL)
        status = ppi_fail_plain(PP_ENOMEM);
    if (request != NULL) {
        pieces[0] = (pp_piece){ head, ppi_head_request(head, request->id, method, strlen(method)) };
        if (client->state == PPI_CLIENT_AWAY)
            watch = keep_request(client, request, pieces, count + 1);
        else
            send_request(client, request, pieces, count + 1);
    }
    ppi_mutex_unlock(&client->lock);
    if (watch)
        ppi_away_watch(client);
    if (status == PP_OK)
        return PP_PENDING;
    ppi_client_revoke(client, op);
    return status;
}

int ppi_client_ask_now(pp_client *client, const struct ppi_request *model, const char *method,
                       const void *params, size_t size)
{
    uint8_t head[PPI_HEAD_MAX];
    struct ppi_request *request = enter(client, model->op, model);

    if (request == NULL)
        return PP_ENOMEM;
    const pp_piece pieces[] = {
        { head, ppi_head_request(head, request->id, method, strlen(method)) }, { params, size }
    };
    send_request(client, request, pieces, 2);
    return PP_OK;
}

int ppi_client_say(pp_client *client, const char *method, uint64_t number)
{
    uint8_t head[PPI_HEAD_MAX], params[PPI_HEAD_MAX];
    const pp_piece pieces[] = { { head, ppi_head_publish(head, method, strlen(method)) },
                                { params, ppi_params_number(params, number) } };

    return ppi_client_send(client, 0, pieces, 2);
}

/* --- without an answer ------------------------------------------------------------------------ */

/* Takes a request out that is wanted no more. With the lock. */
static struct ppi_request give_up(pp_client *client, struct ppi_request *request)
{
    const struct ppi_request was = *request;

    if (was.kept)
        ppi_away_forget(client, request);
    ppi_client_leave(client, request);
    return was;
}

void ppi_client_end_requests(pp_client *client, int status, bool kept)
{
    for (;;) {
        struct ppi_request *request;
        size_t position = 0;

        ppi_mutex_lock(&client->lock);
        do
            request = ppi_map_next(&client->requests, &position);
        while (request != NULL && request->kept && !kept);
        if (request == NULL)
            break;
        const struct ppi_request was = give_up(client, request);
        if (was.kind == PPI_REQUEST_UNSUBSCRIBE)
            ppi_sub_end(client, was.out.sub); /* that has come true */
        if (was.kind == PPI_REQUEST_CONFIRM)
            client->confirm.asking = false;
        ppi_mutex_unlock(&client->lock);
        ppi_client_finish(client, was.op, was.kind == PPI_REQUEST_UNSUBSCRIBE ? PP_OK : status, 0);
    }
    ppi_mutex_unlock(&client->lock);
}

bool ppi_client_end_late_call(pp_client *client, uint64_t now_ns)
{
    struct ppi_request *request;
    size_t position = 0;
    pp_op *op = NULL;

    ppi_mutex_lock(&client->lock);
    do
        request = ppi_map_next(&client->requests, &position);
    while (request != NULL &&
           (!request->kept || !ppi_request_is_call(request) || request->give_up_ns > now_ns));
    if (request != NULL)
        op = give_up(client, request).op;
    ppi_mutex_unlock(&client->lock);
    ppi_client_finish(client, op, PP_ETIMEDOUT, 0);
    return op != NULL;
}

void ppi_client_free_requests(pp_client *client)
{
    for (struct ppi_request *request = client->free_requests, *next; request != NULL;
         request = next) {
        next = request->next;
        free(request);
    }
    ppi_map_deinit(&client->requests);
}

/* --- requests about messages ------------------------------------------------------------------ */

/* [subject, params] as the params of a control method, with {wait, deadline} if they are not 0. */
static int ask_about(pp_client *client, pp_op *op, const struct ppi_request *model,
                     const char *method, const char *subject, const pp_piece *params,
                     const pp_call_config *config)
{
    uint8_t head[PPI_HEAD_MAX], options[PPI_HEAD_MAX];
    pp_piece body[PPI_BODY_PIECES] = { { head, 0 }, *params, { options, 0 } };
    struct ppi_number numbers[2];
    int count = 0;

    if (config != NULL && config->deadline_ms != 0)
        numbers[count++] = (struct ppi_number){ "deadline", config->deadline_ms };
    if (config != NULL && config->wait_ms != 0)
        numbers[count++] = (struct ppi_number){ "wait", config->wait_ms };
    int pieces = count > 0 ? 3 : 2;
    body[0].length = ppi_head_params(head, (unsigned)pieces, subject, strlen(subject));
    if (count > 0)
        body[2].length = ppi_options_numbers(options, numbers, count);
    return ppi_client_ask(client, op, model, method, body, pieces);
}

int pp_publish_confirmed(pp_client *client, pp_op *op, const char *subject, const void *params,
                         size_t size, pp_receipt *receipt)
{
    const struct ppi_request model = { .kind = PPI_REQUEST_PUBLISH, .out.receipt = receipt };
    const pp_piece piece = { params, size };
    pp_op own = PP_OP_INIT, *started;

    if (client == NULL || receipt == NULL)
        return ppi_fail(PP_EINVAL, "client and receipt must be set");
    int status = ppi_client_check(subject, params, size);
    if (status == PP_OK)
        status = ppi_client_op(client, op, &own, &started);
    if (status == PP_OK)
        status = ask_about(client, started, &model, "$pub", subject, &piece, NULL);
    return ppi_client_result(client, op, &own, status);
}

int pp_call(pp_client *client, pp_op *op, const char *subject, const void *params, size_t size,
            const pp_call_config *config, pp_answer *answer)
{
    struct ppi_request model = { .kind = PPI_REQUEST_CALL, .out.answer = answer };
    const pp_piece piece = { params, size };
    pp_op own = PP_OP_INIT, *started;

    if (client == NULL || answer == NULL || (config != NULL && config->size != sizeof *config))
        return ppi_fail(PP_EINVAL, "client, answer and config.size must be set");
    int status = ppi_client_check(subject, params, size);
    if (status == PP_OK)
        status = ppi_client_op(client, op, &own, &started);
    if (status != PP_OK)
        return status;
    model.deadline_ms = config != NULL ? config->deadline_ms : 0;
    answer->data = NULL;
    answer->size = 0;
    bool plain = config == NULL || (config->deadline_ms == 0 && config->wait_ms == 0);
    if (plain || subject[0] == '$')
        status = ppi_client_ask(client, started, &model, subject, &piece, 1);
    else
        status = ask_about(client, started, &model, "$call", subject, &piece, config);
    return ppi_client_result(client, op, &own, status);
}

int pp_call_cancel(pp_client *client, pp_op *op)
{
    struct ppi_request *request;
    struct ppi_request was = { 0 };
    size_t position = 0;

    if (client == NULL || op == NULL)
        return ppi_fail(PP_EINVAL, "client and op must be set");
    int status = ppi_port_check_process(client->port);
    if (status != PP_OK)
        return status;
    ppi_mutex_lock(&client->lock);
    do
        request = ppi_map_next(&client->requests, &position);
    while (request != NULL && (request->op != op || !ppi_request_is_call(request)));
    if (request != NULL)
        was = request->kept ? give_up(client, request) : *request;
    ppi_mutex_unlock(&client->lock);
    if (request == NULL)
        return ppi_fail(PP_ENOTFOUND, "no open call of this client");
    if (was.kept) {
        ppi_client_finish(client, op, PP_ECANCELED, 0);
        return PP_OK;
    }
    status = ppi_client_say(client, "$cancel", was.id);
    bool lost = status == PP_ECLOSED && pp_client_state(client) == PP_CLIENT_AWAY;
    return lost ? PP_OK : status; /* it ends with its connection */
}

int pp_client_flush(pp_client *client, pp_op *op)
{
    static const struct ppi_request model = { .kind = PPI_REQUEST_PING };
    static const pp_piece none = { "\x90", 1 };
    pp_op own = PP_OP_INIT, *started;

    if (client == NULL)
        return ppi_fail_plain(PP_EINVAL);
    int status = ppi_client_op(client, op, &own, &started);
    if (status == PP_OK)
        status = ppi_client_ask(client, started, &model, "$sync", &none, 1);
    return ppi_client_result(client, op, &own, status);
}
