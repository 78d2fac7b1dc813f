#include "wire/subject.h"

#include <string.h>

/* The length of the UTF-8 sequence at text, of which left bytes are there; 0: it is none. */
static size_t sequence(const unsigned char *text, size_t left)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max, length;
    } forms[] = {
        { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
        { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
        { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };

    if (text[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (text[0] < forms[i].first_min || text[0] > forms[i].first_max)
            continue;
        if (left < forms[i].length || text[1] < forms[i].second_min ||
            text[1] > forms[i].second_max)
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((text[k] & 0xC0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

bool ppi_utf8(const char *text, size_t length)
{
    for (size_t at = 0, step; at < length; at += step)
        if ((step = sequence((const unsigned char *)text + at, length - at)) == 0)
            return false;
    return true;
}

enum ppi_subject ppi_subject_check(const char *text, size_t length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    bool wildcard = false, rest = false;

    if (length == 0 || length > PPI_SUBJECT_MAX)
        return PPI_SUBJECT_LENGTH;
    for (size_t at = 0, begin = 0; at <= length; at++) {
        if (at < length && bytes[at] != '.') {
            if (bytes[at] <= ' ' || bytes[at] == 0x7F)
                return PPI_SUBJECT_BYTES;
            if (bytes[at] >= 0x80) {
                size_t step = sequence(bytes + at, length - at);

                if (step == 0)
                    return PPI_SUBJECT_BYTES;
                at += step - 1;
            }
            continue;
        }
        if (at == begin)
            return PPI_SUBJECT_TOKEN;
        if (rest)
            return PPI_SUBJECT_REST;
        rest = at == begin + 1 && bytes[begin] == '>';
        wildcard = wildcard || rest || (at == begin + 1 && bytes[begin] == '*');
        begin = at + 1;
    }
    return wildcard ? PPI_SUBJECT_PATTERN : PPI_SUBJECT_PLAIN;
}

const char *ppi_subject_problem(enum ppi_subject result)
{
    switch (result) {
    case PPI_SUBJECT_PLAIN:
    case PPI_SUBJECT_PATTERN: return "";
    case PPI_SUBJECT_LENGTH: return "a subject has 1 to 255 bytes";
    case PPI_SUBJECT_BYTES: return "a subject is UTF-8 without spaces and control bytes";
    case PPI_SUBJECT_TOKEN: return "a subject has no empty token: no '.' at either end, no '..'";
    case PPI_SUBJECT_REST: return "'>' can only be the last token";
    }
    return "";
}

const char *ppi_subject_refusal(const char *text, size_t length)
{
    enum ppi_subject check = ppi_subject_check(text, length);

    if (check == PPI_SUBJECT_PLAIN)
        return NULL;
    return check == PPI_SUBJECT_PATTERN ? "a wildcard cannot be published to or called"
                                        : ppi_subject_problem(check);
}

bool ppi_label_valid(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F)
            return false;
    return length >= 1 && length <= PPI_LABEL_MAX && ppi_utf8(text, length);
}

bool ppi_subject_token(const char *text, size_t length, size_t *at, const char **token,
                       size_t *token_length)
{
    if (*at > length)
        return false;
    const char *end = memchr(text + *at, '.', length - *at);
    *token = text + *at;
    *token_length = end != NULL ? (size_t)(end - *token) : length - *at;
    *at += *token_length + 1;
    return true;
}

static bool is(const char *token, size_t length, char wildcard)
{
    return length == 1 && token[0] == wildcard;
}

bool ppi_subject_match(const char *pattern, size_t pattern_length, const char *subject,
                       size_t subject_length)
{
    const char *p, *s;
    size_t pl, sl, pat = 0, sat = 0;
    bool reserved = subject[0] == '$' || subject[0] == '@';

    for (;; reserved = false) {
        bool more_p = ppi_subject_token(pattern, pattern_length, &pat, &p, &pl);
        bool more_s = ppi_subject_token(subject, subject_length, &sat, &s, &sl);

        if (!more_p || !more_s)
            return !more_p && !more_s;
        if (is(p, pl, '>'))
            return !reserved;
        if (is(p, pl, '*') ? reserved : pl != sl || memcmp(p, s, pl) != 0)
            return false;
    }
}

static bool is_reserved(const char *text)
{
    return text[0] == '$' || text[0] == '@';
}

bool ppi_subject_overlap(const char *pattern, size_t pattern_length, const char *other,
                         size_t other_length)
{
    const char *p, *o;
    size_t pl, ol, pat = 0, oat = 0;
    bool p_reserved = is_reserved(pattern), o_reserved = is_reserved(other);

    for (;; p_reserved = o_reserved = false) {
        bool more_p = ppi_subject_token(pattern, pattern_length, &pat, &p, &pl);
        bool more_o = ppi_subject_token(other, other_length, &oat, &o, &ol);
        bool p_wild = more_p && (is(p, pl, '*') || is(p, pl, '>'));
        bool o_wild = more_o && (is(o, ol, '*') || is(o, ol, '>'));

        if (!more_p || !more_o)
            return !more_p && !more_o;
        if ((p_wild && o_reserved) || (o_wild && p_reserved))
            return false;
        if (is(p, pl, '>') || is(o, ol, '>'))
            return true;
        if (!p_wild && !o_wild && (pl != ol || memcmp(p, o, pl) != 0))
            return false;
    }
}
