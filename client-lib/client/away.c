/* away.c: what is kept while there is no connection: whole frames, in order.
 *
 * At the next connection they go out one by one through the sender, as if they were said then;
 * meanwhile whatever is said goes behind them, so nothing overtakes. What is not sent when that
 * connection ends in turn stays first in the row. */
#include "client/client.h"

#include <string.h>

#include "base/status.h"
#include "io/port.h"

enum { PPI_WATCH_MS = 250 }; /* how late the end of a call that waits may be */

/* In front of each frame. */
struct kept {
    struct ppi_about about;
    uint32_t size;
};

static struct kept kept_at(const uint8_t *data)
{
    struct kept kept;

    memcpy(&kept, data, sizeof kept);
    return kept;
}

/* Is it still wanted? A request may have been canceled, or have ended, meanwhile. */
static bool wanted(const pp_client *client, const struct kept *kept)
{
    const struct ppi_request *request =
        kept->about.id != 0 ? ppi_map_get(&client->requests, kept->about.id) : NULL;

    return kept->about.id == 0 || (request != NULL && request->kept);
}

/* Drops what nobody wants any more. */
static void compact(pp_client *client)
{
    struct ppi_buf *buf = &client->away.kept;
    uint8_t *data = ppi_buf_data(buf);
    size_t size = ppi_buf_size(buf), to = 0;

    for (size_t from = 0; from < size;) {
        struct kept kept = kept_at(data + from);
        size_t step = sizeof kept + kept.size;

        if (wanted(client, &kept)) {
            memmove(data + to, data + from, step);
            to += step;
        }
        from += step;
    }
    buf->end = buf->start + to;
    client->away.dead = false;
}

int ppi_away_room(pp_client *client, size_t size)
{
    struct ppi_away *away = &client->away;
    size_t limit = client->config.away_bytes, need = sizeof(struct kept) + size;

    if (away->leaving)
        return ppi_client_refuse();
    if (away->dead && ppi_buf_size(&away->kept) + ppi_buf_size(&away->sending) + need > limit)
        compact(client);
    if (ppi_buf_size(&away->kept) + ppi_buf_size(&away->sending) + need > limit)
        return ppi_fail(PP_EBUSY, "no connection, and away_bytes, %u, are kept already",
                        (unsigned)limit);
    return ppi_buf_room(&away->kept, need) != NULL ? PP_OK : ppi_fail_plain(PP_ENOMEM);
}

void ppi_away_keep(pp_client *client, const pp_piece *pieces, int count,
                   const struct ppi_about *about)
{
    struct ppi_buf *buf = &client->away.kept;
    struct kept kept = { .about = *about };

    for (int i = 0; i < count; i++)
        kept.size += (uint32_t)pieces[i].length;
    ppi_buf_append(buf, &kept, sizeof kept); /* there is room for all of it */
    for (int i = 0; i < count; i++)
        ppi_buf_append(buf, pieces[i].data, pieces[i].length);
}

void ppi_away_forget(pp_client *client, const struct ppi_request *request)
{
    client->away.dead = true;
    client->away.calls -= ppi_request_is_call(request);
}

/* --- calls that wait too long ----------------------------------------------------------------- */

static void on_watch(pp_op *op)
{
    pp_client *client = PP_CONTAINER(op, pp_client, away.timer.op);

    while (ppi_client_end_late_call(client, ppi_timer_now_ns(client->port)))
        ;
    ppi_mutex_lock(&client->lock);
    bool more = client->away.calls > 0 && client->state == PPI_CLIENT_AWAY;
    client->away.timing = more;
    ppi_mutex_unlock(&client->lock);
    if (more)
        ppi_away_watch(client);
    ppi_client_unref(client);
}

void ppi_away_watch(pp_client *client)
{
    uint64_t pause_ns = (uint64_t)PPI_WATCH_MS * PPI_NS_PER_MS;

    if (ppi_client_start_timer(client, &client->away.timer,
                               ppi_timer_now_ns(client->port) + pause_ns) == PP_OK)
        return;
    ppi_mutex_lock(&client->lock);
    client->away.timing = false; /* the next call tries again */
    ppi_mutex_unlock(&client->lock);
}

void ppi_away_init(pp_client *client)
{
    client->away.timer.op.priv_.handler = on_watch;
}

/* --- back again, or over ---------------------------------------------------------------------- */

/* Makes all of it what is sent; false: there is nothing. */
static bool take_over(struct ppi_away *away)
{
    if (ppi_buf_size(&away->sending) > 0)
        return true;
    ppi_buf_deinit(&away->sending);
    away->sending = away->kept;
    away->kept = (struct ppi_buf){ 0 };
    away->dead = false;
    return ppi_buf_size(&away->sending) > 0;
}

/* A request goes out: from now on it is as any other. */
static void release(pp_client *client, uint32_t id)
{
    struct ppi_request *request = ppi_map_get(&client->requests, id);

    client->away.calls -= ppi_request_is_call(request);
    request->kept = false;
    request->published = client->confirm.published;
}

bool ppi_away_send_next(pp_client *client)
{
    struct ppi_buf *sending = &client->away.sending;

    if (!take_over(&client->away))
        return false;
    const uint8_t *data = ppi_buf_data(sending);
    struct kept kept = kept_at(data);
    const pp_piece piece = { data + sizeof kept, kept.size };

    if (kept.about.op != NULL) {
        ppi_sender_write(client, &piece, 1, &kept.about);
    } else {
        ppi_sender_room(client, kept.size);
        if (wanted(client, &kept)) { /* also after the wait for room */
            if (kept.about.id != 0)
                release(client, kept.about.id);
            client->confirm.published += kept.about.publish;
            ppi_sender_stage(client, &piece, 1, false);
        }
    }
    ppi_buf_consume(sending, sizeof kept + kept.size);
    return true;
}

/* Ends the operations of what is in buf, and frees it; how many publishes there were. */
static uint64_t end_all(pp_client *client, struct ppi_buf *buf, int status)
{
    const uint8_t *data = ppi_buf_data(buf);
    uint64_t publishes = 0;

    for (size_t at = 0; at < ppi_buf_size(buf);) {
        struct kept kept = kept_at(data + at);

        publishes += kept.about.publish;
        ppi_client_finish(client, kept.about.op, status, 0);
        at += sizeof kept + kept.size;
    }
    ppi_buf_deinit(buf);
    return publishes;
}

uint64_t ppi_away_end(pp_client *client, int status)
{
    ppi_mutex_lock(&client->lock);
    uint64_t publishes = end_all(client, &client->away.sending, status) +
                         end_all(client, &client->away.kept, status);
    ppi_mutex_unlock(&client->lock);
    return publishes;
}

void ppi_away_deinit(pp_client *client)
{
    ppi_buf_deinit(&client->away.sending);
    ppi_buf_deinit(&client->away.kept);
}
