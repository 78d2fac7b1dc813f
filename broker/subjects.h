/* subjects.h: the index from patterns to whoever subscribed or serves.
 *
 * A tree by tokens. All its edges are in one hash table, keyed by the parent and the token, so a
 * node with a hundred thousand children costs no more than one with two. Matching looks at three
 * edges a level: the token, "*" and ">". Not thread-safe: changed in the write section, read in
 * views (worker.h). */
#ifndef SUBJECTS_H
#define SUBJECTS_H

#include <stddef.h>
#include <stdint.h>

struct subjects;

struct subjects *subjects_new(void); /* NULL: no memory */
void subjects_free(struct subjects *subjects);

/* Adds item under a valid pattern; the same item may be there under several. PP_OK, PP_ENOMEM. */
int subjects_add(struct subjects *subjects, const char *pattern, size_t length, void *item);

/* Takes it out again; it must be there. */
void subjects_remove(struct subjects *subjects, const char *pattern, size_t length, void *item);

/* Calls visit for each item whose pattern matches a valid subject without wildcards. */
void subjects_match(const struct subjects *subjects, const char *subject, size_t length,
                    void (*visit)(void *context, void *item), void *context);

/* Calls visit for each item under exactly this pattern. */
void subjects_each(const struct subjects *subjects, const char *pattern, size_t length,
                   void (*visit)(void *context, void *item), void *context);

/* Nodes in the tree, for tests: what was removed leaves nothing. */
size_t subjects_size(const struct subjects *subjects);

#endif
