/* sys_os.h for Linux: POSIX threads. */
#ifndef PPI_SYS_OS_H
#define PPI_SYS_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct ppi_mutex {
    pthread_mutex_t mutex;
};
#define PPI_MUTEX_INIT                                                                             \
    {                                                                                              \
        PTHREAD_MUTEX_INITIALIZER                                                                  \
    }

struct ppi_cond {
    pthread_cond_t cond;
};
#define PPI_COND_INIT /* not for waits with a deadline */                                          \
    {                                                                                              \
        PTHREAD_COND_INITIALIZER                                                                   \
    }
struct ppi_thread {
    pthread_t thread;
};

static inline void ppi_mutex_lock(struct ppi_mutex *mutex)
{
    pthread_mutex_lock(&mutex->mutex);
}

static inline void ppi_mutex_unlock(struct ppi_mutex *mutex)
{
    pthread_mutex_unlock(&mutex->mutex);
}

static inline void ppi_cond_wait(struct ppi_cond *cond, struct ppi_mutex *mutex)
{
    pthread_cond_wait(&cond->cond, &mutex->mutex);
}

static inline void ppi_cond_signal(struct ppi_cond *cond)
{
    pthread_cond_signal(&cond->cond);
}

static inline void ppi_cond_broadcast(struct ppi_cond *cond)
{
    pthread_cond_broadcast(&cond->cond);
}

struct ppi_process {
    int pid;
};

/* Who may connect; all zero: this user and root. */
struct ppi_access {
    uint8_t access; /* PP_ACCESS_... */
    bool has_group;
    uint8_t turn;
    uint32_t user, group;
    int away[4]; /* descriptors + 1 of those who were sent away last; 0: none */
};

/* What a handle keeps for the system. */
struct ppi_os_handle {
    int fd;        /* the socket; -1: none */
    int lock_fd;   /* listener: the lock file, held for life; -1: none */
    int folder_fd; /* listener: where the socket lies; -1: none */
    uint32_t slot; /* in the table of its port's driver, if watched */
    bool watched;
    bool wants_out;   /* epoll.c */
    bool canceled[2]; /* uring.c: of a lane, what is with the kernel */
    bool passed;      /* listener: the socket is systemd's, and others may go on listening on it */
    bool refusing;    /* listener: see ppi_handle_refuse */
    uint64_t inode;   /* listener: of the socket's file */
    unsigned maker;   /* listener: the generation of the process whose name it is */
    char *file;       /* listener: its name in the folder; owned */
    struct ppi_access access; /* listener */
};

#endif
