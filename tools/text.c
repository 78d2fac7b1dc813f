#include "text.h"

#include <ctype.h>
#include <string.h>

/* --- UTF-8 ----------------------------------------------------------------------------------- */

/* The length of the letter that begins at text, of which left bytes are there; 0: it is none. The
 * second byte's bounds keep out what could be written shorter, surrogates, and what is no Unicode
 * any more. */
static size_t letter(const unsigned char *text, size_t left)
{
    unsigned char first = text[0], second = left > 1 ? text[1] : 0;
    size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    unsigned char least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;

    if (length == 1)
        return 1;
    if (first < 0xC2 || first > 0xF4 || left < length || second < least || second > most)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

bool text_is_utf8(const char *text, size_t size)
{
    const uint64_t high_bits = 0x8080808080808080u;
    uint64_t eight;

    for (size_t at = 0, step; at < size; at += step) {
        if (size - at >= sizeof eight) { /* most text is ASCII: eight letters at a time */
            memcpy(&eight, text + at, step = sizeof eight);
            if ((eight & high_bits) == 0)
                continue;
        }
        if ((step = letter((const unsigned char *)text + at, size - at)) == 0)
            return false;
    }
    return true;
}

uint32_t text_code(const char *text, size_t left, size_t *length)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t count = letter(bytes, left);
    uint32_t code = count > 1 ? bytes[0] & (0x7Fu >> count) : bytes[0];

    *length = count > 0 ? count : 1;
    for (size_t i = 1; i < count; i++)
        code = code << 6 | (bytes[i] & 0x3F);
    return count > 0 ? code : TEXT_NO_LETTER;
}

/* --- columns --------------------------------------------------------------------------------- */

/* Letters that do not take one column: marks that are put over others, and signs that only direct,
 * take none; those of East Asia, and pictures, take two. */
static const struct {
    uint32_t first, last;
    int width;
} odd[] = {
    { 0x300, 0x36F, 0 },     { 0x483, 0x489, 0 },     { 0x591, 0x5BD, 0 },
    { 0x610, 0x61A, 0 },     { 0x64B, 0x65F, 0 },     { 0x900, 0x902, 0 },
    { 0xE31, 0xE31, 0 },     { 0xE34, 0xE3A, 0 },     { 0xE47, 0xE4E, 0 },
    { 0x1100, 0x115F, 2 },   { 0x1AB0, 0x1AFF, 0 },   { 0x1DC0, 0x1DFF, 0 },
    { 0x200B, 0x200F, 0 },   { 0x2060, 0x2064, 0 },   { 0x20D0, 0x20FF, 0 },
    { 0x231A, 0x231B, 2 },   { 0x23E9, 0x23EC, 2 },   { 0x2614, 0x2615, 2 },
    { 0x26A1, 0x26A1, 2 },   { 0x2705, 0x2705, 2 },   { 0x274C, 0x274C, 2 },
    { 0x2E80, 0x303E, 2 },   { 0x3041, 0x4DBF, 2 },   { 0x4E00, 0xA4CF, 2 },
    { 0xA960, 0xA97C, 2 },   { 0xAC00, 0xD7A3, 2 },   { 0xF900, 0xFAFF, 2 },
    { 0xFE00, 0xFE0F, 0 },   { 0xFE20, 0xFE2F, 0 },   { 0xFE30, 0xFE6B, 2 },
    { 0xFEFF, 0xFEFF, 0 },   { 0xFF01, 0xFF60, 2 },   { 0xFFE0, 0xFFE6, 2 },
    { 0x1F300, 0x1F64F, 2 }, { 0x1F680, 0x1F6FC, 2 }, { 0x1F900, 0x1FAFF, 2 },
    { 0x20000, 0x3FFFD, 2 }, { 0xE0100, 0xE01EF, 0 },
};

int text_letter(const char *text, size_t left, size_t *length)
{
    uint32_t code = text_code(text, left, length);

    if (*length == 1)
        return 1;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (code >= odd[i].first && code <= odd[i].last)
            return odd[i].width;
    return 1;
}

int text_columns(const char *text, size_t size)
{
    int width = 0;

    for (size_t at = 0, length; at < size; at += length)
        width += text_letter(text + at, size - at, &length);
    return width;
}

int text_width(const char *text)
{
    return text_columns(text, strlen(text));
}

int text_cut(char *text, int columns)
{
    int width = text_width(text), kept = 0;
    size_t left = strlen(text), length;

    if (width <= columns || columns < 1)
        return width;
    for (int one; (one = text_letter(text, left, &length)) + kept < columns;
         text += length, left -= length)
        kept += one;
    memcpy(text, "~", 2);
    return kept + 1;
}

/* --- paths ----------------------------------------------------------------------------------- */

const char *text_base_name(const char *path)
{
    for (const char *at = path; at != NULL && *at != '\0'; at++)
        if ((*at == '/' || *at == '\\') && at[1] != '\0')
            path = at + 1;
    return path;
}

/* --- what is safe to show --------------------------------------------------------------------- */

/* How many bytes at text are a letter that no terminal may see: of C1; or of those that turn the
 * direction of what follows, or end a line. */
static size_t commanding(const unsigned char *text, size_t left)
{
    if (left >= 2 && text[0] == 0xC2 && text[1] >= 0x80 && text[1] < 0xA0)
        return 2;
    if (left < 3 || text[0] != 0xE2)
        return 0;
    bool turns = (text[1] == 0x80 && text[2] >= 0xA8 && text[2] <= 0xAE) ||
                 (text[1] == 0x81 && text[2] >= 0xA6 && text[2] <= 0xA9);
    return turns ? 3 : 0;
}

void text_clean(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];

        if (byte < 0x20 || byte == 0x7F)
            text[i] = ' ';
        memset(text + i, ' ', commanding((unsigned char *)text + i, size - i));
    }
}

/* --- numbers --------------------------------------------------------------------------------- */

bool text_to_number(const char *text, uint64_t *number)
{
    size_t digits = strspn(text, "0123456789");

    *number = 0;
    for (size_t i = 0; i < digits; i++) {
        unsigned digit = (unsigned)(text[i] - '0');

        if (*number > (UINT64_MAX - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return digits > 0 && text[digits] == '\0';
}

/* --- base64 ---------------------------------------------------------------------------------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_to_base64(struct bytes *out, const void *data, size_t size)
{
    const unsigned char *bytes = data;

    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at;
        uint32_t three = (uint32_t)bytes[at] << 16 | (left > 1 ? (uint32_t)bytes[at + 1] << 8 : 0) |
                         (left > 2 ? bytes[at + 2] : 0);
        const char four[] = { digits[three >> 18], digits[three >> 12 & 63],
                              left > 1 ? digits[three >> 6 & 63] : '=',
                              left > 2 ? digits[three & 63] : '=' };

        bytes_add(out, four, sizeof four);
    }
}

bool text_from_base64(struct bytes *out, const char *text, size_t size)
{
    if (size % 4 != 0)
        return false;
    for (size_t at = 0; at < size; at += 4) {
        unsigned padding = 0;
        uint32_t three = 0;

        for (size_t i = at; i < at + 4; i++) {
            const char *digit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;

            padding += text[i] == '=' && i >= size - 2;
            if ((digit == NULL || padding > 0) && text[i] != '=')
                return false;
            if (text[i] == '=' && i < size - 2)
                return false;
            three = three << 6 | (digit != NULL ? (uint32_t)(digit - digits) : 0);
        }
        const char bytes[] = { (char)(three >> 16), (char)(three >> 8), (char)three };
        bytes_add(out, bytes, sizeof bytes - padding);
    }
    return true;
}

/* --- hexadecimal ----------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    static const char hex[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(hex, tolower((unsigned char)c)) : NULL;

    return found != NULL ? (int)(found - hex) : -1;
}

bool text_from_hex(struct bytes *out, const char *text, size_t size)
{
    int high = -1;

    for (size_t i = 0; i < size; i++) {
        int digit = hex_digit(text[i]);

        if (digit < 0 && isspace((unsigned char)text[i]) && high < 0)
            continue;
        if (digit < 0)
            return false;
        if (high >= 0) {
            char byte = (char)(high << 4 | digit);

            bytes_add(out, &byte, 1);
            high = -1;
        } else {
            high = digit;
        }
    }
    return high < 0;
}
