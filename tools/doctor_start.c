/* doctor_start.c: would a broker be started on demand, which one, and how did the last start go? */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <panpipe/sys.h>

#include "doctor.h"
#include "error.h"
#include "json.h"
#include "panpipe_version.h"

enum { RUN_MS = 5000, LOG_MAX = 8 * 1024 * 1024, LOG_LINES = 5, TEXT_MAX = 600 };

/* What is wrong with starting is the reason while nobody is there, and else of no use now. */
static void trouble(struct doctor *doctor, int code, const char *what)
{
    if (doctor->connected == PP_OK)
        doctor_warn(doctor, "%s", what);
    else
        doctor_fail(doctor, code, "%s", what);
}

static bool is_switched_off(const struct doctor *doctor)
{
    const char *never = getenv("PANPIPE_NO_START");

    return doctor->cli->no_start || (never != NULL && never[0] != '\0' && strcmp(never, "0") != 0);
}

/* --- the program ----------------------------------------------------------------------------- */

/* Without the line's end, and what stands behind. */
static void cut_line(char *text)
{
    text[strcspn(text, "\r\n")] = '\0';
}

/* Is it panpiped, and does it agree with its settings? It is asked, since it knows. */
static void examine_settings(struct doctor *doctor, const char *program)
{
    const char *arguments[] = { program, "--print-access", "-b", doctor->name, NULL };
    static const char prefix[] = "panpiped: ";
    const char *file = getenv("PANPIPED_CONFIG");
    char text[TEXT_MAX];
    int code = 0;

    int status = ppi_examine_run(arguments, true, RUN_MS, text, sizeof text, &code);
    cut_line(text);
    if (status == PP_OK && code == 0) {
        doctor_found(doctor, "settings", "%s",
                     file != NULL && file[0] != '\0' ? file : "no file, the defaults");
        return;
    }
    size_t begin = strncmp(text, prefix, sizeof prefix - 1) == 0 ? sizeof prefix - 1 : 0;
    doctor_found(doctor, "settings", "panpiped would not start: %s",
                 text[begin] != '\0' ? text + begin : "it does not say why");
    trouble(doctor, EXIT_WRONG_USE, "correct the file that PANPIPED_CONFIG names, or unset it");
}

static void examine_program(struct doctor *doctor)
{
    static const char prefix[] = "panpiped ";
    char program[PPI_EXAMINE_PROGRAM], text[TEXT_MAX];
    int code = 0;

    if (ppi_examine_program(program) != PP_OK) {
        doctor_found(doctor, "start", "no panpiped can be started: %s", pp_detail());
        trouble(doctor, EXIT_NO_BROKER, "install it, or let PANPIPED name it");
        return;
    }
    const char *arguments[] = { program, "--version", NULL };
    int status = ppi_examine_run(arguments, false, RUN_MS, text, sizeof text, &code);
    cut_line(text);
    if (status != PP_OK || code != 0 || strncmp(text, prefix, sizeof prefix - 1) != 0) {
        doctor_found(doctor, "start", "%s would be started, and is no panpiped that works%s%s",
                     program, text[0] != '\0' ? ": " : "", text);
        trouble(doctor, EXIT_NO_BROKER, "let PANPIPED name the right program, or unset it");
        return;
    }
    doctor_found(doctor, "start", "%s %s, %s", program, text + sizeof prefix - 1,
                 is_switched_off(doctor)
                     ? "but PANPIPE_NO_START or --no-start keeps panpipe from it"
                     : "is started by pub, sub, req ... when it is needed");
    if (strcmp(text + sizeof prefix - 1, PANPIPE_VERSION) != 0)
        doctor_warn(doctor, "panpipe is " PANPIPE_VERSION ": use those of one release");
    examine_settings(doctor, program);
}

/* --- the last start -------------------------------------------------------------------------- */

/* The last lines of a text, as an array. */
static json_t *last_lines(const char *text, size_t size)
{
    json_t *lines = json_must(json_array());

    while (size > 0 && json_array_size(lines) < LOG_LINES) {
        size_t end = size - (text[size - 1] == '\n'), begin = end;
        char line[DOCTOR_WORDS_MAX];

        while (begin > 0 && text[begin - 1] != '\n')
            begin--;
        snprintf(line, sizeof line, "%.*s", (int)(end - begin), text + begin);
        error_clean(line);
        json_array_insert_new(lines, 0, json_must(json_string(line)));
        size = begin;
    }
    return lines;
}

static void show_log(struct doctor *doctor, const char *path)
{
    void *text;
    size_t size;

    if (pp_file_read(path, LOG_MAX, &text, &size) != PP_OK)
        return;
    doctor_found(doctor, "log", "%s ends with", path);
    json_t *line = json_array_get(doctor->checks, json_array_size(doctor->checks) - 1);
    json_object_set_new(line, "lines", last_lines(text, size));
    pp_free(text);
}

static void examine_last_start(struct doctor *doctor)
{
    struct ppi_start_report start;

    if (ppi_examine_start(doctor->name, &start) != PP_OK)
        return; /* it is the folder, of which was told already */
    if (start.starting) {
        doctor_found(doctor, "starting", "somebody is starting it, or it is leaving, just now");
        doctor_warn(doctor, "ask again; if it stays so, see %s", start.log);
    } else if (start.failed) {
        uint64_t now_ms = (uint64_t)time(NULL) * 1000;

        doctor_found(doctor, "starting", "the last start, %" PRIu64 " s ago, failed: %s",
                     now_ms > start.when_ms ? (now_ms - start.when_ms) / 1000 : 0, start.words);
        trouble(doctor, EXIT_NO_BROKER, "correct that, then start it again");
    }
    if (doctor->connected != PP_OK)
        show_log(doctor, start.log);
}

void doctor_start(struct doctor *doctor)
{
    if (doctor->scope != PP_SCOPE_USER || !doctor->logical) {
        doctor_found(doctor, "start", "%s is not started on demand",
                     doctor->logical ? "a broker for all users" : "a broker with a path");
        return;
    }
    examine_program(doctor);
    examine_last_start(doctor);
}
