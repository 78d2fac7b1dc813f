#include "subjects.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/port.h>

#include "base/check.h"
#include "wire/subject.h"

enum { BUCKETS_MIN = 64 };

struct node {
    struct node *parent;
    struct node *next;        /* in its bucket */
    struct node *star, *rest; /* the children "*" and ">" */
    void **items;
    size_t item_count, item_capacity;
    size_t child_count;
    uint64_t hash;
    uint8_t token_length;
    char token[];
};

struct subjects {
    struct node **buckets;
    size_t bucket_count; /* a power of two */
    size_t node_count;
    struct node *root;
};

static uint64_t hash_of(const struct node *parent, const char *token, size_t length)
{
    uint64_t hash = 0xCBF29CE484222325u ^ (uint64_t)(uintptr_t)parent;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)token[i]) * 0x100000001B3u;
    return hash ^ hash >> 29;
}

static struct node *child(const struct subjects *subjects, const struct node *parent,
                          const char *token, size_t length)
{
    uint64_t hash = hash_of(parent, token, length);
    struct node *node = subjects->buckets[hash & (subjects->bucket_count - 1)];

    while (node != NULL &&
           (node->hash != hash || node->parent != parent || node->token_length != length ||
            memcmp(node->token, token, length) != 0))
        node = node->next;
    return node;
}

static void grow(struct subjects *subjects)
{
    size_t count = subjects->bucket_count * 2;
    struct node **buckets = calloc(count, sizeof *buckets);

    if (buckets == NULL)
        return; /* longer chains, nothing worse */
    for (size_t i = 0; i < subjects->bucket_count; i++)
        for (struct node *node = subjects->buckets[i], *next; node != NULL; node = next) {
            struct node **bucket = &buckets[node->hash & (count - 1)];

            next = node->next;
            node->next = *bucket;
            *bucket = node;
        }
    free(subjects->buckets);
    subjects->buckets = buckets;
    subjects->bucket_count = count;
}

static struct node *node_new(struct node *parent, const char *token, size_t length)
{
    struct node *node = calloc(1, sizeof *node + length);

    if (node == NULL)
        return NULL;
    node->parent = parent;
    node->token_length = (uint8_t)length;
    memcpy(node->token, token, length);
    node->hash = hash_of(parent, token, length);
    return node;
}

static struct node **special_child(struct node *parent, const char *token, size_t length)
{
    return length != 1       ? NULL
           : token[0] == '*' ? &parent->star
           : token[0] == '>' ? &parent->rest
                             : NULL;
}

static struct node *add_child(struct subjects *subjects, struct node *parent, const char *token,
                              size_t length)
{
    struct node *node = node_new(parent, token, length);

    if (node == NULL)
        return NULL;
    if (subjects->node_count >= subjects->bucket_count)
        grow(subjects);
    struct node **bucket = &subjects->buckets[node->hash & (subjects->bucket_count - 1)];
    struct node **special = special_child(parent, token, length);
    node->next = *bucket;
    *bucket = node;
    if (special != NULL)
        *special = node;
    parent->child_count++;
    subjects->node_count++;
    return node;
}

/* Frees node and its ancestors as long as they are good for nothing. */
static void prune(struct subjects *subjects, struct node *node)
{
    while (node != subjects->root && node->item_count == 0 && node->child_count == 0) {
        struct node *parent = node->parent;
        struct node **at = &subjects->buckets[node->hash & (subjects->bucket_count - 1)];
        struct node **special = special_child(parent, node->token, node->token_length);

        while (*at != node)
            at = &(*at)->next;
        *at = node->next;
        if (special != NULL)
            *special = NULL;
        parent->child_count--;
        subjects->node_count--;
        free(node->items);
        free(node);
        node = parent;
    }
}

struct subjects *subjects_new(void)
{
    struct subjects *subjects = calloc(1, sizeof *subjects);

    if (subjects == NULL)
        return NULL;
    subjects->bucket_count = BUCKETS_MIN;
    subjects->buckets = calloc(BUCKETS_MIN, sizeof *subjects->buckets);
    subjects->root = node_new(NULL, "", 0);
    if (subjects->buckets == NULL || subjects->root == NULL) {
        subjects_free(subjects);
        return NULL;
    }
    return subjects;
}

void subjects_free(struct subjects *subjects)
{
    if (subjects == NULL)
        return;
    for (size_t i = 0; subjects->buckets != NULL && i < subjects->bucket_count; i++)
        for (struct node *node = subjects->buckets[i], *next; node != NULL; node = next) {
            next = node->next;
            free(node->items);
            free(node);
        }
    free(subjects->buckets);
    free(subjects->root);
    free(subjects);
}

static struct node *find(const struct subjects *subjects, const char *pattern, size_t length)
{
    struct node *node = subjects->root;
    const char *token;
    size_t at = 0, token_length;

    while (node != NULL && ppi_subject_token(pattern, length, &at, &token, &token_length))
        node = child(subjects, node, token, token_length);
    return node;
}

static int add_item(struct node *node, void *item)
{
    if (node->item_count == node->item_capacity) {
        size_t capacity = node->item_capacity == 0 ? 1 : node->item_capacity * 2;
        void **items = realloc(node->items, capacity * sizeof *items);

        if (items == NULL)
            return PP_ENOMEM;
        node->items = items;
        node->item_capacity = capacity;
    }
    node->items[node->item_count++] = item;
    return PP_OK;
}

int subjects_add(struct subjects *subjects, const char *pattern, size_t length, void *item)
{
    struct node *node = subjects->root, *next;
    const char *token;
    size_t at = 0, token_length;

    while (ppi_subject_token(pattern, length, &at, &token, &token_length)) {
        next = child(subjects, node, token, token_length);
        if (next == NULL && (next = add_child(subjects, node, token, token_length)) == NULL) {
            prune(subjects, node);
            return PP_ENOMEM;
        }
        node = next;
    }
    int error = add_item(node, item);
    if (error != PP_OK)
        prune(subjects, node);
    return error;
}

void subjects_remove(struct subjects *subjects, const char *pattern, size_t length, void *item)
{
    struct node *node = find(subjects, pattern, length);
    size_t i = 0;

    ppi_check(node != NULL);
    while (i < node->item_count && node->items[i] != item)
        i++;
    ppi_check(i < node->item_count);
    memmove(&node->items[i], &node->items[i + 1], (node->item_count - i - 1) * sizeof *node->items);
    node->item_count--;
    prune(subjects, node);
}

struct match {
    const struct subjects *subjects;
    const char *subject;
    size_t length;
    void (*visit)(void *context, void *item);
    void *context;
};

static void visit_items(const struct match *match, const struct node *node)
{
    for (size_t i = 0; node != NULL && i < node->item_count; i++)
        match->visit(match->context, node->items[i]);
}

/* Goes on below node with the token at `at`. The depth is bounded by the tokens of a subject. */
static void match_from(const struct match *match, const struct node *node, size_t at)
{
    const char *token;
    size_t length;
    bool first = at == 0;

    if (!ppi_subject_token(match->subject, match->length, &at, &token, &length)) {
        visit_items(match, node);
        return;
    }
    const struct node *next = child(match->subjects, node, token, length);
    if (next != NULL)
        match_from(match, next, at);
    if (first && (token[0] == '$' || token[0] == '@'))
        return; /* the wildcards do not match these */
    visit_items(match, node->rest);
    if (node->star != NULL)
        match_from(match, node->star, at);
}

void subjects_match(const struct subjects *subjects, const char *subject, size_t length,
                    void (*visit)(void *context, void *item), void *context)
{
    const struct match match = { subjects, subject, length, visit, context };

    match_from(&match, subjects->root, 0);
}

void subjects_each(const struct subjects *subjects, const char *pattern, size_t length,
                   void (*visit)(void *context, void *item), void *context)
{
    const struct match match = { subjects, pattern, length, visit, context };

    visit_items(&match, find(subjects, pattern, length));
}

size_t subjects_size(const struct subjects *subjects)
{
    return subjects->node_count;
}
