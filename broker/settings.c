#include "settings.h"

#include <libconfig.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <panpipe/sys.h>

#include "base/compiler.h"
#include "wire/scan.h"

enum { KIB = 1024, MIB = 1024 * 1024, FILE_MAX = MIB };

/* Every number a file may set, with its bounds. */
static const struct setting {
    const char *name;
    size_t offset;
    bool wide; /* 64 bits */
    uint64_t initial, min, max;
} table[] = {
#define NARROW(name, initial, min, max)                                                            \
    {                                                                                              \
#name, offsetof(struct settings, name), false, initial, min, max                           \
    }
#define WIDE(name, initial, min, max)                                                              \
    {                                                                                              \
#name, offsetof(struct settings, name), true, initial, min, max                            \
    }
    NARROW(workers, 0, 0, 64),
    NARROW(frame_max, 16 * MIB, 8 * KIB, PPI_FRAME_MAX),
    WIDE(queue_high, 4 * MIB, 4 * KIB, 1024 * MIB),
    WIDE(queue_low, 1 * MIB, 1 * KIB, 1024 * MIB),
    WIDE(queue_hard, 16 * MIB, 8 * KIB, 2048ull * MIB),
    NARROW(read_ahead, 64 * KIB, 1 * KIB, 16 * MIB),
    NARROW(stall_ms, 10000, 100, 3600000),
    NARROW(stall_rate, 64 * KIB, 0, 1024 * MIB),
    NARROW(half_frame_ms, 10000, 100, 3600000),
    NARROW(half_frame_rate, 1 * MIB, 1 * KIB, 1024 * MIB),
    NARROW(silent_ms, 60000, 0, 3600000),
    NARROW(subs, 1024, 1, 1000000),
    NARROW(calls_open, 1024, 1, 1000000),
    NARROW(connections, 16384, 1, 1000000),
    NARROW(connections_user, 4096, 1, 1000000),
    NARROW(call_deadline_ms, 60000, 0, 86400000),
    NARROW(drain_ms, 5000, 0, 3600000),
    NARROW(idle_exit_ms, 0, 0, 86400000),
#undef NARROW
#undef WIDE
};

static void set(struct settings *settings, const struct setting *setting, uint64_t value)
{
    void *at = (char *)settings + setting->offset;

    if (setting->wide)
        *(uint64_t *)at = value;
    else
        *(uint32_t *)at = (uint32_t)value;
}

size_t settings_each(const struct settings *settings,
                     void (*visit)(void *context, const char *name, uint64_t value), void *context)
{
    for (size_t i = 0; i < PPI_COUNT(table) && visit != NULL; i++) {
        const void *at = (const char *)settings + table[i].offset;

        visit(context, table[i].name,
              table[i].wide ? *(const uint64_t *)at : *(const uint32_t *)at);
    }
    return PPI_COUNT(table);
}

void settings_defaults(struct settings *settings)
{
    memset(settings, 0, sizeof *settings);
    snprintf(settings->name, sizeof settings->name, "default");
    settings->log_level = LOG_INFO;
    settings->access = -1;
    for (size_t i = 0; i < PPI_COUNT(table); i++)
        set(settings, &table[i], table[i].initial);
}

const char *log_level_name(enum log_level level)
{
    static const char *const names[] = {
        [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"
    };

    return names[level];
}

bool log_level_parse(const char *name, enum log_level *level)
{
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
        if (strcmp(log_level_name((enum log_level)i), name) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

/* The size of what begins at text: a comment, a string, a word or number, or any other byte. */
static size_t token_size(const char *text)
{
    size_t word =
        strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-");

    if (text[0] == '#' || strncmp(text, "//", 2) == 0)
        return strcspn(text, "\n");
    if (strncmp(text, "/*", 2) == 0) {
        const char *end = strstr(text + 2, "*/");

        return end != NULL ? (size_t)(end + 2 - text) : strlen(text);
    }
    if (text[0] == '"') {
        for (word = 1; text[word] != '"' && text[word] != '\0'; word++)
            word += text[word] == '\\' && text[word + 1] != '\0';
        return word + (text[word] == '"');
    }
    return word > 0 ? word : 1;
}

/* libconfig 1.5 takes the lower 32 bits of a number that has no L behind it. The first number that
 * this would change, and its line; NULL: there is none. */
static const char *find_cut_number(const char *text, int *line)
{
    *line = 1;
    for (size_t size; *text != '\0'; text += size) {
        const char *digits = text + (*text == '-' || *text == '+');
        bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
        char *end;

        size = token_size(text);
        if (*digits >= '0' && *digits <= '9' && strtoull(digits, &end, hex ? 16 : 10) > INT32_MAX &&
            end == text + size)
            return text;
        for (size_t i = 0; i < size; i++)
            *line += text[i] == '\n';
    }
    return NULL;
}

static const struct setting *find(const char *name)
{
    for (size_t i = 0; i < PPI_COUNT(table); i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

bool settings_set_number(struct settings *settings, const char *name, uint64_t value)
{
    const struct setting *setting = find(name);

    if (setting == NULL || value < setting->min || value > setting->max)
        return false;
    set(settings, setting, value);
    return true;
}

bool settings_set_text(char *out, size_t size, const char *text)
{
    return text == NULL || snprintf(out, size, "%s", text) < (int)size;
}

static void take_text(char *out, size_t out_size, const char *name, const char *text, char *wrong,
                      size_t size)
{
    if (text == NULL || !settings_set_text(out, out_size, text))
        snprintf(wrong, size, "%s is a text in quotes, of less than %zu bytes", name, out_size);
}

/* Takes one line over; "" or what is wrong with it. */
static void take(struct settings *settings, const config_setting_t *line, char *wrong, size_t size)
{
    const char *name = config_setting_name(line), *text = config_setting_get_string(line);
    const struct setting *setting = find(name);
    int type = config_setting_type(line);

    wrong[0] = '\0';
    if (strcmp(name, "log_level") == 0) {
        if (text == NULL || !log_level_parse(text, &settings->log_level))
            snprintf(wrong, size, "log_level is one of \"error\", \"warn\", \"info\", \"debug\"");
    } else if (strcmp(name, "name") == 0) {
        take_text(settings->name, sizeof settings->name, name, text, wrong, size);
    } else if (strcmp(name, "access_user") == 0) {
        take_text(settings->access_user, sizeof settings->access_user, name, text, wrong, size);
    } else if (strcmp(name, "access_group") == 0) {
        take_text(settings->access_group, sizeof settings->access_group, name, text, wrong, size);
    } else if (strcmp(name, "access") == 0) {
        settings->access = pp_access_parse(text);
        if (settings->access < 0)
            snprintf(wrong, size, "access is one of " SETTINGS_ACCESS);
    } else if (strcmp(name, "system") == 0) {
        if (type != CONFIG_TYPE_BOOL)
            snprintf(wrong, size, "system is true or false");
        settings->system = config_setting_get_bool(line);
    } else if (setting == NULL) {
        snprintf(wrong, size, "there is no setting %s", name);
    } else {
        long long value = type == CONFIG_TYPE_INT     ? config_setting_get_int(line)
                          : type == CONFIG_TYPE_INT64 ? config_setting_get_int64(line)
                                                      : -1;
        if (value < 0 || !settings_set_number(settings, name, (uint64_t)value))
            snprintf(wrong, size, "%s is a number from %llu to %llu", name,
                     (unsigned long long)setting->min, (unsigned long long)setting->max);
    }
}

int settings_load(struct settings *settings, const char *path, char *problem, size_t size)
{
    config_t file;
    char wrong[160] = "";
    void *text;
    size_t length;
    int line = 0, status = pp_file_read(path, FILE_MAX, &text, &length);

    if (status != PP_OK) {
        snprintf(problem, size, "%s cannot be read: %s", path, pp_detail());
        return PP_EINVAL;
    }
    config_init(&file);
    bool good = config_read_string(&file, text) == CONFIG_TRUE;
    const char *cut = good ? find_cut_number(text, &line) : NULL;
    if (cut != NULL)
        snprintf(wrong, sizeof wrong, "a number above %d has an L behind it: %.*sL", INT32_MAX,
                 token_size(cut) < 40 ? (int)token_size(cut) : 40, cut);
    pp_free(text);
    if (!good) {
        snprintf(problem, size, "%s:%d: %s", path, config_error_line(&file),
                 config_error_text(&file));
        config_destroy(&file);
        return PP_EINVAL;
    }
    const config_setting_t *root = config_root_setting(&file);
    for (int i = 0; i < config_setting_length(root) && wrong[0] == '\0'; i++) {
        const config_setting_t *element = config_setting_get_elem(root, (unsigned)i);

        line = config_setting_source_line(element);
        take(settings, element, wrong, sizeof wrong);
    }
    if (wrong[0] != '\0') {
        snprintf(problem, size, "%s:%d: %s", path, line, wrong);
        status = PP_EINVAL;
    }
    config_destroy(&file);
    return status;
}

uint32_t settings_access(const struct settings *settings)
{
    if (settings->access >= 0)
        return (uint32_t)settings->access;
    return settings->system ? PP_ACCESS_LOCAL : PP_ACCESS_OWNER;
}

pp_listen_config settings_listen(const struct settings *settings)
{
    pp_listen_config config = PP_LISTEN_CONFIG_INIT;

    config.scope = settings->system ? PP_SCOPE_SYSTEM : PP_SCOPE_USER;
    config.access = settings_access(settings);
    config.user = settings->access_user[0] != '\0' ? settings->access_user : NULL;
    config.group = settings->access_group[0] != '\0' ? settings->access_group : NULL;
    return config;
}

int settings_check(const struct settings *settings, char *problem, size_t size)
{
    if (settings->queue_low >= settings->queue_high ||
        settings->queue_high >= settings->queue_hard) {
        snprintf(problem, size, "queue_low < queue_high < queue_hard must hold");
        return PP_EINVAL;
    }
    if (settings->frame_max > settings->queue_hard) {
        snprintf(problem, size, "frame_max must not be above queue_hard");
        return PP_EINVAL;
    }
    if ((settings->access_user[0] != '\0') != (settings->access == PP_ACCESS_USER)) {
        snprintf(problem, size,
                 "access_user goes with access \"service-and-user\", and that with it");
        return PP_EINVAL;
    }
    if (settings->access_group[0] != '\0' && settings->access != PP_ACCESS_ADMINS) {
        snprintf(problem, size, "access_group goes with access \"admins\"");
        return PP_EINVAL;
    }
    return PP_OK;
}
