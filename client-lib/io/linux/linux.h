/* linux.h: what the files of this folder share. */
#ifndef PPI_LINUX_H
#define PPI_LINUX_H

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

/* epoll as the source of a port's completions. */
extern const struct ppi_port_driver ppi_epoll_driver;

/* Watches the handle's socket for its port; forgets it. With the handle's lock. */
int ppi_epoll_add(pp_handle *handle);
void ppi_epoll_remove(pp_handle *handle);

/* Also reports when the socket can be written to, or no more. */
void ppi_epoll_want_out(pp_handle *handle, bool want);

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
 * be closed, or -1. PP_OK; PP_EUNTRUSTED; PP_ENOSERVER ... */
struct ppi_dial;
int ppi_server_place(const struct ppi_dial *dial, int *folder);

/* After it, and before anything is sent: does the server run as a user who is expected? */
int ppi_server_check(const struct ppi_dial *dial, int fd);

/* --- place.c ---------------------------------------------------------------------------------- */

/* Makes a listening socket at its place, as pp_listen says. */
int ppi_place_listen(pp_handle **out, const char *name, const pp_listen_config *config);

/* Fills address with path. PP_OK; PP_EINVAL: too long. */
int ppi_place_address(const char *path, struct sockaddr_un *address);

/* A short address of a file in an open folder, safe from renames above it; path is the whole one,
 * for a system without /proc. */
void ppi_place_short(int folder, const char *path, struct sockaddr_un *address);

/* Removes the listener's socket file, if it is still its own, and lets go of the lock. */
void ppi_place_leave(pp_handle *listener);

#endif
