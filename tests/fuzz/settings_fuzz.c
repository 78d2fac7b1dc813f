/* settings_fuzz.c: any bytes as panpiped's configuration file. Either it is taken, and every
 * number is within its bounds, or the file, and the reason, are named. */
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "io/sys.h"
#include "settings.h"

enum { PROBLEM_BYTES = 200 };

/* For the leak sanitizer: libconfig itself loses the text that a broken file ends in. panpiped ends
 * then anyway. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:libconfig";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[PP_PATH_MAX], folder[PP_PATH_MAX], problem[PROBLEM_BYTES];
    struct settings settings;

    if (size > 0 && memchr(data, '@', size) != NULL)
        return 0; /* @include reads other files: what they are is not the input's business */
    ppi_temporary_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%.200s/fuzz-%llu", folder, (unsigned long long)ppi_process_id());
    FILE *file = fopen(path, "wb");
    FUZZ_CHECK(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);

    settings_defaults(&settings);
    memset(problem, '?', sizeof problem);
    int status = settings_load(&settings, path, problem, sizeof problem);
    remove(path);
    if (status == PP_OK)
        status = settings_check(&settings, problem, sizeof problem);
    else
        FUZZ_CHECK(strncmp(problem, path, strlen(path)) == 0);
    if (status != PP_OK) {
        FUZZ_CHECK(status == PP_EINVAL && memchr(problem, '\0', sizeof problem) != NULL);
        FUZZ_CHECK(problem[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(memchr(settings.name, '\0', sizeof settings.name) != NULL);
    FUZZ_CHECK(settings.log_level <= LOG_DEBUG && settings.workers <= 64);
    FUZZ_CHECK(settings.frame_max >= 8192 && settings.frame_max <= 16 * 1024 * 1024);
    FUZZ_CHECK(settings.queue_low < settings.queue_high);
    FUZZ_CHECK(settings.queue_high < settings.queue_hard && settings.subs >= 1);
    FUZZ_CHECK(settings.connections >= 1 && settings.connections_user >= 1);
    return 0;
}
