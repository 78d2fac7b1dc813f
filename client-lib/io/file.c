/* file.c: files on the port: what is the same on every system; see file.h. */
#include "io/file.h"

#include "base/status.h"

enum { FLAGS = PP_FILE_READ | PP_FILE_WRITE | PP_FILE_CREATE | PP_FILE_NEW | PP_FILE_EMPTY };

static bool flags_fit(uint32_t flags)
{
    if ((flags & ~(uint32_t)FLAGS) != 0 || (flags & (PP_FILE_READ | PP_FILE_WRITE)) == 0)
        return false;
    return (flags & PP_FILE_WRITE) != 0 || flags == PP_FILE_READ;
}

int pp_file_open(pp_handle **out, const char *path, uint32_t flags)
{
    if (out == NULL || path == NULL || path[0] == '\0')
        return ppi_fail(PP_EINVAL, "out and path must be set");
    if (!flags_fit(flags))
        return ppi_fail(PP_EINVAL, "flags need PP_FILE_READ or PP_FILE_WRITE; to make or empty a "
                                   "file they need PP_FILE_WRITE");

    int status = ppi_file_make_handle(out, path, flags);
    if (status != PP_OK)
        return status;
    (*out)->rights = (uint8_t)flags;
    ppi_helpers_keep();
    return PP_OK;
}

int pp_file_size(pp_handle *file, uint64_t *size)
{
    if (file == NULL || size == NULL)
        return ppi_fail(PP_EINVAL, "file and size must be set");
    if (file->kind != PPI_FILE)
        return ppi_fail(PP_ESTATE, "not a file");

    ppi_mutex_lock(&file->lock);
    int status = file->state == PPI_OPEN ? ppi_file_size(file, size) : PP_ECLOSED;
    ppi_mutex_unlock(&file->lock);
    return status == PP_ECLOSED ? ppi_fail(status, "the file is closed") : status;
}

/* Starts an operation of length bytes at offset. */
static int start(pp_handle *file, pp_op *op, enum ppi_kind kind, const void *data, size_t length,
                 uint64_t offset)
{
    bool write = kind != PPI_FILE_READ;

    if (file == NULL || op == NULL)
        return ppi_fail(PP_EINVAL, "file and op must be set");
    if (kind != PPI_FILE_SYNC &&
        (data == NULL || length == 0 || offset > INT64_MAX || length > INT64_MAX - offset))
        return ppi_fail(PP_EINVAL, "a buffer, a length, and an offset below 2^63 are needed");
    if (file->kind != PPI_FILE || (file->rights & (write ? PP_FILE_WRITE : PP_FILE_READ)) == 0)
        return ppi_fail(PP_ESTATE, "not a file that was opened for that");
    if (ppi_handle_check_process(file) != PP_OK)
        return PP_ESTATE;
    if (ppi_op_start(op, kind) != PP_OK)
        return ppi_fail(PP_ESTATE, "the operation is in flight");
    op->priv_.data = data;
    op->priv_.length = length;
    op->bytes = offset;
    return ppi_handle_start(file, op, write ? PPI_OUT : PPI_IN);
}

int pp_file_read_at(pp_handle *file, pp_op *op, void *buffer, size_t length, uint64_t offset)
{
    return start(file, op, PPI_FILE_READ, buffer, length, offset);
}

int pp_file_write_at(pp_handle *file, pp_op *op, const void *data, size_t length, uint64_t offset)
{
    return start(file, op, PPI_FILE_WRITE, data, length, offset);
}

int pp_file_sync(pp_handle *file, pp_op *op)
{
    return start(file, op, PPI_FILE_SYNC, NULL, 0, 0);
}

bool ppi_file_stop_waiting(pp_handle *file, pp_op *op)
{
    struct ppi_ops waiting = ppi_helpers_take_back(file, op);
    bool any = ppi_helpers_have(file, op); /* after that: what waited may be begun meanwhile */
    pp_op *at;

    while ((at = ppi_ops_take(&waiting)) != NULL) {
        ppi_op_result(at, PP_ECANCELED, 0, at->priv_.done);
        ppi_handle_finish_one(file, at, false);
        any = true;
    }
    return any;
}
