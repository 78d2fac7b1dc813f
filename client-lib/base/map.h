/* map.h: from a 64-bit number to a pointer; open addressing, linear probing, no tombstones.
 * Used for what is looked up by an identifier: open calls, subscriptions, connections. */
#ifndef PPI_MAP_H
#define PPI_MAP_H

#include <stddef.h>
#include <stdint.h>

struct ppi_map_slot {
    uint64_t key;
    void *value; /* NULL: the slot is free */
};

/* Zero is an empty map. It allocates when it grows only; it shrinks never. */
struct ppi_map {
    struct ppi_map_slot *slots;
    size_t count;
    size_t capacity; /* 0 or a power of two; at most half of it is in use */
};

/* The value of key, or NULL. */
void *ppi_map_get(const struct ppi_map *map, uint64_t key);

/* Adds key, which must not be there, with a value that is not NULL. PP_OK or PP_ENOMEM. */
int ppi_map_add(struct ppi_map *map, uint64_t key, void *value);

/* Removes key and returns its value; NULL if it was not there. */
void *ppi_map_remove(struct ppi_map *map, uint64_t key);

/* Walks all values: start with *position = 0; NULL at the end. The map must not change. */
void *ppi_map_next(const struct ppi_map *map, size_t *position);

/* Frees the map, not the values. */
void ppi_map_deinit(struct ppi_map *map);

#endif
