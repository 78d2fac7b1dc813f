/* doctor.c: why can I not talk to it? Looks at everything that a connection to a broker needs, in
 * the order in which it is needed, and says what to do about what is wrong. Starts nothing, changes
 * nothing, works with and without a broker. */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "commands.h"
#include "error.h"
#include "json.h"
#include "out.h"
#include "panpipe_version.h"
#include "print.h"
#include "session.h"

enum { PATIENCE_MS = 2000 };

static void set_words(json_t *check, const char *field, const char *format, va_list arguments)
    PRINTF_LIKE(3, 0);

static void set_words(json_t *check, const char *field, const char *format, va_list arguments)
{
    char words[DOCTOR_WORDS_MAX];

    vsnprintf(words, sizeof words, format, arguments);
    error_clean(words);
    json_object_set_new(check, field, json_must(json_string(words)));
}

void doctor_found(struct doctor *doctor, const char *check, const char *format, ...)
{
    json_t *line = json_must(
        json_pack("{s:s,s:s,s:s,s:s}", "check", check, "state", "ok", "found", "", "do", ""));
    va_list arguments;

    va_start(arguments, format);
    set_words(line, "found", format, arguments);
    va_end(arguments);
    json_array_append_new(doctor->checks, line);
}

static json_t *turn(struct doctor *doctor, const char *state)
{
    json_t *line = json_array_get(doctor->checks, json_array_size(doctor->checks) - 1);

    json_object_set_new(line, "state", json_must(json_string(state)));
    return line;
}

void doctor_warn(struct doctor *doctor, const char *format, ...)
{
    json_t *line = turn(doctor, "warn");
    va_list arguments;

    va_start(arguments, format);
    set_words(line, "do", format, arguments);
    va_end(arguments);
    if (doctor->worst == NULL)
        doctor->worst = line;
}

void doctor_fail(struct doctor *doctor, int code, const char *format, ...)
{
    json_t *line = turn(doctor, "FAIL");
    va_list arguments;

    va_start(arguments, format);
    set_words(line, "do", format, arguments);
    va_end(arguments);
    if (doctor->code == EXIT_DONE)
        doctor->code = code;
    else if (!doctor->symptom)
        return;
    doctor->symptom = false;
    doctor->worst = line;
}

uint64_t doctor_number(const json_t *object, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(object, name));

    return value > 0 ? (uint64_t)value : 0;
}

/* Nothing that needs doing, but what one asks next. */
static void examine_environment(struct doctor *doctor)
{
    static const char *const names[] = { "PANPIPE", "PANPIPED", "PANPIPED_CONFIG",
                                         "PANPIPE_NO_START", "XDG_RUNTIME_DIR" };
    char words[DOCTOR_WORDS_MAX] = "";
    size_t length = 0;

    for (size_t i = 0; i < COUNT_OF(names) && length < sizeof words; i++) {
        const char *value = getenv(names[i]);

        if (value != NULL)
            length += (size_t)snprintf(words + length, sizeof words - length, "; %s=%.150s",
                                       names[i], value);
    }
    doctor_found(doctor, "environment", "panpipe " PANPIPE_VERSION "%s", words);
}

/* --- the report ------------------------------------------------------------------------------ */

static const char *text_of(const json_t *line, const char *field)
{
    return json_string_value(json_object_get(line, field));
}

static void print_line(const json_t *line)
{
    const char *what = text_of(line, "do");
    json_t *more = json_object_get(line, "lines");

    out_format("%-4s  %-11s  %s%s%s\n", text_of(line, "state"), text_of(line, "check"),
               text_of(line, "found"), what[0] != '\0' ? " -> " : "", what);
    for (size_t i = 0; i < json_array_size(more); i++)
        out_format("%19s| %s\n", "", json_string_value(json_array_get(more, i)));
}

static void print_text(const struct doctor *doctor)
{
    for (size_t i = 0; i < json_array_size(doctor->checks); i++)
        print_line(json_array_get(doctor->checks, i));
    if (doctor->worst == NULL)
        out_text("All is well.\n");
    else
        out_format("%s: %s -> %s\n", doctor->code != EXIT_DONE ? "What is wrong" : "It works, but",
                   text_of(doctor->worst, "found"), text_of(doctor->worst, "do"));
}

/* The worst one in front, for who reads no further. */
static void print_json(const struct doctor *doctor)
{
    const json_t *worst = doctor->worst;
    json_t *report = json_must(json_pack("{s:s,s:s,s:s,s:i,s:O}", "state",
                                         worst != NULL ? text_of(worst, "state") : "ok", "found",
                                         worst != NULL ? text_of(worst, "found") : "", "do",
                                         worst != NULL ? text_of(worst, "do") : "", "exit_code",
                                         doctor->code, "checks", doctor->checks));

    print_record(report);
    json_decref(report);
}

static void print_report(const struct doctor *doctor)
{
    if (print_is_text())
        print_text(doctor);
    else if (doctor->cli->json)
        print_json(doctor);
    else
        for (size_t i = 0; i < json_array_size(doctor->checks); i++)
            print_record(json_array_get(doctor->checks, i));
}

static void leave(struct doctor *doctor)
{
    json_t *nil = NULL;

    if (doctor->answers)
        talk_ask(&doctor->talk, "$bye", "\x90", 1, &nil);
    json_decref(nil);
    talk_close(&doctor->talk);
    json_decref(doctor->hello);
    json_decref(doctor->stats);
    json_decref(doctor->checks);
}

int doctor(const struct cli *cli)
{
    static void (*const checks[])(struct doctor *) = {
        doctor_place, doctor_listener, doctor_answer, doctor_rights, doctor_names,
        doctor_start, doctor_handles,  doctor_disk,   doctor_clock,  examine_environment,
    };
    static struct doctor doctor;

    doctor.cli = cli;
    doctor.name = session_broker(cli);
    doctor.source = cli->broker != NULL                   ? "-b"
                    : strcmp(doctor.name, "default") == 0 ? "by default"
                                                          : "PANPIPE";
    doctor.scope = cli->system ? PP_SCOPE_SYSTEM : PP_SCOPE_USER;
    doctor.patience_ms = cli->timeout_ms != 0 ? cli->timeout_ms : PATIENCE_MS;
    doctor.checks = json_must(json_array());
    int status = doctor_look(&doctor);
    if (status != PP_OK) {
        leave(&doctor);
        return error_status(status, pp_detail());
    }
    for (size_t i = 0; i < COUNT_OF(checks); i++)
        checks[i](&doctor);
    print_report(&doctor);
    leave(&doctor);
    return doctor.code;
}
