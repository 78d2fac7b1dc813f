/* panpipe/file.h - files on the completion port, beside pipes.
 *
 * A file is a handle like a listener or a stream: pp_port_attach binds it to a port, its operations
 * end as packets, pp_cancel, pp_close, pp_set_skip and pp_handle_outstanding (panpipe/pipe.h) work
 * on it, and pp_op_use_wait works without a port. It differs from a stream in this:
 *   - each operation says where in the file it begins; the file has no position of its own;
 *   - operations of one file run at the same time, and end in any order. Who wants one after the
 *     other starts the second in the first one's packet;
 *   - a canceled or failed write breaks nothing: what it wrote is in the file (op.bytes).
 *
 * Windows: overlapped file I/O; the system does some of it in the start, while its caller waits:
 * what it has in memory, and writes that make a file larger. Linux has none: of what is in the page
 * cache up to 256 KiB are read in the start, all else is done by helper threads, at most
 * PP_FILE_HELPERS in a process. They are started when first needed and end with the last file.
 * pp_file_open, pp_file_size and the folders' functions ask the system and wait for it.
 *
 * Start functions (pp_file_read_at, pp_file_write_at, pp_file_sync) return PP_PENDING, PP_DONE or,
 * with nothing started:
 *   PP_EINVAL  an argument is wrong, a length is 0, the end would be beyond 2^63 - 1
 *   PP_ESTATE  op is in flight; file not attached; no file; not opened for that; forked child
 *   PP_ECLOSED the file was closed or its port shut down
 * Everything else arrives in the packet: PP_ECANCELED, PP_ENOMEM, PP_ELIMIT, PP_EIO and what each
 * function adds; os_error is the system's number.
 *
 * In the library panpipe-file, which needs libpanpipe of the same version. For a small file as a
 * whole there is pp_file_read in panpipe/sys.h. */
#ifndef PANPIPE_FILE_H
#define PANPIPE_FILE_H

#include <panpipe/pipe.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { PP_FILE_HELPERS = 4 };

/* --- files ------------------------------------------------------------------------------- */

enum {
    PP_FILE_READ = 1u,   /* it will be read */
    PP_FILE_WRITE = 2u,  /* it will be written; the following need it */
    PP_FILE_CREATE = 4u, /* make it if it is not there; on Linux with mode 0666 and the umask */
    PP_FILE_NEW = 8u,    /* make it; it must not be there */
    PP_FILE_EMPTY = 16u  /* what is in it goes */
};

/* Opens a file, not attached. path is UTF-8 (Linux: bytes, as they are); flags are PP_FILE_...
 * Others may read, write, rename and remove the file meanwhile. Links are followed. Waits for the
 * system: on a slow disk or a network drive call it where that may take its time.
 * PP_OK; PP_EINVAL: flags, no UTF-8, too long (Windows: 1,023 units of UTF-16); PP_ENOTFOUND: no
 * such file, or no such folder; PP_EACCESS: no permission; PP_ENOTSUP: a folder, a pipe, a device;
 * PP_EINUSE: it is there (PP_FILE_NEW); PP_EBUSY: Windows, another program keeps it for itself;
 * PP_EFULL; PP_ELIMIT: handles; PP_ENOMEM; PP_EIO. pp_detail names the path. */
int pp_file_open(pp_handle **out, const char *path, uint32_t flags);

/* How many bytes the file has now. PP_OK; PP_EINVAL; PP_ESTATE: no file; PP_ECLOSED; PP_EIO. */
int pp_file_size(pp_handle *file, uint64_t *size);

/* Reads length bytes into buffer, beginning at offset. Fewer only where the file ends: op.bytes
 * says how many. Packet: PP_EOF: the file ends at offset, or before it; nothing was read. */
int pp_file_read_at(pp_handle *file, pp_op *op, void *buffer, size_t length, uint64_t offset);

/* Writes all of it, beginning at offset; beyond the end the file grows, and what lies between is
 * zeros. PP_OK means that the system has it, as for any write, and readers see it; see
 * pp_file_sync. If it failed, op.bytes says how many bytes were written before.
 * Packet: PP_EFULL; PP_ELIMIT: a file must not be that large; PP_EACCESS. */
int pp_file_write_at(pp_handle *file, pp_op *op, const void *data, size_t length, uint64_t offset);

/* Ends when the disk has all that was written in operations whose packets were taken before. On
 * every system by a helper thread. Only for files opened with PP_FILE_WRITE. Packet: PP_EIO: some
 * of it is lost; another sync will not tell again. PP_EFULL. */
int pp_file_sync(pp_handle *file, pp_op *op);

/* --- folders ----------------------------------------------------------------------------- */

enum {
    PP_ENTRY_FILE,
    PP_ENTRY_FOLDER,
    PP_ENTRY_OTHER /* a link, whatever it leads to; a device, a pipe ... */
};

/* Calls each(context, name, PP_ENTRY_...) for everything in a folder but "." and "..", in the
 * system's order. name is valid during the call. each returns 0 to go on; anything else ends the
 * walk and is returned. Waits for the system.
 * PP_OK; PP_EINVAL; PP_ENOTFOUND; PP_EACCESS; PP_ENOTSUP: no folder; PP_ENOMEM; PP_ELIMIT; PP_EIO.
 */
int pp_folder_each(const char *path, int (*each)(void *context, const char *name, int entry),
                   void *context);

/* Makes a folder in one that is there; on Linux with mode 0777 and the umask.
 * PP_OK; PP_EINVAL; PP_EINUSE: something has that name; PP_ENOTFOUND; PP_EACCESS; PP_EFULL; PP_EIO.
 */
int pp_folder_make(const char *path);

/* 1: the standard stream (0 input, 1 output, 2 errors) is a terminal, where people may want to see
 * how far a copy is; 0: it is none. */
int pp_is_terminal(int stream);

#ifdef __cplusplus
}
#endif
#endif
