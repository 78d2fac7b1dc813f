#include "wire/envelope.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <msgpack.h>
#include <panpipe/port.h>

enum { ERROR_TEXT_MAX = 400 };

/* The shortest form of a number. */
static uint8_t *put_number(uint8_t *out, uint64_t number)
{
    if (number < 0x80) {
        *out++ = (uint8_t)number;
        return out;
    }
    int bytes = number <= UINT8_MAX ? 1 : number <= UINT16_MAX ? 2 : number <= UINT32_MAX ? 4 : 8;
    *out++ = (uint8_t)(bytes == 1 ? 0xCC : bytes == 2 ? 0xCD : bytes == 4 ? 0xCE : 0xCF);
    for (int i = bytes - 1; i >= 0; i--)
        *out++ = (uint8_t)(number >> 8 * i);
    return out;
}

static uint8_t *put_bytes(uint8_t *out, const char *bytes, size_t count)
{
    memcpy(out, bytes, count);
    return out + count;
}

/* A string of at most PPI_SUBJECT_MAX bytes. */
static uint8_t *put_text(uint8_t *out, const char *text, size_t length)
{
    if (length < 32) {
        *out++ = (uint8_t)(0xA0 | length);
    } else {
        *out++ = 0xD9;
        *out++ = (uint8_t)length;
    }
    return put_bytes(out, text, length);
}

size_t ppi_head_call(uint8_t *out, uint32_t id)
{
    return (size_t)(put_number(put_bytes(out, "\x94\x00", 2), id) - out);
}

size_t ppi_head_rich_call(uint8_t *out, uint32_t id, uint64_t sid, bool meta)
{
    uint8_t *end = put_number(put_bytes(out, "\x94\x00", 2), id);

    return (size_t)(put_number(put_bytes(end, meta ? "\xA5$call\x94" : "\xA5$call\x93", 7), sid) -
                    out);
}

size_t ppi_head_answer(uint8_t *out, uint32_t id)
{
    return (size_t)(put_number(put_bytes(out, "\x94\x01", 2), id) - out);
}

size_t ppi_head_message(uint8_t *out, uint64_t sid, bool meta)
{
    const char *head = meta ? "\x93\x02\xA4$msg\x94" : "\x93\x02\xA4$msg\x93";

    return (size_t)(put_number(put_bytes(out, head, 8), sid) - out);
}

size_t ppi_head_request(uint8_t *out, uint32_t id, const char *subject, size_t length)
{
    return (size_t)(put_text(put_number(put_bytes(out, "\x94\x00", 2), id), subject, length) - out);
}

size_t ppi_head_publish(uint8_t *out, const char *subject, size_t length)
{
    return (size_t)(put_text(put_bytes(out, "\x93\x02", 2), subject, length) - out);
}

size_t ppi_head_params(uint8_t *out, unsigned count, const char *subject, size_t length)
{
    *out = (uint8_t)(0x90 | count);
    return (size_t)(put_text(out + 1, subject, length) - out);
}

size_t ppi_params_number(uint8_t *out, uint64_t number)
{
    *out = 0x91;
    return (size_t)(put_number(out + 1, number) - out);
}

size_t ppi_options_numbers(uint8_t *out, const struct ppi_number *numbers, int count)
{
    uint8_t *at = out;

    *at++ = (uint8_t)(0x80 | count);
    for (int i = 0; i < count; i++)
        at = put_number(put_text(at, numbers[i].name, strlen(numbers[i].name)), numbers[i].number);
    return (size_t)(at - out);
}

int ppi_pack_text(struct msgpack_packer *packer, const char *text)
{
    size_t length = strlen(text);
    int status = msgpack_pack_str(packer, length);

    return status == 0 ? msgpack_pack_str_body(packer, text, length) : status;
}

int ppi_pack_write(void *buf, const char *data, size_t size)
{
    return ppi_buf_append(buf, data, size);
}

int ppi_pack_error(struct ppi_buf *buf, uint32_t id, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    uint8_t head[PPI_HEAD_MAX];
    va_list arguments;
    msgpack_packer packer;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    msgpack_packer_init(&packer, buf, ppi_pack_write);
    if (ppi_buf_append(buf, head, ppi_head_answer(head, id)) != PP_OK ||
        ppi_pack_text(&packer, text) != 0 || msgpack_pack_nil(&packer) != 0)
        return PP_ENOMEM;
    return PP_OK;
}
