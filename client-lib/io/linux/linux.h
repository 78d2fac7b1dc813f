/* linux.h: what the files of this folder share. */
#ifndef PPI_LINUX_H
#define PPI_LINUX_H

#include <sys/uio.h>
#include <sys/un.h>

#include <panpipe/pipe.h>

#include "io/driver.h"
#include "sys_os.h"

/* The status behind an errno. */
int ppi_errno_status(int number);

/* Unix stream sockets as pipes. */
extern const struct ppi_pipe_driver ppi_socket_driver;

/* A handle around a connected or listening socket, not attached; NULL: no memory, fd is closed. */
pp_handle *ppi_socket_handle(int kind, int fd);

/* Nobody can pass descriptors through it, nor through what it accepts, where the system knows how.
 * Elsewhere they are dropped unseen, since nothing here asks for them. */
void ppi_refuse_descriptors(int fd);

/* The pieces of a write that are still to go, at most size of them. */
size_t ppi_pieces_left(const pp_op *op, struct iovec *left, size_t size);

/* epoll, alone or with a ring (uring.c), as the source of a port's completions. */
extern const struct ppi_port_driver ppi_epoll_driver;

/* The handle's socket belongs to its port now, or no more. With the handle's lock, like the rest.
 * PP_OK, PP_ENOMEM, PP_ELIMIT, PP_EIO. */
int ppi_watch_begin(pp_handle *handle);
void ppi_watch_end(pp_handle *handle);

/* op, its lane's current, would block: the driver ends it, or calls ppi_handle_retry when trying
 * again is worth it. */
void ppi_watch_await(pp_handle *handle, const pp_op *op);

/* As ppi_pipe_driver.cancel. */
bool ppi_watch_cancel(pp_handle *handle, const pp_op *op);

/* --- access.c and peer.c ---------------------------------------------------------------------- */

/* A number as the system has them for users and groups. */
bool ppi_id_parse(const char *text, uint32_t *id);

/* Does that uid stand for users whom this user namespace does not know? */
bool ppi_uid_is_nobodys(uint32_t uid);

/* What config says about who may connect. PP_OK; PP_EINVAL: no such user or group. */
int ppi_access_open(struct ppi_access *access, const pp_listen_config *config);

/* Is it only for this user and root, so that the socket's mode can say so? */
bool ppi_access_is_private(const struct ppi_access *access);

/* May the user who connected fd? Else it was told that it may not, and fd is taken over. *uid is
 * who. With the listener's lock. */
bool ppi_access_admits(struct ppi_access *access, int fd, uint32_t *uid);
void ppi_access_close(struct ppi_access *access);

/* ppi_pipe_driver.peer and .exe. */
int ppi_socket_peer(pp_handle *handle, pp_peer *peer);
int ppi_socket_exe(pp_handle *handle, char *path, size_t size);

/* Before a connect: can only who is expected have put a socket there? *folder is where it lies, to
 * be closed, or -1; *os_error is set where the system refused. PP_OK; PP_EUNTRUSTED; PP_ENOSERVER
 * ... */
struct ppi_dial;
int ppi_server_place(const struct ppi_dial *dial, int *folder, int *os_error);

/* After it, and before anything is sent: does the server run as a user who is expected? */
int ppi_server_check(const struct ppi_dial *dial, int fd);

/* --- place.c ---------------------------------------------------------------------------------- */

/* Makes a listening socket at its place, as pp_listen says. */
int ppi_place_listen(pp_handle **out, const char *name, const pp_listen_config *config);

/* The folder of a user's logical name, made and checked as for a server; path[PP_PATH_MAX] and file
 * are the socket's there. PP_OK; or as pp_listen: then fd may be open all the same, or -1. */
int ppi_place_folder(const char *name, char *path, const char **file, int *fd);

/* The listening socket at path that systemd has passed, a copy of its own; -1: it passes none.
 * PP_OK; PP_EINVAL: none of those it passes is at path. */
int ppi_service_socket(const char *path, int *fd);

/* Fills address with path. PP_OK; PP_EINVAL: too long. */
int ppi_place_address(const char *path, struct sockaddr_un *address);

/* A short address of a file in an open folder, safe from renames above it; path is the whole one,
 * for a system without /proc. */
void ppi_place_short(int folder, const char *path, struct sockaddr_un *address);

/* Removes the listener's socket file, if it is still its own, and lets go of the lock. In a forked
 * child both stay its parent's. */
void ppi_place_leave(pp_handle *listener);

#endif
