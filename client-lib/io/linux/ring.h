/* ring.h: one io_uring as its owner uses it: the thread that began it, and no other, submits and
 * reaps (IORING_SETUP_SINGLE_ISSUER); what ends runs in that thread and only while it asks
 * (IORING_SETUP_DEFER_TASKRUN). So it needs no locks, and nobody's system calls are interrupted. */
#ifndef PPI_LINUX_RING_H
#define PPI_LINUX_RING_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ppi_ring {
    int fd;                                                             /* -1: closed */
    _Atomic uint32_t *sq_head, *sq_tail, *sq_flags, *cq_head, *cq_tail; /* shared with the kernel */
    uint32_t tail, submitted; /* entries filled, and handed over, since it was opened */
    uint32_t sq_entries, cq_entries;
    struct io_uring_sqe *sqes;
    const struct io_uring_cqe *cqes;
    void *memory; /* of the queues */
    size_t memory_size, sqes_size;
};

/* Does this system let us have rings, and do they what is needed? Tried out once in a process. */
bool ppi_rings_work(void);

/* 0, or an errno. Close accepts what open has left, and a closed one. */
int ppi_ring_open(struct ppi_ring *ring);
void ppi_ring_close(struct ppi_ring *ring);

/* In a forked child, where its memory is not: before close. */
void ppi_ring_forget(struct ppi_ring *ring);

/* The calling thread is its owner from now on. 0, or an errno. The rest is for the owner. */
int ppi_ring_begin(struct ppi_ring *ring);

/* A zeroed entry, submitted by the next enter; NULL: it is full until then. */
struct io_uring_sqe *ppi_ring_entry(struct ppi_ring *ring);

/* Submits, and waits until something has ended or deadline_ns is over (0: does not wait). 0, or an
 * errno: EINTR, EAGAIN and EBUSY pass. */
int ppi_ring_enter(struct ppi_ring *ring, uint64_t deadline_ns);

/* Is there anything to be had without waiting, or to be submitted? */
bool ppi_ring_wants_enter(const struct ppi_ring *ring);
bool ppi_ring_has_ended(const struct ppi_ring *ring);

/* Takes the oldest completion; false: there is none. */
bool ppi_ring_take(struct ppi_ring *ring, struct io_uring_cqe *cqe);

#endif
