/* identity.c: who this client is, who its broker is, and who sent a message.
 *
 * The broker tells it in maps. What it tells that is not known here is skipped: a later broker may
 * know more. */
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/status.h"
#include "client/client.h"

/* Where a map is being read. */
struct pairs {
    const uint8_t *at, *end;
    unsigned left;
};

static struct pairs pairs_of(const uint8_t *data, size_t size)
{
    struct pairs pairs = { data + 1, data + size, 0 };

    if (size >= 1 && (data[0] & 0xF0) == 0x80) {
        pairs.left = data[0] & 0x0F;
    } else if (size >= 3 && data[0] == 0xDE) {
        pairs.left = (unsigned)data[1] << 8 | data[2];
        pairs.at = data + 3;
    }
    return pairs;
}

/* Nothing here is in a hurry: small counts. */

/* The next key that is a text, and its value, with the bytes of that. false: there is none. */
static PPI_NOINLINE bool next_pair(struct pairs *pairs, struct ppi_value *key,
                                   struct ppi_value *value, struct ppi_slice *bytes)
{
    while (pairs->left > 0) {
        pairs->left--;
        *key = ppi_value_at(pairs->at, (size_t)(pairs->end - pairs->at));
        pairs->at += key->size;
        *value = ppi_value_at(pairs->at, (size_t)(pairs->end - pairs->at));
        *bytes = (struct ppi_slice){ pairs->at, value->size };
        pairs->at += value->size;
        if (key->size == 0 || value->size == 0)
            return false;
        if (key->kind == PPI_VALUE_TEXT)
            return true;
    }
    return false;
}

static PPI_NOINLINE bool is(const struct ppi_value *key, const char *name)
{
    return key->text_length == strlen(name) && memcmp(key->text, name, key->text_length) == 0;
}

static PPI_NOINLINE void copy(char *out, size_t size, const struct ppi_value *value)
{
    snprintf(out, size, "%.*s", (int)value->text_length, value->text);
}

/* Takes pid, uid or sid, if the pair is one of them. */
static PPI_NOINLINE void take_who(const struct ppi_value *key, const struct ppi_value *value,
                                  pp_peer *who)
{
    if (value->kind == PPI_VALUE_NUMBER && is(key, "pid")) {
        who->pid = value->number;
        who->flags |= PP_PEER_PID;
    } else if (value->kind == PPI_VALUE_NUMBER && is(key, "uid")) {
        who->uid = (uint32_t)value->number;
        who->flags |= PP_PEER_UID;
    } else if (value->kind == PPI_VALUE_TEXT && is(key, "sid")) {
        copy(who->sid, sizeof who->sid, value);
        who->flags |= PP_PEER_SID;
    }
}

void ppi_read_sender(const uint8_t *data, size_t size, pp_sender *sender)
{
    struct pairs pairs = pairs_of(data, size);
    struct ppi_value key, value;
    struct ppi_slice bytes;
    pp_peer who = { 0 };

    *sender = (pp_sender){ 0 };
    while (next_pair(&pairs, &key, &value, &bytes)) {
        take_who(&key, &value, &who);
        if (value.kind == PPI_VALUE_NUMBER && is(&key, "from"))
            sender->from = value.number;
        else if (value.kind == PPI_VALUE_NUMBER && is(&key, "ts"))
            sender->time_ms = value.number;
        else if (value.kind == PPI_VALUE_TEXT && is(&key, "name"))
            copy(sender->name, sizeof sender->name, &value);
    }
    sender->flags = who.flags;
    sender->pid = who.pid;
    sender->uid = who.uid;
    memcpy(sender->sid, who.sid, sizeof sender->sid);
}

static void set_who(pp_identity *identity, const pp_peer *who)
{
    identity->flags = who->flags & (PP_PEER_PID | PP_PEER_UID | PP_PEER_SID);
    identity->pid = who->pid;
    identity->uid = who->uid;
    memcpy(identity->sid, who->sid, sizeof identity->sid);
}

/* {pid, uid or sid, exe} */
static void read_you(const struct ppi_slice *you, pp_identity *self)
{
    struct pairs pairs = pairs_of(you->data, you->size);
    struct ppi_value key, value;
    struct ppi_slice bytes;
    pp_peer who = { 0 };

    while (next_pair(&pairs, &key, &value, &bytes)) {
        take_who(&key, &value, &who);
        if (value.kind == PPI_VALUE_TEXT && is(&key, "exe"))
            copy(self->exe, sizeof self->exe, &value);
    }
    set_who(self, &who);
}

void ppi_client_note_hello(pp_client *client, const uint8_t *data, size_t size)
{
    struct pairs pairs = pairs_of(data, size);
    struct ppi_value key, value;
    struct ppi_slice bytes;

    client->self = (pp_identity){ .size = sizeof client->self };
    while (next_pair(&pairs, &key, &value, &bytes)) {
        if (value.kind == PPI_VALUE_NUMBER && is(&key, "id"))
            client->self.id = value.number;
        else if (is(&key, "you"))
            read_you(&bytes, &client->self);
    }
}

int pp_client_self(pp_client *client, pp_identity *self)
{
    if (client == NULL || self == NULL || self->size != sizeof *self)
        return ppi_fail(PP_EINVAL, "client and self.size must be set");
    ppi_mutex_lock(&client->lock);
    bool known = client->self.size != 0;
    if (known)
        *self = client->self;
    ppi_mutex_unlock(&client->lock);
    return known ? PP_OK : ppi_fail(PP_ECLOSED, "the client is not connected yet");
}

int pp_client_peer(pp_client *client, pp_identity *broker)
{
    pp_peer peer = { .size = sizeof peer };

    if (client == NULL || broker == NULL || broker->size != sizeof *broker)
        return ppi_fail(PP_EINVAL, "client and broker.size must be set");
    *broker = (pp_identity){ .size = sizeof *broker };
    ppi_mutex_lock(&client->lock);
    struct ppi_connection *connection = client->connection;
    int status = connection != NULL
                     ? ppi_link_who(&connection->link, &peer, broker->exe, sizeof broker->exe)
                     : PP_ECLOSED;
    ppi_mutex_unlock(&client->lock);
    if (status != PP_OK)
        return ppi_fail(PP_ECLOSED, "the client is not connected");
    set_who(broker, &peer);
    return PP_OK;
}
