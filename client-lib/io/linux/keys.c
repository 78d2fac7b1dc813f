/* keys.c: what a terminal sends, as keys. A key that is no letter is ESC, then "[" or "O", numbers,
 * and a letter or "~" that ends it. ESC itself is a key when nothing follows it. */
#include <string.h>

#include "base/compiler.h"
#include "screen.h"

enum { ESC = 0x1B, BACKSPACE = 0x08, DELETE = 0x7F };

static void drop(struct ppi_key_bytes *bytes, size_t count)
{
    bytes->count -= count;
    memmove(bytes->bytes, bytes->bytes + count, bytes->count);
}

/* How many bytes a letter has that begins so. */
static size_t letter_size(unsigned char first)
{
    return first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

static bool take_letter(struct ppi_key_bytes *bytes, bool whole, struct ppi_key_press *press)
{
    size_t size = letter_size(bytes->bytes[0]);

    if (bytes->count < size && !whole)
        return false;
    size = bytes->count < size ? bytes->count : size;
    press->key = PPI_KEY_TEXT;
    memcpy(press->text, bytes->bytes, size);
    press->text[size] = '\0';
    drop(bytes, size);
    return true;
}

/* By the byte that ends a sequence, and the number in it, if that says more. */
static enum ppi_key key_of(unsigned char last, unsigned number)
{
    static const struct {
        unsigned char last;
        unsigned number; /* 0: any */
        enum ppi_key key;
    } keys[] = {
        { 'A', 0, PPI_KEY_UP },      { 'B', 0, PPI_KEY_DOWN },      { 'C', 0, PPI_KEY_RIGHT },
        { 'D', 0, PPI_KEY_LEFT },    { 'H', 0, PPI_KEY_HOME },      { 'F', 0, PPI_KEY_END },
        { 'M', 0, PPI_KEY_ENTER },   { '~', 1, PPI_KEY_HOME },      { '~', 4, PPI_KEY_END },
        { '~', 5, PPI_KEY_PAGE_UP }, { '~', 6, PPI_KEY_PAGE_DOWN }, { '~', 7, PPI_KEY_HOME },
        { '~', 8, PPI_KEY_END },
    };

    for (size_t i = 0; i < PPI_COUNT(keys); i++)
        if (keys[i].last == last && (keys[i].number == 0 || keys[i].number == number))
            return keys[i].key;
    return PPI_KEY_OTHER;
}

/* Behind ESC and the bracket. */
static bool take_sequence(struct ppi_key_bytes *bytes, bool whole, struct ppi_key_press *press)
{
    unsigned number = 0;
    size_t at = 2;

    while (at < bytes->count && bytes->bytes[at] >= 0x20 && bytes->bytes[at] < 0x40) {
        unsigned char byte = bytes->bytes[at++];

        if (byte == ';')
            break;
        number = number * 10 % 1000 + (byte - '0') % 10;
    }
    while (at < bytes->count && bytes->bytes[at] >= 0x20 && bytes->bytes[at] < 0x40)
        at++;
    if (at == bytes->count) { /* it goes on, or is nothing that we know */
        press->key = PPI_KEY_OTHER;
        if (whole || bytes->count == sizeof bytes->bytes)
            drop(bytes, at);
        return bytes->count == 0;
    }
    press->key = key_of(bytes->bytes[at], number);
    drop(bytes, at + 1);
    return true;
}

static bool take_escape(struct ppi_key_bytes *bytes, bool whole, struct ppi_key_press *press)
{
    if (bytes->count == 1 && !whole)
        return false;
    if (bytes->count > 1 && (bytes->bytes[1] == '[' || bytes->bytes[1] == 'O'))
        return take_sequence(bytes, whole, press);
    press->key = PPI_KEY_ESCAPE;
    drop(bytes, 1);
    return true;
}

bool ppi_key_take(struct ppi_key_bytes *bytes, bool whole, struct ppi_key_press *press)
{
    unsigned char first = bytes->bytes[0];

    if (bytes->count == 0)
        return false;
    press->text[0] = '\0';
    if (first == ESC)
        return take_escape(bytes, whole, press);
    if (first >= 0x20 && first != DELETE)
        return take_letter(bytes, whole, press);
    press->key = first == '\r' || first == '\n'          ? PPI_KEY_ENTER
                 : first == BACKSPACE || first == DELETE ? PPI_KEY_BACKSPACE
                                                         : PPI_KEY_OTHER;
    drop(bytes, 1);
    return true;
}
