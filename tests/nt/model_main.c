/* model_main.c: test_nt_model [SEED]: is the model as Windows? */
#include <stdio.h>
#include <stdlib.h>

#include "nt/model.h"
#include "nt/model_support.h"
#include "nt/model_tests.h"

int waiters_of(HANDLE port)
{
    return nt_port_waiters(port);
}

int main(int argc, char **argv)
{
    unsigned long long seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;

    nt_begin(seed, false);
    printf("# seed %llu\n", seed);
    fflush(stdout);
    return model_tests(0) == 0 ? 0 : 1;
}
