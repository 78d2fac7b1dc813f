/* plain.c: the loads of ../drivers.c as one would write them by hand for this system alone:
 *
 *   bars_plain ping COUNT    64 bytes there and back, an epoll loop at each end: us, the median
 *   bars_plain stream COUNT  blocking writes of 64 KiB, blocking reads: us for each */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "timing.h"

struct side {
    int fd, set;
    char buffer[BLOCK];
};

static void watch(struct side *side)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };

    must(fcntl(side->fd, F_SETFL, O_NONBLOCK) == 0);
    side->set = epoll_create1(EPOLL_CLOEXEC);
    must(epoll_ctl(side->set, EPOLL_CTL_ADD, side->fd, &event) == 0);
}

static ssize_t receive(struct side *side)
{
    struct epoll_event event;

    must(epoll_wait(side->set, &event, 1, -1) == 1);
    return read(side->fd, side->buffer, BLOCK);
}

static void *send_back(void *argument)
{
    struct side *side = argument;
    ssize_t size;

    while ((size = receive(side)) > 0)
        must(write(side->fd, side->buffer, (size_t)size) == size);
    return NULL;
}

static void *take_all(void *argument)
{
    struct side *side = argument;

    while (read(side->fd, side->buffer, BLOCK) > 0)
        ;
    return NULL;
}

static double ping(struct side *side, int count)
{
    double *times = calloc((size_t)count, sizeof *times);

    must(times != NULL);
    for (int i = 0; i < count; i++) {
        double begin_us = now_us();

        must(write(side->fd, side->buffer, PING) == PING);
        must(receive(side) == PING);
        times[i] = now_us() - begin_us;
    }
    double result = median(times, count);
    free(times);
    close(side->fd);
    return result;
}

int main(int argc, char **argv)
{
    static struct side near, far;
    pthread_t thread;
    int ends[2], count = argc == 3 ? atoi(argv[2]) : 0;
    double result = 0;

    must(count > 0);
    pair_open(ends);
    near.fd = ends[0];
    far.fd = ends[1];
    if (strcmp(argv[1], "ping") == 0) {
        watch(&near);
        watch(&far);
        must(pthread_create(&thread, NULL, send_back, &far) == 0);
        result = ping(&near, count);
        pthread_join(thread, NULL);
    } else {
        must(pthread_create(&thread, NULL, take_all, &far) == 0);
        double begin_us = now_us();
        for (int i = 0; i < count; i++)
            must(write(near.fd, near.buffer, BLOCK) == BLOCK);
        close(near.fd);
        pthread_join(thread, NULL); /* it has taken all */
        result = (now_us() - begin_us) / count;
    }
    printf("plain %.3f\n", result);
    return 0;
}
