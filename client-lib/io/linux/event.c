/* event.c: a thread's own event, as an eventfd: it can be waited for together with a socket. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "io/linux/event.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static void free_event(void *argument)
{
    struct ppi_event *event = argument;

    while (atomic_load_explicit(&event->held, memory_order_acquire) > 0)
        ppi_yield();
    if (event->fd >= 0)
        close(event->fd);
    free(event);
}

static void make_key(void)
{
    pthread_key_create(&key, free_event);
}

static struct ppi_event *make_event(void)
{
    struct ppi_event *event = calloc(1, sizeof *event);

    if (event == NULL)
        return NULL;
    event->fd = -1;
    if (pthread_setspecific(key, event) == 0)
        return event;
    free(event);
    return NULL;
}

/* What a forked child has from its parent would be heard, and missed, by both. */
struct ppi_event *ppi_thread_event(void)
{
    pthread_once(&once, make_key);
    struct ppi_event *event = pthread_getspecific(key);
    if (event == NULL && (event = make_event()) == NULL)
        return NULL;
    unsigned generation = ppi_process_generation();
    if (event->fd >= 0 && event->generation != generation) {
        close(event->fd);
        event->fd = -1;
    }
    if (event->fd < 0) {
        event->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        event->generation = generation;
        atomic_store(&event->held, 0);
    }
    return event->fd >= 0 ? event : NULL;
}

void ppi_event_hold(struct ppi_event *event)
{
    atomic_fetch_add_explicit(&event->held, 1, memory_order_relaxed);
}

void ppi_event_set(struct ppi_event *event)
{
    (void)!eventfd_write(event->fd, 1);
    atomic_fetch_sub_explicit(&event->held, 1, memory_order_release);
}

bool ppi_event_wait_with(struct ppi_event *event, int fd, short events, uint64_t deadline_ns)
{
    struct pollfd watched[] = { { event->fd, POLLIN, 0 }, { fd, events, 0 } };
    eventfd_t count;
    int n = poll(watched, fd >= 0 ? 2 : 1, ppi_until_ms(deadline_ns));

    if (watched[0].revents != 0)
        (void)!eventfd_read(event->fd, &count);
    return n > 0 || (n < 0 && errno == EINTR) || ppi_until_ms(deadline_ns) != 0;
}

bool ppi_event_wait(struct ppi_event *event, uint64_t deadline_ns)
{
    return ppi_event_wait_with(event, -1, 0, deadline_ns);
}
