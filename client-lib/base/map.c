#include "base/map.h"

#include <stdlib.h>

#include <panpipe/port.h>

#include "base/check.h"

enum { MAP_CAPACITY_MIN = 16 };

/* Spreads neighbouring keys over the table (Fibonacci hashing). */
static size_t home_of(const struct ppi_map *map, uint64_t key)
{
    return (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & (map->capacity - 1);
}

/* The slot that holds key, or the free one where it would go. */
static size_t find(const struct ppi_map *map, uint64_t key)
{
    size_t i = home_of(map, key);

    while (map->slots[i].value != NULL && map->slots[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return i;
}

void *ppi_map_get(const struct ppi_map *map, uint64_t key)
{
    return map->capacity == 0 ? NULL : map->slots[find(map, key)].value;
}

static int grow(struct ppi_map *map)
{
    struct ppi_map larger = { NULL, map->count,
                              map->capacity == 0 ? MAP_CAPACITY_MIN : map->capacity * 2 };

    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL)
        return PP_ENOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].value != NULL)
            larger.slots[find(&larger, map->slots[i].key)] = map->slots[i];
    free(map->slots);
    *map = larger;
    return PP_OK;
}

int ppi_map_add(struct ppi_map *map, uint64_t key, void *value)
{
    ppi_check(value != NULL);
    if ((map->count + 1) * 2 > map->capacity && grow(map) != PP_OK)
        return PP_ENOMEM;

    size_t i = find(map, key);
    ppi_check(map->slots[i].value == NULL);
    map->slots[i] = (struct ppi_map_slot){ key, value };
    map->count++;
    return PP_OK;
}

/* Closes the gap at i: whoever follows and would not be found any more moves up. */
static void close_gap(struct ppi_map *map, size_t gap)
{
    size_t mask = map->capacity - 1;

    for (size_t i = (gap + 1) & mask; map->slots[i].value != NULL; i = (i + 1) & mask) {
        size_t home = home_of(map, map->slots[i].key);

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            map->slots[gap] = map->slots[i];
            map->slots[i].value = NULL;
            gap = i;
        }
    }
}

void *ppi_map_remove(struct ppi_map *map, uint64_t key)
{
    if (map->capacity == 0)
        return NULL;

    size_t i = find(map, key);
    void *value = map->slots[i].value;
    if (value == NULL)
        return NULL;
    map->slots[i].value = NULL;
    map->count--;
    close_gap(map, i);
    return value;
}

void *ppi_map_next(const struct ppi_map *map, size_t *position)
{
    while (*position < map->capacity) {
        void *value = map->slots[(*position)++].value;

        if (value != NULL)
            return value;
    }
    return NULL;
}

void ppi_map_deinit(struct ppi_map *map)
{
    free(map->slots);
    *map = (struct ppi_map){ 0 };
}
