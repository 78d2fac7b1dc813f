/* answers.c: what the broker answers, and what ends with it. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "client/client.h"

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

/* The subscription id of an answer; 0: there is none. */
static uint64_t read_sid(const uint8_t *result, size_t size)
{
    struct ppi_value sid = ppi_value_at(result, size);

    return sid.kind == PPI_VALUE_NUMBER ? sid.number : 0;
}

static int take_result(pp_client *client, struct ppi_request *request, const uint8_t *result,
                       size_t size)
{
    switch (request->kind) {
    case PPI_REQUEST_SUBSCRIBE: return read_sid(result, size) != 0 ? PP_OK : PP_EPROTO;
    case PPI_REQUEST_PUBLISH: return read_receipt(result, size, request->out.receipt);
    case PPI_REQUEST_CALL: return keep(request->out.answer, result, size);
    case PPI_REQUEST_HELLO: ppi_client_note_hello(client, result, size); return PP_OK;
    case PPI_REQUEST_UNSUBSCRIBE:
    case PPI_REQUEST_WAIT:
    case PPI_REQUEST_PING:
    case PPI_REQUEST_CONFIRM:
    case PPI_REQUEST_BYE: return PP_OK;
    }
    return PP_OK;
}

/* Goes on after an answer. With the lock, which is released. */
static void go_on(pp_client *client, const struct ppi_request *request, int status, uint64_t sid)
{
    bool ask = false;

    switch (request->kind) {
    case PPI_REQUEST_SUBSCRIBE:
        ppi_client_confirm(client, request);
        ppi_sub_answered(client, request->out.sub, status, sid);
        return;
    case PPI_REQUEST_UNSUBSCRIBE: ppi_sub_end(client, request->out.sub); break;
    case PPI_REQUEST_PUBLISH:
    case PPI_REQUEST_PING: ppi_client_confirm(client, request); break;
    case PPI_REQUEST_CONFIRM:
        ppi_client_confirm(client, request);
        ask = client->confirm.confirmed != client->confirm.published;
        client->confirm.asking = ask;
        break;
    case PPI_REQUEST_CALL:
    case PPI_REQUEST_WAIT:
    case PPI_REQUEST_HELLO: break;
    case PPI_REQUEST_BYE:
        if (status == PP_OK)
            ppi_client_confirm(client, request);
        break;
    }
    ppi_mutex_unlock(&client->lock);
    if (ask)
        ppi_client_ask_soon(client);
    if (request->kind == PPI_REQUEST_HELLO)
        ppi_client_on_hello(client, status);
    if (request->kind == PPI_REQUEST_BYE)
        ppi_client_close_link(client, PP_ECLOSED);
    ppi_client_finish(client, request->op, status, 0);
}

void ppi_client_on_answer(pp_client *client, const struct ppi_frame *frame)
{
    const uint8_t *error = frame->data + frame->rest, *result = frame->data + frame->params;
    size_t error_size = frame->params - frame->rest, result_size = frame->size - frame->params;
    bool good = error_size == 1 && error[0] == 0xC0;

    ppi_mutex_lock(&client->lock);
    struct ppi_request *request = ppi_map_get(&client->requests, frame->id);
    if (request == NULL || request->kept) { /* none of ours, and harmless */
        ppi_mutex_unlock(&client->lock);
        return;
    }
    int status = good ? take_result(client, request, result, result_size)
                      : note_error(client, error, error_size);
    if (!good && request->kind == PPI_REQUEST_CALL)
        keep(request->out.answer, error, error_size);
    const struct ppi_request was = *request;
    ppi_client_leave(client, request);
    go_on(client, &was, status, status == PP_OK ? read_sid(result, result_size) : 0);
}
