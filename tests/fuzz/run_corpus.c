/* run_corpus.c: a fuzz target as a test, with any compiler.
 *
 *     test_fuzz_TARGET ROUNDS FILE...
 *
 * Gives each file to the target, then ROUNDS mutations of them: bits and bytes changed, pieces
 * taken out, doubled, put in from another file. The mutations are the same in every run. Prints
 * TAP. If the target aborts, the input is printed in hexadecimal. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "support/random.h"

enum { FILES_MAX = 512, GROWTH_MAX = 256, CHANGES_MAX = 8, SHOWN_MAX = 4096 };

struct input {
    const char *name;
    uint8_t *data;
    size_t size, capacity;
};

static struct input files[FILES_MAX];
static int file_count;
static const struct input *current; /* for whoever reads of an abort */

/* SIGABRT: the target has found something. The program ends anyway. */
static void show_input(int number)
{
    (void)number;
    fprintf(stderr, "the input, from %s, %zu bytes: ", current->name, current->size);
    for (size_t i = 0; i < current->size && i < SHOWN_MAX; i++)
        fprintf(stderr, "%02x", current->data[i]);
    fputc('\n', stderr);
    fflush(stderr);
}

static void give(const struct input *input)
{
    uint8_t *copy = fuzz_copy(input->data, input->size);

    current = input;
    LLVMFuzzerTestOneInput(copy, input->size);
    free(copy);
}

static void load(struct input *input, const char *name)
{
    FILE *file = fopen(name, "rb");

    FUZZ_CHECK(file != NULL);
    input->name = name;
    for (size_t got = 1; got > 0; input->size += got) {
        if (input->size == input->capacity) {
            input->capacity = input->capacity * 2 + 1024;
            input->data = realloc(input->data, input->capacity);
            FUZZ_CHECK(input->data != NULL);
        }
        got = fread(input->data + input->size, 1, input->capacity - input->size, file);
    }
    fclose(file);
}

/* Makes room for count bytes at a place. */
static void open_gap(struct input *input, size_t at, size_t count)
{
    memmove(input->data + at + count, input->data + at, input->size - at);
    input->size += count;
}

static size_t at_most(size_t value, size_t limit)
{
    return value < limit ? value : limit;
}

/* Puts a piece of another file in. */
static void splice(struct input *input, uint64_t *seed, size_t room)
{
    const struct input *other = &files[random_below(seed, (uint32_t)file_count)];
    size_t from = random_below(seed, (uint32_t)other->size + 1);
    size_t count = at_most(at_most(other->size - from, room), 1 + random_below(seed, 64));
    size_t at = random_below(seed, (uint32_t)input->size + 1);

    open_gap(input, at, count);
    memcpy(input->data + at, other->data + from, count);
}

/* Doubles a piece. */
static void repeat(struct input *input, uint64_t *seed, size_t room)
{
    size_t at = random_below(seed, (uint32_t)input->size + 1);
    size_t count = at_most(at_most(input->size - at, room), 1 + random_below(seed, 32));

    open_gap(input, at, count);
    memcpy(input->data + at, input->data + at + count, count);
}

static void change(struct input *input, uint64_t *seed)
{
    static const uint8_t telling[] = { 0x00, 0x01, 0x7F, 0x80, 0x90, 0x91, 0x93, 0x94,
                                       0xC0, 0xC1, 0xC9, 0xD9, 0xDB, 0xDD, 0xDF, 0xFF };
    size_t room = input->capacity - input->size;
    size_t at = input->size > 0 ? random_below(seed, (uint32_t)input->size) : 0;

    switch (random_below(seed, 7)) {
    case 0: splice(input, seed, room); return;
    case 1: repeat(input, seed, room); return;
    default: break;
    }
    if (input->size == 0)
        return;
    size_t count = at_most(input->size - at, 1 + random_below(seed, 16));
    switch (random_below(seed, 4)) {
    case 0: input->data[at] ^= (uint8_t)(1u << random_below(seed, 8)); break;
    case 1: input->data[at] = telling[random_below(seed, sizeof telling)]; break;
    case 2: memset(input->data + at, 0xFF, at_most(count, 4)); break;
    default:
        memmove(input->data + at, input->data + at + count, input->size - at - count);
        input->size -= count;
    }
}

static void mutate(uint64_t round)
{
    uint64_t seed = round * 0x9E3779B97F4A7C15u + 1;
    const struct input *model = &files[round % (uint64_t)file_count];
    struct input input = { model->name, NULL, model->size, model->size + GROWTH_MAX };

    input.data = malloc(input.capacity);
    FUZZ_CHECK(input.data != NULL);
    memcpy(input.data, model->data, model->size);
    for (uint32_t i = random_below(&seed, CHANGES_MAX) + 1; i > 0; i--)
        change(&input, &seed);
    give(&input);
    free(input.data);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

int main(int argc, char **argv)
{
    uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;

    if (argc < 3 || argc - 2 > FILES_MAX) {
        fprintf(stderr, "usage: %s ROUNDS FILE...\n", argv[0]);
        return 2;
    }
    LLVMFuzzerInitialize(&argc, &argv);
    signal(SIGABRT, show_input);
    for (int i = 2; i < argc; i++)
        load(&files[file_count++], argv[i]);
    for (int i = 0; i < file_count; i++) {
        give(&files[i]);
        printf("ok %d - %s\n", i + 1, base_name(files[i].name));
        fflush(stdout);
    }
    for (uint64_t round = 0; round < rounds; round++)
        mutate(round);
    printf("ok %d - %llu mutations of them\n", file_count + 1, (unsigned long long)rounds);
    printf("1..%d\n", file_count + 1);
    for (int i = 0; i < file_count; i++)
        free(files[i].data);
    return 0;
}
