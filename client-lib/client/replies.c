/* replies.c: the answers that services give. */
#include "base/status.h"
#include "client/client.h"
#include "io/port.h"
#include "wire/envelope.h"

static bool is_call(uint64_t call)
{
    return (call & PPI_CALL_MASK) >= 1 && (call & PPI_CALL_MASK) <= (uint64_t)UINT32_MAX + 1;
}

static int check_result(const void *result, size_t size)
{
    struct ppi_value value = ppi_value_at(result, size);

    if (size > PPI_FRAME_MAX - PPI_FRAME_RESERVE || value.depth > PPI_PARAMS_DEPTH_MAX)
        return ppi_fail(PP_ELIMIT, "a result is at most 16 MiB - 4 KiB and nests 28 deep");
    if (value.size != size || size == 0)
        return ppi_fail(PP_EINVAL, "a result is one MessagePack value");
    return PP_OK;
}

/* The call is answered: nobody need be told that it is canceled. */
static void forget_call(pp_client *client, uint64_t call)
{
    if (ppi_port_check_process(client->port) != PP_OK)
        return; /* the lock may be held, by nobody */
    ppi_mutex_lock(&client->lock);
    if (client->serving.count > 0)
        ppi_map_remove(&client->serving, call);
    ppi_mutex_unlock(&client->lock);
}

/* What comes before the result; its size. */
static size_t put_head(uint8_t head[PPI_HEAD_MAX], uint64_t call)
{
    size_t size = ppi_head_answer(head, ppi_call_id(call));

    head[size++] = 0xC0; /* no error */
    return size;
}

int pp_reply(pp_client *client, uint64_t call, const void *result, size_t size)
{
    uint8_t head[PPI_HEAD_MAX];

    if (client == NULL || !is_call(call) || result == NULL)
        return ppi_fail(PP_EINVAL, "client, call and result must be set");
    int status = check_result(result, size);
    if (status != PP_OK)
        return status;
    forget_call(client, call);
    const pp_piece pieces[] = { { head, put_head(head, call) }, { result, size } };
    return ppi_client_send(client, call, pieces, 2);
}

int pp_reply_start(pp_client *client, pp_op *op, uint64_t call, const void *result, size_t size)
{
    uint8_t head[PPI_HEAD_MAX];

    if (client == NULL || op == NULL || !is_call(call) || result == NULL)
        return ppi_fail(PP_EINVAL, "client, op, call and result must be set");
    int status = check_result(result, size);
    if (status != PP_OK)
        return status;
    const pp_piece pieces[] = { { head, put_head(head, call) }, { result, size } };
    status = ppi_client_send_op(client, call, op, pieces);
    if (status == PP_PENDING)
        forget_call(client, call);
    return status;
}

int pp_reply_error(pp_client *client, uint64_t call, const char *text)
{
    struct ppi_buf buf = { 0 };

    if (client == NULL || !is_call(call) || text == NULL)
        return ppi_fail(PP_EINVAL, "client, call and text must be set");
    forget_call(client, call);
    int status = ppi_pack_error(&buf, ppi_call_id(call), "%s", text);
    const pp_piece piece = { ppi_buf_data(&buf), ppi_buf_size(&buf) };
    if (status == PP_OK)
        status = ppi_client_send(client, call, &piece, 1);
    ppi_buf_deinit(&buf);
    return status;
}
