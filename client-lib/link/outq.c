/* outq.c: see outq.h. Chunks that become empty are kept for reuse, at most CACHE_MAX of each kind
 * in the whole process, so that a stream under back-pressure allocates nothing. */
#include "link/outq.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "io/sys.h"

enum { CACHE_MAX = 128, SMALL_CHUNK_BYTES = 2048, MARKS_MIN = 16, IDLE_MARKS_MAX = 1024 };

struct ppi_chunk {
    struct ppi_chunk *next;
    uint32_t start, end, capacity; /* bytes [start, end) wait */
    uint8_t bytes[];
};

/* --- chunks ---------------------------------------------------------------------------------- */

static struct ppi_mutex cache_lock = PPI_MUTEX_INIT;
static struct cache {
    struct ppi_chunk *first;
    unsigned count;
} small_chunks, chunks;

static struct cache *cache_for(uint32_t capacity)
{
    return capacity == PPI_CHUNK_BYTES ? &chunks : &small_chunks;
}

/* A chunk for size bytes, or for a part of them: a small one if it may be, and is enough. */
static struct ppi_chunk *chunk_new(size_t size, bool small)
{
    uint32_t capacity = small && size <= SMALL_CHUNK_BYTES ? SMALL_CHUNK_BYTES : PPI_CHUNK_BYTES;
    struct cache *cache = cache_for(capacity);

    ppi_mutex_lock(&cache_lock);
    struct ppi_chunk *chunk = cache->first;
    if (chunk != NULL) {
        cache->first = chunk->next;
        cache->count--;
    }
    ppi_mutex_unlock(&cache_lock);
    if (chunk == NULL)
        chunk = malloc(sizeof *chunk + capacity);
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->start = chunk->end = 0;
        chunk->capacity = capacity;
    }
    return chunk;
}

static void chunk_free(struct ppi_chunk *chunk)
{
    struct cache *cache = cache_for(chunk->capacity);

    ppi_mutex_lock(&cache_lock);
    if (cache->count < CACHE_MAX) {
        chunk->next = cache->first;
        cache->first = chunk;
        cache->count++;
        chunk = NULL;
    }
    ppi_mutex_unlock(&cache_lock);
    free(chunk);
}

static void chain_free(struct ppi_chunk *chunk)
{
    for (struct ppi_chunk *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        chunk_free(chunk);
    }
}

void ppi_outq_trim(void)
{
    static struct cache *const both[] = { &small_chunks, &chunks };

    ppi_mutex_lock(&cache_lock);
    for (int i = 0; i < 2; i++)
        while (both[i]->first != NULL) {
            struct ppi_chunk *next = both[i]->first->next;

            free(both[i]->first);
            *both[i] = (struct cache){ next, both[i]->count - 1 };
        }
    ppi_mutex_unlock(&cache_lock);
}

static size_t total(const pp_piece *pieces, int count)
{
    size_t size = 0;

    for (int i = 0; i < count; i++)
        size += pieces[i].length;
    return size;
}

/* Copies into the room of chunk (NULL: none) and a chain of new chunks behind it. The chain's
 * first and last are set, NULL if none was needed. false: no memory, nothing was changed. */
static bool copy(struct ppi_chunk *chunk, const pp_piece *pieces, int count,
                 struct ppi_chunk **first, struct ppi_chunk **last)
{
    size_t left = total(pieces, count), room = chunk != NULL ? chunk->capacity - chunk->end : 0;

    *first = *last = NULL;
    for (size_t need = left > room ? left - room : 0; need > 0;) { /* all memory first */
        struct ppi_chunk *more = chunk_new(need, chunk == NULL);

        if (more == NULL) {
            chain_free(*first);
            return false;
        }
        if (*last != NULL)
            (*last)->next = more;
        else
            *first = more;
        *last = more;
        need -= need < more->capacity ? need : more->capacity;
    }
    struct ppi_chunk *into = room > 0 ? chunk : *first;
    for (int i = 0; i < count; i++)
        for (size_t done = 0; done < pieces[i].length;) {
            if (into->end == into->capacity)
                into = into == chunk ? *first : into->next;
            size_t part = pieces[i].length - done;
            if (part > into->capacity - into->end)
                part = into->capacity - into->end;
            memcpy(into->bytes + into->end, (const uint8_t *)pieces[i].data + done, part);
            into->end += (uint32_t)part;
            done += part;
        }
    return true;
}

int ppi_outq_append(struct ppi_outq *queue, const pp_piece *pieces, int count)
{
    struct ppi_chunk *first, *last;

    if (!copy(queue->tail, pieces, count, &first, &last))
        return PP_ENOMEM;
    if (first != NULL) {
        if (queue->tail != NULL)
            queue->tail->next = first;
        else
            queue->head = first;
        queue->tail = last;
    }
    queue->bytes += total(pieces, count);
    return PP_OK;
}

int ppi_outq_prepend(struct ppi_outq *queue, const pp_piece *pieces, int count)
{
    struct ppi_chunk *first, *last;

    if (queue->head == NULL)
        return ppi_outq_append(queue, pieces, count);
    if (!copy(NULL, pieces, count, &first, &last))
        return PP_ENOMEM;
    if (first != NULL) {
        last->next = queue->head;
        queue->head = first;
    }
    queue->bytes += total(pieces, count);
    return PP_OK;
}

const void *ppi_outq_front(const struct ppi_outq *queue, size_t *size)
{
    const struct ppi_chunk *head = queue->head;

    *size = head != NULL ? head->end - head->start : 0;
    return head != NULL ? head->bytes + head->start : NULL;
}

/* Drops size bytes at the front of the chunks. */
static void drop(struct ppi_outq *queue, size_t size)
{
    queue->bytes -= size;
    while (size > 0) {
        struct ppi_chunk *head = queue->head;
        size_t part = head->end - head->start;

        if (part > size)
            part = size;
        head->start += (uint32_t)part;
        size -= part;
        if (head->start < head->end)
            continue;
        queue->head = head->next;
        if (queue->head == NULL)
            queue->tail = NULL;
        chunk_free(head);
    }
}

int ppi_parcels_after(const struct ppi_parcel *parcels, int count, size_t bytes, pp_piece *pieces)
{
    int filled = 0;

    for (int i = 0; i < count; i++) {
        const char *data = parcels[i].data;
        size_t length = parcels[i].length;

        if (bytes >= length) {
            bytes -= length;
            continue;
        }
        data += bytes;
        length -= bytes;
        bytes = 0;
        if (filled > 0 && (const char *)pieces[filled - 1].data + pieces[filled - 1].length == data)
            pieces[filled - 1].length += length;
        else
            pieces[filled++] = (pp_piece){ data, length };
    }
    return filled;
}

/* --- marks ----------------------------------------------------------------------------------- */

struct ppi_mark {
    void *tag;
    struct ppi_sizes sizes;
    ppi_since since;
};

static struct ppi_mark *mark_at(const struct ppi_outq *queue, size_t i)
{
    return &queue->marks[(queue->mark_first + i) & (queue->mark_capacity - 1)];
}

static int grow_marks(struct ppi_outq *queue, size_t more)
{
    size_t capacity = queue->mark_capacity == 0 ? MARKS_MIN : queue->mark_capacity;

    while (capacity < queue->mark_count + more)
        capacity *= 2;
    if (capacity == queue->mark_capacity)
        return PP_OK;
    struct ppi_mark *marks = malloc(capacity * sizeof *marks);
    if (marks == NULL)
        return PP_ENOMEM;
    for (size_t i = 0; i < queue->mark_count; i++)
        marks[i] = *mark_at(queue, i);
    free(queue->marks);
    queue->marks = marks;
    queue->mark_first = 0;
    queue->mark_capacity = capacity;
    return PP_OK;
}

int ppi_outq_mark(struct ppi_outq *queue, const struct ppi_parcel *parcel, ppi_since since)
{
    size_t count = (size_t)parcel->size_count;

    if (queue->mark_count + count > queue->mark_capacity && grow_marks(queue, count) != PP_OK)
        return PP_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct ppi_sizes *sizes = &parcel->sizes[i];
        struct ppi_mark *last =
            queue->mark_count > 0 ? mark_at(queue, queue->mark_count - 1) : NULL;

        if (last != NULL && last->tag == parcel->tag && last->sizes.size == sizes->size &&
            last->since == since && last->sizes.count <= UINT32_MAX - sizes->count)
            last->sizes.count += sizes->count;
        else
            *mark_at(queue, queue->mark_count++) = (struct ppi_mark){ parcel->tag, *sizes, since };
    }
    return PP_OK;
}

void ppi_outq_stamp(struct ppi_outq *queue, ppi_since since)
{
    for (size_t i = 0; i < queue->mark_count && mark_at(queue, i)->since == 0; i++)
        mark_at(queue, i)->since = since;
}

ppi_since ppi_outq_oldest(const struct ppi_outq *queue)
{
    return queue->mark_count > 0 ? mark_at(queue, 0)->since : 0;
}

void ppi_outq_taken(struct ppi_outq *queue, size_t size, bool from_queue, ppi_mark_sink sink,
                    void *context)
{
    if (from_queue)
        drop(queue, size);
    size += queue->front_taken;
    while (queue->mark_count > 0) {
        struct ppi_mark *mark = mark_at(queue, 0);
        size_t whole = size / mark->sizes.size;

        if (whole > mark->sizes.count)
            whole = mark->sizes.count;
        if (whole == 0)
            break;
        sink(context, mark->tag, (uint32_t)whole, false, mark->since);
        size -= whole * mark->sizes.size;
        mark->sizes.count -= (uint32_t)whole;
        if (mark->sizes.count > 0)
            break;
        queue->mark_first = (queue->mark_first + 1) & (queue->mark_capacity - 1);
        queue->mark_count--;
    }
    if (queue->mark_count == 0 && queue->mark_capacity > IDLE_MARKS_MAX) {
        free(queue->marks);
        queue->marks = NULL;
        queue->mark_first = queue->mark_capacity = 0;
    }
    queue->front_taken = size;
}

/* Where a reader of the queue is. */
struct cursor {
    const struct ppi_chunk *chunk;
    size_t at; /* bytes of it that are read */
};

/* Reads size bytes on, into data if that is not NULL. */
static void read_on(struct cursor *cursor, uint8_t *data, size_t size)
{
    while (size > 0) {
        const struct ppi_chunk *chunk = cursor->chunk;
        size_t part = chunk->end - chunk->start - cursor->at;

        part = part < size ? part : size;
        if (data != NULL) {
            memcpy(data, chunk->bytes + chunk->start + cursor->at, part);
            data += part;
        }
        cursor->at += part;
        size -= part;
        if (cursor->at == chunk->end - chunk->start)
            *cursor = (struct cursor){ chunk->next, 0 };
    }
}

/* The bytes that the marks still stand for; what is queued is the last of them. */
static uint64_t marked(const struct ppi_outq *queue)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < queue->mark_count; i++)
        bytes += (uint64_t)mark_at(queue, i)->sizes.size * mark_at(queue, i)->sizes.count;
    return bytes;
}

void ppi_outq_unsent(const struct ppi_outq *queue, size_t doubtful, ppi_frame_sink sink,
                     void *context)
{
    struct cursor cursor = { queue->head, 0 };
    uint64_t at = 0, total = marked(queue), queued = total - queue->bytes; /* from here on */
    struct ppi_buf frame = { 0 };
    bool memory = true;

    for (size_t i = 0; memory && i < queue->mark_count; i++) {
        const struct ppi_mark *mark = mark_at(queue, i);
        size_t size = mark->sizes.size;

        for (uint32_t k = 0; memory && k < mark->sizes.count; k++, at += size) {
            bool told = at >= queued + doubtful && mark->tag != NULL;
            uint64_t left = at + size > queued ? at + size - queued : 0;

            ppi_buf_clear(&frame);
            uint8_t *room = told ? ppi_buf_room(&frame, size) : NULL;
            read_on(&cursor, room, left < size ? (size_t)left : size);
            if (room != NULL)
                sink(context, mark->tag, room, size);
            memory = room != NULL || !told;
        }
    }
    ppi_buf_deinit(&frame);
}

void ppi_outq_deinit(struct ppi_outq *queue, ppi_mark_sink sink, void *context)
{
    for (size_t i = 0; i < queue->mark_count; i++)
        sink(context, mark_at(queue, i)->tag, mark_at(queue, i)->sizes.count, true, 0);
    chain_free(queue->head);
    free(queue->marks);
    *queue = (struct ppi_outq){ 0 };
}
