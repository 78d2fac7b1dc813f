/* panpipe/pack.h - for programs that use msgpack-c: its packer for params, its objects for what
 * comes in. Needs <msgpack.h>; the library itself does not.
 *
 *     msgpack_sbuffer params;
 *     msgpack_packer packer;
 *     msgpack_sbuffer_init(&params);
 *     msgpack_packer_init(&packer, &params, msgpack_sbuffer_write);
 *     msgpack_pack_array(&packer, 1);
 *     msgpack_pack_int(&packer, 42);
 *     pp_publish_packed(client, "ui.tick", &params);
 *     msgpack_sbuffer_destroy(&params); */
#ifndef PANPIPE_PACK_H
#define PANPIPE_PACK_H

#include <msgpack.h>

#include <panpipe/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As pp_publish. */
static inline int pp_publish_packed(pp_client *client, const char *subject,
                                    const msgpack_sbuffer *params)
{
    return pp_publish(client, subject, params->data, params->size);
}

/* As pp_reply. */
static inline int pp_reply_packed(pp_client *client, uint64_t call, const msgpack_sbuffer *result)
{
    return pp_reply(client, call, result->data, result->size);
}

/* The params of a message, or an answer, as objects in *unpacked: initialise it before with
 * msgpack_unpacked_init, and destroy it after. Texts and bytes in it point into the message or the
 * answer. 1, or 0: no memory, or an answer without data. */
static inline int pp_message_unpack(const pp_message *message, msgpack_unpacked *unpacked)
{
    return msgpack_unpack_next(unpacked, (const char *)message->params, message->params_size,
                               NULL) == MSGPACK_UNPACK_SUCCESS;
}

/* The same for the result of a call, or the server's error. */
static inline int pp_answer_unpack(const pp_answer *answer, msgpack_unpacked *unpacked)
{
    return answer->data != NULL &&
           msgpack_unpack_next(unpacked, (const char *)answer->data, answer->size, NULL) ==
               MSGPACK_UNPACK_SUCCESS;
}

#ifdef __cplusplus
}
#endif
#endif
