/* standalone.c: panpipe-rows.exe, all rows of the port in one file that a person copies to a
 * Windows machine. Each test runs in a process of its own, so that one that crashes or hangs ends
 * alone; what became of each, and why, is in panpipe-rows.log beside the program. */
#include "io/rows.h"
#include "support/support.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "panpipe_version.h"

static const char help[] =
    "panpipe-rows: does Windows do what Panpipe's port and pipes are made for?\n"
    "\n"
    "  panpipe-rows          runs all tests: some minutes\n"
    "  panpipe-rows TEXT     those with TEXT in their name: row_20\n"
    "  panpipe-rows --help   this\n"
    "\n"
    "Needs nothing but itself: no installation, no administrator. It makes named pipes that only\n"
    "you can open, talks to nobody outside this machine, and leaves one file, panpipe-rows.log,\n"
    "beside itself. Please send that file back to who gave you the program, above all if "
    "something\n"
    "failed; it is text, and has the version of Windows, the names of the tests and what they "
    "found,\n"
    "the folder of the program included.\n"
    "Ends with 0 if nothing failed, 1 if something did, 2 if it could not run.\n";

enum { NAMES_MAX = 512, TEST_MS = 300 * 1000, PATH_BYTES = 1024, WORDS_BYTES = 64 * 1024 };
enum { HUNG = -1, NOT_STARTED = -2 }; /* beside exit codes */

/* --- which tests there are, and one of them ----------------------------------------------------
 */

static const char *names[NAMES_MAX];
static size_t name_count;
static const char *only; /* the test that a child runs */

static int collect(const char *group, const struct CMUnitTest *tests, size_t count)
{
    (void)group;
    for (size_t i = 0; i < count && name_count < NAMES_MAX; i++)
        names[name_count++] = tests[i].name;
    return 0;
}

static int run_only(const char *group, const struct CMUnitTest *tests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(tests[i].name, only) == 0)
            return _cmocka_run_group_tests(group, &tests[i], 1, NULL, NULL);
    return 0;
}

static int all_rows(test_visitor visit)
{
    char program[] = "panpipe-rows", *arguments[] = { program, NULL };

    test_groups_visit(visit);
    return rows_main(1, arguments);
}

/* --- running one in a process of its own -------------------------------------------------------
 */

struct run {
    char folder[PATH_BYTES]; /* where the program lies */
    FILE *log;
    unsigned passed, failed, skipped;
};

/* What a child prints goes to these; they are gone at the end. */
static const char *const kept[] = { "panpipe-rows.out", "panpipe-rows.err" };

static void path_beside(const struct run *run, const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s\\%s", run->folder, name);
}

/* The child's exit code, HUNG or NOT_STARTED. */
static int run_child(const struct run *run, const char *name)
{
    char output[PATH_BYTES], errors[PATH_BYTES];
    const char *arguments[] = { ppi_program_path(), "--one", name, NULL };
    const struct ppi_stdio stdio = { NULL, output, errors };
    struct ppi_process child;
    int code = NOT_STARTED;

    path_beside(run, kept[0], output);
    path_beside(run, kept[1], errors);
    if (ppi_process_start(&child, arguments, &stdio) != PP_OK)
        return code;
    if (ppi_process_wait(&child, TEST_MS, &code) == 1)
        return code;
    ppi_process_signal(&child, PPI_KILL);
    ppi_process_wait(&child, TEST_PATIENCE_MS, &code);
    return HUNG;
}

/* What the child printed, and what it wrote as errors; the caller frees it. */
static char *words_of(const struct run *run)
{
    char path[PATH_BYTES], *words = calloc(1, PPI_COUNT(kept) * WORDS_BYTES + 1);
    size_t size = 0;

    for (size_t i = 0; words != NULL && i < PPI_COUNT(kept); i++) {
        path_beside(run, kept[i], path);
        FILE *file = ppi_file_open(path, "r");
        if (file == NULL)
            continue;
        size += fread(words + size, 1, WORDS_BYTES, file);
        fclose(file);
    }
    return words;
}

/* Of a test that failed all words; of one that was skipped why. The words are cut into lines. */
static void log_words(FILE *log, char *words, bool failed)
{
    for (char *line = strtok(words, "\n"); line != NULL; line = strtok(NULL, "\n"))
        if (failed || strncmp(line, "# exempt", 8) == 0 || strncmp(line, "# Linux", 7) == 0)
            fprintf(log, "        %s\n", line);
}

/* The result of a test in a word. */
static const char *result_of(int code, const char *words)
{
    switch (code) {
    case 0: return words != NULL && strstr(words, "# SKIP") != NULL ? "skipped" : "passed";
    case 1: return "FAILED";
    case HUNG: return "HUNG";
    case NOT_STARTED: return "NOT STARTED";
    default: return "CRASHED";
    }
}

static void show_row(struct run *run, size_t number, size_t count, const char *name)
{
    printf("%3u of %u  %s ... ", (unsigned)number, (unsigned)count, name);
    fflush(stdout);
    uint64_t begin_ns = ppi_now_ns();
    int code = run_child(run, name);
    char *words = words_of(run);
    if (was_not_begun(code, words == NULL || words[0] != '\0')) {
        free(words);
        code = run_child(run, name);
        words = words_of(run);
    }
    unsigned took_ms = (unsigned)((ppi_now_ns() - begin_ns) / PPI_NS_PER_MS);
    const char *result = result_of(code, words);
    *(code != 0 ? &run->failed : *result == 's' ? &run->skipped : &run->passed) += 1;
    printf("%s\n", result);
    fprintf(run->log, "%-12s%s (%u ms, exit code %d)\n", result, name, took_ms, code);
    if (words != NULL)
        log_words(run->log, words, code != 0);
    free(words);
    fflush(run->log);
}

/* --- the log, and all of it --------------------------------------------------------------------
 */

/* Wine's version, or NULL. */
static const char *wine_version(void)
{
    FARPROC found = GetProcAddress(GetModuleHandleA("ntdll"), "wine_get_version");
    const char *(*version)(void);

    if (found == NULL)
        return NULL;
    memcpy(&version, &found, sizeof version);
    return version();
}

/* GetVersionEx says what the program is made for; this asks the kernel. */
static void log_system(FILE *log)
{
    LONG(WINAPI * version)(OSVERSIONINFOW *);
    FARPROC found = GetProcAddress(GetModuleHandleA("ntdll"), "RtlGetVersion");
    OSVERSIONINFOW system = { .dwOSVersionInfoSize = sizeof system };
    char now[PPI_TIME_TEXT];

    memcpy(&version, &found, sizeof version);
    if (found != NULL)
        version(&system);
    ppi_time_text(now, ppi_wall_ms());
    fprintf(log, "panpipe-rows %s, %s\n", PANPIPE_VERSION, now);
    fprintf(log, "Windows %lu.%lu, build %lu, %u processors\n", system.dwMajorVersion,
            system.dwMinorVersion, system.dwBuildNumber, (unsigned)ppi_processors());
    if (wine_version() != NULL)
        fprintf(log, "Wine %s: this is no Windows\n", wine_version());
    fprintf(log, "\n");
}

static bool run_open(struct run *run)
{
    char path[PATH_BYTES], *end;

    *run = (struct run){ .log = NULL };
    snprintf(run->folder, sizeof run->folder, "%s", ppi_program_path());
    end = strrchr(run->folder, '\\');
    if (end != NULL)
        *end = '\0';
    path_beside(run, "panpipe-rows.log", path);
    run->log = end != NULL ? ppi_file_open(path, "w") : NULL;
    if (run->log == NULL)
        printf("cannot write %s: copy the program to a folder of yours\n", path);
    return run->log != NULL;
}

static void run_close(struct run *run)
{
    char path[PATH_BYTES];

    fprintf(run->log, "\n%u passed, %u failed, %u skipped\n\n", run->passed, run->failed,
            run->skipped);
    fprintf(run->log, "Please send this file back to who gave you the program.\n");
    fclose(run->log);
    for (size_t i = 0; i < PPI_COUNT(kept); i++) {
        path_beside(run, kept[i], path);
        remove(path);
    }
    path_beside(run, "panpipe-rows.log", path);
    printf("\n%u passed, %u failed, %u skipped\n", run->passed, run->failed, run->skipped);
    printf("Please send back %s\n", path);
}

static int run_all(const char *text)
{
    const char *chosen[NAMES_MAX];
    size_t count = 0;
    struct run run;

    all_rows(collect);
    for (size_t i = 0; i < name_count; i++)
        if (strstr(names[i], text) != NULL)
            chosen[count++] = names[i];
    if (count == 0)
        printf("no test has \"%s\" in its name\n", text);
    if (count == 0 || !run_open(&run))
        return 2;
    log_system(run.log);
    for (size_t i = 0; i < count; i++)
        show_row(&run, i + 1, count, chosen[i]);
    run_close(&run);
    return run.failed == 0 ? 0 : 1;
}

/* A console that was made for this program closes with it: let it be read. */
static void wait_for_reader(void)
{
    DWORD processes[2];

    if (GetConsoleProcessList(processes, 2) == 1) {
        printf("Press Enter to end.\n");
        getchar();
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--one") == 0) {
        only = argv[2];
        return all_rows(run_only);
    }
    if (argc == 3) /* a test has started us again, to be another process */
        return rows_main(argc, argv);
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        bool asked = argc == 2 && strcmp(argv[1], "--help") == 0;

        fputs(help, asked ? stdout : stderr);
        return asked ? 0 : 2;
    }
    int result = run_all(argc == 2 ? argv[1] : "");
    wait_for_reader();
    return result;
}
