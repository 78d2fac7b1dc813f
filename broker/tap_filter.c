#include "tap_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"

static const char *const kinds[] = { [TAP_ANY] = NULL,
                                     [TAP_PUB] = "pub",
                                     [TAP_CALL] = "call",
                                     [TAP_ANSWER] = "answer",
                                     [TAP_ERROR] = "error" };

const char *tap_kind_name(enum tap_kind kind)
{
    return kinds[kind];
}

/* "pid:N". */
static bool read_process(const struct ppi_value *value, struct tap_who *who)
{
    char digits[24] = "";
    char *end;

    if (value->text_length < 5 || value->text_length - 4 >= sizeof digits ||
        memcmp(value->text, "pid:", 4) != 0)
        return false;
    memcpy(digits, value->text + 4, value->text_length - 4);
    who->by = WHO_PROCESS;
    who->number = strtoull(digits, &end, 10);
    return *end == '\0' && digits[0] >= '0' && digits[0] <= '9';
}

/* NULL, or what is wrong. */
static const char *read_who(const struct option *option, struct tap_who *who)
{
    if (!option->given)
        return NULL;
    struct ppi_value value = ppi_value_at(option->raw.data, option->raw.size);
    if (value.kind == PPI_VALUE_NUMBER) {
        who->by = WHO_CLIENT;
        who->number = value.number;
        return NULL;
    }
    if (value.kind != PPI_VALUE_TEXT || !ppi_label_valid(value.text, value.text_length))
        return "'from' and 'to' are a client's number, its name, or \"pid:N\"";
    if (read_process(&value, who))
        return NULL;
    who->by = WHO_NAME;
    memcpy(who->name, value.text, value.text_length);
    who->name[value.text_length] = '\0';
    return NULL;
}

static const char *read_subject(const struct option *option, struct tap_filter *filter)
{
    const char *text = option->text;

    if (!option->given || strcmp(text, ">") == 0 || strcmp(text, "*") == 0)
        return NULL;
    enum ppi_subject check = ppi_subject_check(text, option->text_length);
    if (check > PPI_SUBJECT_PATTERN)
        return ppi_subject_problem(check);
    filter->subject_length = option->text_length;
    memcpy(filter->subject, text, option->text_length);
    return NULL;
}

static const char *read_kind(const struct option *option, struct tap_filter *filter)
{
    if (!option->given)
        return NULL;
    for (size_t i = TAP_PUB; i < PPI_COUNT(kinds); i++)
        if (strcmp(option->text, kinds[i]) == 0)
            filter->kind = (enum tap_kind)i;
    return filter->kind != TAP_ANY ? NULL : "'kind' is \"pub\", \"call\", \"answer\" or \"error\"";
}

bool tap_filter_read(const struct request_in *in, struct tap_filter *filter)
{
    enum { SUBJECT, FROM, TO, KIND, SIZE_MIN, SIZE_MAX_, DROPPED, CUT, MAX };
    struct option known[] = {
        [SUBJECT] = { .name = "subject", .type = OPTION_TEXT },
        [FROM] = { .name = "from", .type = OPTION_ANY },
        [TO] = { .name = "to", .type = OPTION_ANY },
        [KIND] = { .name = "kind", .type = OPTION_TEXT },
        [SIZE_MIN] = { .name = "size_min", .type = OPTION_NUMBER },
        [SIZE_MAX_] = { .name = "size_max", .type = OPTION_NUMBER },
        [DROPPED] = { .name = "dropped", .type = OPTION_BOOL },
        [CUT] = { .name = "cut", .type = OPTION_NUMBER },
        [MAX] = { .name = "max", .type = OPTION_NUMBER },
    };

    if (!in_options(in, 0, known, PPI_COUNT(known)))
        return false;
    *filter = (struct tap_filter){ .size_min = known[SIZE_MIN].number,
                                   .size_max = known[SIZE_MAX_].given ? known[SIZE_MAX_].number
                                                                      : UINT64_MAX,
                                   .dropped = known[DROPPED].truth,
                                   .max = known[MAX].number };
    filter->cut = known[CUT].given ? (uint32_t)known[CUT].number : TAP_CUT_BYTES;
    const char *problem = read_subject(&known[SUBJECT], filter);
    if (problem == NULL)
        problem = read_who(&known[FROM], &filter->from);
    if (problem == NULL)
        problem = read_who(&known[TO], &filter->to);
    if (problem == NULL)
        problem = read_kind(&known[KIND], filter);
    if (problem == NULL && known[CUT].number > TAP_CUT_BYTES_MAX)
        problem = "'cut' is at most 65,536 bytes";
    if (problem != NULL)
        in_fail(in, "E_ARG", problem);
    return problem == NULL;
}

/* --- as it was understood -------------------------------------------------------------------- */

static void pack_who(msgpack_packer *packer, const char *name, const struct tap_who *who)
{
    char process[24];

    if (who->by == WHO_ANYBODY)
        return;
    if (who->by == WHO_CLIENT) {
        pack_number(packer, name, who->number);
        return;
    }
    snprintf(process, sizeof process, "pid:%llu", (unsigned long long)who->number);
    pack_text(packer, name, who->by == WHO_NAME ? who->name : process);
}

void tap_filter_pack(msgpack_packer *packer, const struct tap_filter *filter)
{
    bool subject = filter->subject_length > 0, from = filter->from.by != WHO_ANYBODY,
         to = filter->to.by != WHO_ANYBODY, kind = filter->kind != TAP_ANY,
         size_min = filter->size_min != 0, size_max = filter->size_max != UINT64_MAX,
         max = filter->max != 0;

    msgpack_pack_map(packer,
                     1u + subject + from + to + kind + size_min + size_max + filter->dropped + max);
    if (subject)
        pack_subject(packer, filter->subject, filter->subject_length);
    pack_who(packer, "from", &filter->from);
    pack_who(packer, "to", &filter->to);
    if (kind)
        pack_text(packer, "kind", tap_kind_name(filter->kind));
    if (size_min)
        pack_number(packer, "size_min", filter->size_min);
    if (size_max)
        pack_number(packer, "size_max", filter->size_max);
    if (filter->dropped)
        pack_truth(packer, "dropped", true);
    pack_number(packer, "cut", filter->cut);
    if (max)
        pack_number(packer, "max", filter->max);
}
