/* linux.h: what the files of this folder share. */
#ifndef PPI_LINUX_H
#define PPI_LINUX_H

#include <sys/un.h>

#include <panpipe/pipe.h>

#include "io/driver.h"

/* The status behind an errno. */
int ppi_errno_status(int number);

/* Unix stream sockets as pipes. */
extern const struct ppi_pipe_driver ppi_socket_driver;

/* A handle around a connected or listening socket, not attached; NULL: no memory, fd is closed. */
pp_handle *ppi_socket_handle(int kind, int fd);

/* epoll as the source of a port's completions. */
extern const struct ppi_port_driver ppi_epoll_driver;

/* Watches the handle's socket for its port; forgets it. With the handle's lock. */
int ppi_epoll_add(pp_handle *handle);
void ppi_epoll_remove(pp_handle *handle);

/* Also reports when the socket can be written to, or no more. */
void ppi_epoll_want_out(pp_handle *handle, bool want);

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

/* Removes the listener's socket file, if it is still its own, and lets go of the lock. */
void ppi_place_leave(pp_handle *listener);

#endif
