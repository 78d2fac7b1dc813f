/* pending.c: requests that wait for an answer, and the operations that end with them. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "client/client.h"
#include "io/port.h"
#include "io/queue.h"
#include "wire/envelope.h"

/* --- operations ------------------------------------------------------------------------------- */

int ppi_client_claim(pp_client *client, pp_op *op)
{
    if (op == NULL)
        return PP_OK;
    if (ppi_op_start(op, PPI_REQUEST) != PP_OK)
        return ppi_fail(PP_ESTATE, "the operation is in flight");
    op->priv_.key = client->config.key;
    int status = ppi_op_waited(op) ? PP_OK : ppi_port_enter(client->port, PPI_REQUEST);
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
        return ppi_fail(PP_ESTATE,
                        "waiting on the port's own thread could never end: give an operation");
    return pp_op_use_wait(own);
}

int ppi_client_result(pp_client *client, const pp_op *op, pp_op *own, int started)
{
    char text[PPI_ERROR_TEXT];

    if (op != NULL || started != PP_PENDING)
        return started;
    if (pp_op_wait(own, -1) != 1)
        return PP_ESTATE;
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
    if (request->kind == PPI_REQUEST_UNSUBSCRIBE)
        request->out.sub->ending = true;
    return request;
}

static void leave(pp_client *client, struct ppi_request *request)
{
    ppi_map_remove(&client->requests, request->id);
    request->next = client->free_requests;
    client->free_requests = request;
}

int ppi_client_ask(pp_client *client, pp_op *op, const struct ppi_request *model,
                   const char *method, const pp_piece *body, int count)
{
    pp_piece pieces[PPI_BODY_PIECES + 1];
    uint8_t head[PPI_HEAD_MAX];
    int status = op != NULL ? ppi_client_claim(client, op) : PP_OK;

    if (status != PP_OK)
        return status;
    ppi_mutex_lock(&client->lock);
    struct ppi_request *request = enter(client, op, model);
    uint32_t id = request != NULL ? request->id : 0;
    ppi_mutex_unlock(&client->lock);
    if (request == NULL)
        status = ppi_fail_plain(PP_ENOMEM);
    if (status == PP_OK) {
        pieces[0] = (pp_piece){ head, ppi_head_request(head, id, method, strlen(method)) };
        for (int i = 0; i < count; i++)
            pieces[i + 1] = body[i];
        status = ppi_client_send_request(client, model->kind, pieces, count + 1);
        if (status == PP_OK)
            return PP_PENDING;
        ppi_mutex_lock(&client->lock); /* unless the end of the link has ended it already */
        bool mine = ppi_map_get(&client->requests, id) == request;
        if (mine)
            leave(client, request);
        ppi_mutex_unlock(&client->lock);
        if (!mine)
            return PP_PENDING;
    }
    if (op != NULL)
        ppi_client_revoke(client, op);
    return status;
}

/* [2, method, [number]]: says it, and wants no answer. */
static int send_about(pp_client *client, const char *method, uint64_t number)
{
    uint8_t head[PPI_HEAD_MAX], params[PPI_HEAD_MAX];
    const pp_piece pieces[] = { { head, ppi_head_publish(head, method, strlen(method)) },
                                { params, ppi_params_number(params, number) } };

    return ppi_client_send(client, pieces, 2);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Copies a value into an answer that lives as long as its owner likes. */
static int keep(pp_answer *answer, const uint8_t *data, size_t size)
{
    if (size > answer->capacity) {
        void *memory = realloc(answer->memory, size);

        if (memory == NULL)
            return PP_ENOMEM;
        answer->memory = memory;
        answer->capacity = size;
    }
    memcpy(answer->memory, data, size);
    answer->data = answer->memory;
    answer->size = size;
    return PP_OK;
}

void pp_answer_free(pp_answer *answer)
{
    if (answer == NULL)
        return;
    free(answer->memory);
    *answer = (pp_answer){ 0 };
}

/* {m, q, d} */
static int read_receipt(const uint8_t *data, size_t size, pp_receipt *receipt)
{
    static const char names[] = { 'm', 'q', 'd' };
    uint32_t *const values[] = { &receipt->matched, &receipt->queued, &receipt->refused };
    size_t at = 1;

    *receipt = (pp_receipt){ 0 };
    if (size < 1 || (data[0] & 0xF0) != 0x80)
        return PP_EPROTO;
    for (int i = data[0] & 0x0F; i > 0; i--) {
        struct ppi_value name = ppi_value_at(data + at, size - at);
        struct ppi_value value = ppi_value_at(data + at + name.size, size - at - name.size);

        at += name.size + value.size;
        for (int k = 0; k < 3; k++)
            if (name.text_length == 1 && name.text[0] == names[k])
                *values[k] = (uint32_t)value.number;
    }
    return PP_OK;
}

/* The status that an error of the broker's or a server's stands for; its words are kept. */
static int note_error(pp_client *client, const uint8_t *error, size_t size)
{
    struct ppi_value value = ppi_value_at(error, size);

    client->error[0] = '\0';
    if (value.kind != PPI_VALUE_TEXT)
        return PP_EREMOTE;
    size_t length = value.text_length < PPI_ERROR_TEXT ? value.text_length : PPI_ERROR_TEXT - 1;
    memcpy(client->error, value.text, length);
    client->error[length] = '\0';
    return ppi_status_of_error(value.text, value.text_length);
}

/* A subscription is active. */
static int activate(pp_client *client, struct ppi_request *request, const uint8_t *result,
                    size_t size)
{
    pp_sub *sub = request->out.sub;
    struct ppi_value sid = ppi_value_at(result, size);

    if (sid.kind != PPI_VALUE_NUMBER || sid.number == 0 ||
        ppi_map_get(&client->subs, sid.number) != NULL)
        return PP_EPROTO; /* it has given that to another one already */
    sub->sid = sid.number;
    int status = ppi_map_add(&client->subs, sub->sid, sub);
    if (status == PP_OK)
        *request->sub_out = sub;
    return status;
}

static int take_result(pp_client *client, struct ppi_request *request, const uint8_t *result,
                       size_t size)
{
    switch (request->kind) {
    case PPI_REQUEST_SUBSCRIBE: return activate(client, request, result, size);
    case PPI_REQUEST_PUBLISH: return read_receipt(result, size, request->out.receipt);
    case PPI_REQUEST_CALL: return keep(request->out.answer, result, size);
    case PPI_REQUEST_HELLO: ppi_client_note_hello(client, result, size); return PP_OK;
    case PPI_REQUEST_UNSUBSCRIBE:
    case PPI_REQUEST_WAIT:
    case PPI_REQUEST_PING:
    case PPI_REQUEST_BYE: return PP_OK;
    }
    return PP_OK;
}

/* Ends a request that is entered; with the lock, which is released. */
static void end(pp_client *client, struct ppi_request *request, int status)
{
    const struct ppi_request was = *request;
    bool over = was.kind == PPI_REQUEST_UNSUBSCRIBE ||
                (was.kind == PPI_REQUEST_SUBSCRIBE && status != PP_OK);
    uint64_t unwanted = was.kind == PPI_REQUEST_SUBSCRIBE && over ? was.out.sub->sid : 0;

    if (was.kind == PPI_REQUEST_UNSUBSCRIBE)
        ppi_map_remove(&client->subs, was.out.sub->sid);
    if (over)
        client->last_sub = NULL;
    leave(client, request);
    ppi_mutex_unlock(&client->lock);
    if (over)
        ppi_sub_free(was.out.sub, PP_ECANCELED);
    if (unwanted != 0) /* the broker has it, and there was no memory for it here */
        send_about(client, "$unsub", unwanted);
    if (was.kind == PPI_REQUEST_HELLO)
        ppi_client_on_hello(client, status);
    if (was.kind == PPI_REQUEST_BYE)
        ppi_client_on_bye(client);
    ppi_client_finish(client, was.op, status, 0);
}

void ppi_client_on_answer(pp_client *client, const struct ppi_frame *frame)
{
    const uint8_t *error = frame->data + frame->rest;
    size_t error_size = frame->params - frame->rest;
    bool good = error_size == 1 && error[0] == 0xC0;

    ppi_mutex_lock(&client->lock);
    struct ppi_request *request = ppi_map_get(&client->requests, frame->id);
    if (request == NULL) { /* none of ours, and harmless */
        ppi_mutex_unlock(&client->lock);
        return;
    }
    int status = good ? take_result(client, request, frame->data + frame->params,
                                    frame->size - frame->params)
                      : note_error(client, error, error_size);
    if (!good && request->kind == PPI_REQUEST_CALL)
        keep(request->out.answer, error, error_size);
    end(client, request, status);
}

void ppi_client_end_requests(pp_client *client, int status)
{
    for (;;) {
        size_t position = 0;

        ppi_mutex_lock(&client->lock);
        struct ppi_request *request = ppi_map_next(&client->requests, &position);
        if (request == NULL)
            break;
        end(client, request, status);
    }
    ppi_mutex_unlock(&client->lock);
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
    const struct ppi_request model = { .kind = PPI_REQUEST_CALL, .out.answer = answer };
    const pp_piece piece = { params, size };
    pp_op own = PP_OP_INIT, *started;

    if (client == NULL || answer == NULL || (config != NULL && config->size != sizeof *config))
        return ppi_fail(PP_EINVAL, "client, answer and config.size must be set");
    int status = ppi_client_check(subject, params, size);
    if (status == PP_OK)
        status = ppi_client_op(client, op, &own, &started);
    if (status != PP_OK)
        return status;
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
    uint32_t id = 0;
    bool found = false;

    if (client == NULL || op == NULL)
        return ppi_fail(PP_EINVAL, "client and op must be set");
    ppi_mutex_lock(&client->lock);
    const struct ppi_request *request;
    for (size_t position = 0;
         !found && (request = ppi_map_next(&client->requests, &position)) != NULL;) {
        found = request->op == op &&
                (request->kind == PPI_REQUEST_CALL || request->kind == PPI_REQUEST_WAIT);
        id = request->id;
    }
    ppi_mutex_unlock(&client->lock);
    if (!found)
        return ppi_fail(PP_ENOTFOUND, "no open call of this client");
    return send_about(client, "$cancel", id);
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
