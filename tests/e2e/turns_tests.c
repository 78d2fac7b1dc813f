/* turns_tests.c: what the seed of workers that take turns decides, and that it decides all of it.
 */
#include "e2e/bus.h"
#include "e2e/wire.h"
#include "sim/turns.h"
#include "support/support.h"

enum { CLIENTS = 3, MESSAGES = 20 };

static struct bus bus;

/* Everybody publishes to all others, and nobody waits for them. */
static void talk(void)
{
    struct raw clients[CLIENTS];

    bus_open(&bus, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        raw_open(&clients[i], &bus);
        say(&clients[i], "[0, 1, '$sub', ['a']]");
        hear(&clients[i], "[1, 1, null, 1]");
    }
    for (int i = 0; i < CLIENTS * MESSAGES; i++)
        say(&clients[i % CLIENTS], "[2, 'a', [%d]]", i);
    for (int i = 0; i < CLIENTS; i++) {
        for (int heard = 0; heard < (CLIENTS - 1) * MESSAGES; heard++)
            hear(&clients[i], "[2, 'a', ['?']]");
        raw_close(&clients[i]);
    }
    bus_close(&bus);
}

static char *talk_with(uint64_t seed)
{
    bus_use_seed(seed);
    talk();
    size_t size = strlen(sim_told()) + 1;
    char *log = malloc(size);
    assert_true(size > 1000);
    return memcpy(log, sim_told(), size);
}

static void the_same_seed_is_the_same_run_of_the_broker_again(void **state)
{
    uint64_t given = bus_seed();

    (void)state;
    free(talk_with(given)); /* the process's first broker is more work than the next */
    for (uint64_t seed = given; seed < given + 5; seed++) {
        char *first = talk_with(seed), *again = talk_with(seed), *other = talk_with(seed + 1);

        assert_true(strcmp(again, first) == 0);
        assert_true(strcmp(other, first) != 0);
        free(first);
        free(again);
        free(other);
    }
    bus_use_seed(given);
}

int turns_tests(void)
{
    const struct CMUnitTest tests[] = {
        BUS_TEST(the_same_seed_is_the_same_run_of_the_broker_again),
    };
    int failures = 0;

    RUN_GROUP(&failures, "turns", tests);
    return failures;
}
