#include "text.h"

#include <ctype.h>
#include <stdint.h>
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

int text_width(const char *text)
{
    int width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

int text_cut(char *text, int columns)
{
    int width = text_width(text);
    char *at = text;

    if (width <= columns || columns < 1)
        return width;
    for (int left = columns - 1; left > 0; left--)
        do
            at++;
        while (((unsigned char)*at & 0xC0) == 0x80);
    memcpy(at, "~", 2);
    return columns;
}

void text_clean(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        unsigned char next = i + 1 < size ? (unsigned char)text[i + 1] : 0;

        if (byte < 0x20 || byte == 0x7F)
            text[i] = ' ';
        if (byte == 0xC2 && next >= 0x80 && next < 0xA0)
            text[i] = text[i + 1] = ' ';
    }
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
