/* sub.c: prints what is published. While it waits in a write to a slow reader (stream.h), the
 * broker holds the publishers up. */
#include <panpipe/sys.h>

#include "body.h"
#include "commands.h"
#include "error.h"
#include "json.h"
#include "out.h"
#include "print.h"
#include "session.h"
#include "stream.h"
#include "value.h"

enum { POLICY_CUT = 1 };

static struct {
    uint64_t count;
    int for_ms;
    bool subject, meta, echo;
    const char *group, *ready;
    int policy;
} given;

static const char *const policies[] = { "block", "cut", NULL };

const struct option sub_options[] = {
    { 'g', "group", "NAME", "share the messages with the other members of a group", OPTION_TEXT,
      &given.group, NULL },
    { 'n', "count", "N", "end after N messages", OPTION_COUNT, &given.count, NULL },
    { 0, "for", "D", "end after a time, like 500ms, 2s or 1m", OPTION_TIME, &given.for_ms, NULL },
    { 0, "subject", NULL, "print the subject and a tab in front of each message", OPTION_FLAG,
      &given.subject, NULL },
    { 0, "meta", NULL, "print when, and who sent it, and a tab in front of each message",
      OPTION_FLAG, &given.meta, NULL },
    { 0, "echo", NULL, "also what this connection publishes itself", OPTION_FLAG, &given.echo,
      NULL },
    { 0, "policy", "P", "if it reads too slowly: block its publishers, or be cut", OPTION_WORD,
      &given.policy, policies },
    { 0, "ready", "FILE", "make an empty file when the subscriptions are active", OPTION_TEXT,
      &given.ready, NULL },
    { 0 },
};

static struct session session;
static struct stream messages;

static json_t *sender_as_json(const pp_sender *sender)
{
    json_t *object = json_must(json_object());

    json_object_set_new(object, "from", json_must(json_integer((json_int_t)sender->from)));
    json_object_set_new(object, "name", json_must(json_string(sender->name)));
    json_object_set_new(object, "pid", json_must(json_integer((json_int_t)sender->pid)));
    if ((sender->flags & PP_PEER_SID) != 0)
        json_object_set_new(object, "sid", json_must(json_string(sender->sid)));
    else
        json_object_set_new(object, "uid", json_must(json_integer(sender->uid)));
    json_object_set_new(object, "ts", json_must(json_integer((json_int_t)sender->time_ms)));
    return object;
}

/* "2026-11-22T03:15:57.120Z ui[4242] uid 1000" */
static void print_sender(const pp_sender *sender)
{
    char time[PP_TIME_TEXT];

    pp_time_text(sender->time_ms, time);
    out_format("%s %s[%llu] ", time, sender->name, (unsigned long long)sender->pid);
    if ((sender->flags & PP_PEER_SID) != 0)
        out_format("sid %s\t", sender->sid);
    else
        out_format("uid %u\t", (unsigned)sender->uid);
}

static void print_as_object(const pp_message *message)
{
    json_t *object = json_must(json_object());

    json_object_set_new(object, "subject",
                        json_must(json_stringn(message->subject, message->subject_length)));
    json_object_set_new(object, "params", json_from_value(message->params, message->params_size));
    if (message->sender != NULL)
        json_object_set_new(object, "meta", sender_as_json(message->sender));
    print_event(object);
    json_decref(object);
}

static void print_as_text(const pp_message *message)
{
    size_t count;
    const char *only = value_only_bytes(message->params, message->params_size, &count);
    static struct bytes line;

    if (message->sender != NULL)
        print_sender(message->sender);
    if (given.subject) {
        out_bytes(message->subject, message->subject_length);
        out_bytes("\t", 1);
    }
    if (only != NULL) {
        out_bytes(only, count);
    } else {
        line.size = 0;
        body_show_params(message->params, message->params_size, &line);
        out_bytes(line.data, line.size);
    }
    out_bytes("\n", 1);
}

static void on_message(void *context, const pp_message *message)
{
    (void)context;
    if (messages.over)
        return;
    print_is_text() ? print_as_text(message) : print_as_object(message);
    stream_printed(&messages);
}

static int subscribe(const char *pattern)
{
    pp_sub_config config = PP_SUB_CONFIG_INIT;

    config.group = given.group;
    config.flags = (given.echo ? PP_SUB_ECHO : 0) | (given.policy == POLICY_CUT ? PP_SUB_CUT : 0) |
                   (given.meta || print_uses("meta") ? PP_SUB_META : 0);
    config.on_message = on_message;
    return session_subscribe(&session, pattern, &config);
}

int sub(const struct cli *cli)
{
    stream_begin(&messages, &session, given.count);
    int code = session_open(&session, cli);
    for (int i = 0; i < cli->operand_count && code == GO_ON; i++)
        code = subscribe(cli->operands[i]);
    if (code == GO_ON)
        code = session_ready(&session, given.ready);
    if (code == GO_ON)
        code = stream_run(&messages, given.for_ms, "messages");
    return session_close(&session, code);
}
