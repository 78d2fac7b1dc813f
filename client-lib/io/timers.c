#include "io/timers.h"

#include <stdlib.h>

static void place(struct ppi_timers *timers, uint32_t position, struct ppi_timer *timer)
{
    timers->heap[position] = timer;
    timer->position = position;
}

static void sift_up(struct ppi_timers *timers, uint32_t at, struct ppi_timer *timer)
{
    for (; at > 1 && timers->heap[at / 2]->deadline_ns > timer->deadline_ns; at /= 2)
        place(timers, at, timers->heap[at / 2]);
    place(timers, at, timer);
}

static void sift_down(struct ppi_timers *timers, uint32_t at, struct ppi_timer *timer)
{
    for (uint32_t child; (child = at * 2) <= timers->count; at = child) {
        if (child < timers->count &&
            timers->heap[child + 1]->deadline_ns < timers->heap[child]->deadline_ns)
            child++;
        if (timers->heap[child]->deadline_ns >= timer->deadline_ns)
            break;
        place(timers, at, timers->heap[child]);
    }
    place(timers, at, timer);
}

void ppi_timers_remove(struct ppi_timers *timers, struct ppi_timer *timer)
{
    uint32_t gap = timer->position;
    struct ppi_timer *last = timers->heap[timers->count--];

    timer->position = 0;
    if (last == timer)
        return;
    if (gap > 1 && timers->heap[gap / 2]->deadline_ns > last->deadline_ns)
        sift_up(timers, gap, last);
    else
        sift_down(timers, gap, last);
}

int ppi_timers_add(struct ppi_timers *timers, struct ppi_timer *timer)
{
    if (timers->count + 1 >= timers->capacity) {
        uint32_t capacity = timers->capacity == 0 ? 16 : timers->capacity * 2;
        struct ppi_timer **heap = realloc(timers->heap, capacity * sizeof *heap);

        if (heap == NULL)
            return PP_ENOMEM;
        timers->heap = heap;
        timers->capacity = capacity;
    }
    sift_up(timers, ++timers->count, timer);
    return PP_OK;
}

struct ppi_timer *ppi_timers_first(const struct ppi_timers *timers)
{
    return timers->count > 0 ? timers->heap[1] : NULL;
}

void ppi_timers_deinit(struct ppi_timers *timers)
{
    free(timers->heap);
}
