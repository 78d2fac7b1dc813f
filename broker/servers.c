#include "servers.h"

#include <stdio.h>

#include "log.h"
#include "router.h"
#include "ticker.h"

/* Of the servers: the one with the fewest calls in flight that may have one more; the turn
 * decides between equals. NULL: none may. */
static struct sub *choose(struct sub **servers, int count, unsigned turn)
{
    struct sub *best = NULL;
    unsigned fewest = UINT32_MAX;

    for (int i = 0; i < count; i++) {
        struct sub *sub = servers[(turn + (unsigned)i) % (unsigned)count];
        unsigned in_flight = atomic_load_explicit(&sub->in_flight, memory_order_relaxed);

        if (in_flight < fewest && (sub->max_inflight == 0 || in_flight < sub->max_inflight) &&
            ppi_link_takes(&sub->peer->link)) {
            best = sub;
            fewest = in_flight;
        }
    }
    return best;
}

enum found servers_find(struct worker *worker, const char *subject, size_t length, size_t bytes,
                        struct sub **server)
{
    struct sub **servers;
    unsigned *turn;
    int count = router_servers(worker, subject, length, &servers, &turn);

    *server = NULL;
    if (count <= 0)
        return count == 0 ? FOUND_NONE : count == -1 ? FOUND_BAD : FOUND_NO_MEMORY;
    *server = choose(servers, count, (*turn)++);
    if (*server == NULL)
        return FOUND_BUSY;
    if (!ppi_link_reserve(&(*server)->peer->link, bytes))
        return FOUND_FULL;
    ticker_watch(worker->broker, &(*server)->peer->link);
    return FOUND;
}

const char *servers_words(enum found found, const char *subject, size_t length,
                          char words[SERVERS_WORDS_MAX])
{
    char quoted[LOG_QUOTED_MAX];

    log_quote(quoted, subject, length);
    switch (found) {
    case FOUND_NONE: snprintf(words, SERVERS_WORDS_MAX, "E_NORESP nobody serves %s", quoted); break;
    case FOUND_BAD: snprintf(words, SERVERS_WORDS_MAX, "E_ARG %s: %s", pp_detail(), quoted); break;
    case FOUND_NO_MEMORY:
        snprintf(words, SERVERS_WORDS_MAX, "E_LIMIT the broker is out of memory");
        break;
    case FOUND:
    case FOUND_BUSY:
    case FOUND_FULL:
        snprintf(words, SERVERS_WORDS_MAX, "E_BUSY every server of %s has all the calls it takes",
                 quoted);
        break;
    }
    return words;
}
