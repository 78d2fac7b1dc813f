/* pipe.c: the public start functions: they check arguments, fill the operation and hand it to its
 * lane (handle.c). */
#include <panpipe/pipe.h>

#include "base/status.h"
#include "io/driver.h"
#include "io/handle.h"
#include "io/port.h"

/* Claims op for a new operation. */
static int claim(pp_handle *handle, pp_op *op, enum ppi_kind kind, const void *data, size_t length)
{
    if (handle == NULL || op == NULL)
        return ppi_fail(PP_EINVAL, "handle and op must be set");
    if (ppi_handle_check_process(handle) != PP_OK)
        return PP_ESTATE;
    if (ppi_op_start(op, kind) != PP_OK)
        return ppi_fail(PP_ESTATE, "the operation is in flight");
    op->priv_.data = data;
    op->priv_.length = length;
    return PP_OK;
}

int pp_listen(pp_handle **out, const char *name, const pp_listen_config *config)
{
    static const pp_listen_config defaults = PP_LISTEN_CONFIG_INIT;

    if (config == NULL)
        config = &defaults;
    if (out == NULL || name == NULL || config->size != sizeof *config ||
        config->access > PP_ACCESS_ADMINS)
        return ppi_fail(PP_EINVAL, "out, name, config.size or config.access is wrong");
    return ppi_transport()->listen(out, name, config);
}

int pp_accept(pp_handle *listener, pp_op *op, pp_handle **connection)
{
    if (connection == NULL)
        return ppi_fail(PP_EINVAL, "connection must be set");

    int error = claim(listener, op, PPI_ACCEPT, connection, 0);
    return error != PP_OK ? error : ppi_handle_start(listener, op, PPI_IN);
}

int pp_connect(pp_handle *stream, pp_op *op)
{
    int error = claim(stream, op, PPI_CONNECT, NULL, 0);

    return error != PP_OK ? error : ppi_handle_start(stream, op, PPI_OUT);
}

int pp_read(pp_handle *stream, pp_op *op, void *buffer, size_t length)
{
    if (buffer == NULL || length == 0)
        return ppi_fail(PP_EINVAL, "a read needs a buffer and a length");

    int error = claim(stream, op, PPI_READ, buffer, length);
    return error != PP_OK ? error : ppi_handle_start(stream, op, PPI_IN);
}

int pp_read_pooled(pp_handle *stream, pp_op *op, size_t length)
{
    if (stream == NULL)
        return ppi_fail_plain(PP_EINVAL);
    if (stream->port == NULL)
        return ppi_fail(PP_ESTATE, "a pooled read needs a handle attached to a port");

    size_t max = stream->port->pool.buffer_bytes;
    int error =
        claim(stream, op, PPI_READ_POOLED, NULL, length == 0 || length > max ? max : length);
    return error != PP_OK ? error : ppi_handle_start(stream, op, PPI_IN);
}

int pp_write(pp_handle *stream, pp_op *op, const void *buffer, size_t length)
{
    if (buffer == NULL || length == 0)
        return ppi_fail(PP_EINVAL, "a write needs a buffer and a length");

    int error = claim(stream, op, PPI_WRITE, buffer, length);
    return error != PP_OK ? error : ppi_handle_start(stream, op, PPI_OUT);
}

int pp_write_gather(pp_handle *stream, pp_op *op, const pp_piece *pieces, int count)
{
    if (pieces == NULL || count < 1 || count > PP_PIECES_MAX)
        return ppi_fail(PP_EINVAL, "a gathered write has 1 to %d pieces", PP_PIECES_MAX);
    for (int i = 0; i < count; i++)
        if (pieces[i].data == NULL || pieces[i].length == 0)
            return ppi_fail(PP_EINVAL, "piece %d is empty", i);

    int error = claim(stream, op, PPI_GATHER, pieces, (size_t)count);
    return error != PP_OK ? error : ppi_handle_start(stream, op, PPI_OUT);
}

int pp_set_skip(pp_handle *handle)
{
    if (handle == NULL)
        return ppi_fail_plain(PP_EINVAL);
    ppi_mutex_lock(&handle->lock);
    bool fresh = pp_handle_outstanding(handle) == 0 && handle->state <= PPI_OPEN;
    if (fresh)
        handle->skip = true;
    ppi_mutex_unlock(&handle->lock);
    return fresh ? PP_OK : ppi_fail(PP_ESTATE, "call it before the first operation");
}

int pp_peer_get(pp_handle *stream, pp_peer *peer)
{
    if (stream == NULL || peer == NULL || peer->size != sizeof *peer)
        return ppi_fail(PP_EINVAL, "stream and peer.size must be set");

    int error = PP_ESTATE;
    *peer = (pp_peer){ .size = sizeof *peer };
    ppi_mutex_lock(&stream->lock);
    if (stream->kind == PPI_STREAM && stream->state == PPI_OPEN)
        error = stream->driver->peer(stream, peer);
    ppi_mutex_unlock(&stream->lock);
    return error == PP_OK ? PP_OK : ppi_fail(error, "not a connected stream");
}

int pp_peer_exe(pp_handle *stream, char *path, size_t size)
{
    if (stream == NULL || path == NULL || size == 0)
        return ppi_fail(PP_EINVAL, "stream and path must be set");

    int error = PP_ESTATE;
    path[0] = '\0';
    ppi_mutex_lock(&stream->lock);
    if (stream->kind == PPI_STREAM && stream->state == PPI_OPEN)
        error = stream->driver->exe(stream, path, size);
    ppi_mutex_unlock(&stream->lock);
    return error == PP_OK ? PP_OK : ppi_fail(error, "the program at the other end is not known");
}
