/* commands.c: the table of commands: --help, the manual and completions are made of it. */
#include "commands.h"

#include <string.h>

#include "error.h"
#include "fields.h"
#include "macros.h"

enum { NAMES_MAX = 40 };

const char *const command_groups[GROUP_COUNT] = { "Talk", "Look", "Measure", "Operate" };

static const struct command_word list_words[] = {
    { "clients", "who is connected", FIELDS_CLIENTS, OPERAND_NONE },
    { "subs", "who subscribed to what, and serves it", FIELDS_SUBS, OPERAND_NONE },
    { "subjects", "what is published and called; of those under a PATTERN", FIELDS_SUBJECTS,
      OPERAND_SUBJECT },
    { NULL, NULL, 0, OPERAND_NONE },
};

static const struct command_word show_words[] = {
    { "client", "a client, by ID, NAME or pid:N: what it gets, sends, holds up; its events",
      FIELDS_CLIENTS | FIELDS_CLIENT, OPERAND_CLIENT },
    { "subject", "who sends to a SUBJECT and who gets it; also if nobody used it yet",
      FIELDS_SUBJECTS, OPERAND_SUBJECT },
    { "broker", "its counters and its settings", FIELDS_STATS | FIELDS_BROKER, OPERAND_NONE },
    { NULL, NULL, 0, OPERAND_NONE },
};

static const struct command_word check_words[] = {
    { "alive", "does it answer, within 100ms (warn), 1s (crit)?", FIELDS_CHECKS, OPERAND_NONE },
    { "memory", "its memory: 256M, 1G", FIELDS_CHECKS, OPERAND_NONE },
    { "slow", "clients that read too slowly: 1, 10", FIELDS_CHECKS, OPERAND_NONE },
    { "queues", "the longest queue: queue_high, half way from there to queue_hard", FIELDS_CHECKS,
      OPERAND_NONE },
    { "all", "each of them (the default)", FIELDS_CHECKS, OPERAND_NONE },
    { NULL, NULL, 0, OPERAND_NONE },
};

static const struct command_word bench_words[] = {
    { "pub", "one publisher, one subscriber", FIELDS_BENCH, OPERAND_SUBJECT },
    { "sub", "counts what others publish", FIELDS_BENCH, OPERAND_SUBJECT },
    { "fan", "one publisher, many subscribers", FIELDS_BENCH, OPERAND_SUBJECT },
    { "req", "calls to a service of its own", FIELDS_BENCH, OPERAND_SUBJECT },
    { NULL, NULL, 0, OPERAND_NONE },
};

const struct command commands[] = {
    { .name = "pub",
      .summary = "publish messages",
      .group = GROUP_TALK,
      .synopsis = "SUBJECT [BODY|@FILE|-]",
      .operands_min = 1,
      .operands_max = 2,
      .first = OPERAND_SUBJECT,
      .next = OPERAND_BODY,
      .fields = FIELDS_RECEIPTS,
      .options = pub_options,
      .details =
          "BODY is a text, @FILE all of a file. Without one, or with -, each line of standard "
          "input\n"
          "is a message, without its newline; with --in msgpack, each value. A raw body, or the\n"
          "bytes that hex stands for, becomes one text if it is UTF-8, else one binary. A JSON\n"
          "body is the array of params, or one param; a MessagePack body the array.\n",
      .examples = "panpipe pub ui.tick 42\n"
                  "tail -f app.log | panpipe pub log.app\n",
      .exits = "5  --need-receiver: nobody got a message\n",
      .run = pub,
      .starts = true },
    { .name = "sub",
      .summary = "print the messages that are published",
      .group = GROUP_TALK,
      .synopsis = "SUBJECT...",
      .operands_min = 1,
      .operands_max = CLI_OPERANDS_MANY,
      .first = OPERAND_SUBJECT,
      .next = OPERAND_SUBJECT,
      .fields = FIELDS_MESSAGES,
      .options = sub_options,
      .details =
          "The token * in a SUBJECT stands for any one, > at its end for one or more: ui.* but "
          "not\n"
          "ui*. A message that is one text or binary is printed as it is, any other as a JSON\n"
          "array, each on a line. With --json a line is {\"subject\":...,\"params\":[...]}, "
          "binary is\n"
          "{\"$bin\":\"BASE64\"}.\n"
          "A slow reader of this output slows the publishers, unless --policy is cut.\n",
      .examples = "panpipe sub 'ui.>' --subject\n"
                  "panpipe sub 'ui.>' --format '{meta.ts:time} {meta.name:10} {params.0}'\n",
      .exits = "6  --count and --for: fewer messages came in that time\n",
      .run = sub,
      .starts = true },
    { .name = "req",
      .summary = "call a service and print its result",
      .group = GROUP_TALK,
      .synopsis = "SUBJECT [BODY|@FILE|-]",
      .operands_min = 1,
      .operands_max = 2,
      .first = OPERAND_SUBJECT,
      .next = OPERAND_BODY,
      .fields = FIELDS_RESULTS,
      .options = req_options,
      .details =
          "BODY is a text, @FILE all of a file, - all of standard input; without it there are no\n"
          "params. A subject that begins with $ is a question to the broker itself. --timeout is\n"
          "also the deadline for the answer.\n",
      .examples = "panpipe req svc.sum --in json '[1, 2]'\n",
      .run = req,
      .starts = true },
    { .name = "serve",
      .summary = "answer calls",
      .group = GROUP_TALK,
      .synopsis = "SUBJECT [BODY|@FILE]",
      .operands_min = 1,
      .operands_max = 2,
      .first = OPERAND_SUBJECT,
      .next = OPERAND_BODY,
      .options = serve_options,
      .details =
          "The answer is BODY; or with --echo the call's first param; or with --exec what a shell\n"
          "command prints, without its last newline. A command that fails answers with an error.\n"
          "Calls are answered one after the other; on Ctrl-C those that have come, for 2 seconds.\n"
          "--doc-json takes {\"text\": \"adds\", \"params\": [[\"a\", \"int\", \"one of them\"], "
          "...],\n"
          "\"result\": \"int\", \"errors\": [\"E_ARG no number\"]}, each of which may be left "
          "out.\n",
      .examples = "panpipe serve svc.upper --exec 'tr a-z A-Z'\n",
      .run = serve,
      .starts = true },
    { .name = "stdio",
      .summary = "join standard input and output to the broker",
      .group = GROUP_TALK,
      .synopsis = "",
      .details = "The bytes are MessagePack-RPC, as they are. It ends when either side ends: keep "
                 "standard\n"
                 "input open until you have your answers.\n",
      .examples = "panpipe stdio\n",
      .run = stream,
      .starts = true },
    { .name = "where",
      .summary = "print where the broker listens",
      .group = GROUP_TALK,
      .synopsis = "",
      .fields = FIELDS_PLACE,
      .details =
          "A client that uses no library of Panpipe's connects to this socket, or named pipe. "
          "Nobody\n"
          "need be there yet.\n",
      .examples = "panpipe where -b default\n",
      .run = where },
    { .name = "ls",
      .summary = "list clients, subscriptions or subjects",
      .group = GROUP_LOOK,
      .synopsis = "clients|subs|subjects [PATTERN]",
      .operands_min = 1,
      .operands_max = 2,
      .words = list_words,
      .options = ls_options,
      .details =
          "SLOW reads more slowly than is sent to it; BLOCKED is held up by the one it names.\n"
          "Fields are as --format help lists them. A field that ends with _per_s asks for --rate "
          "1s.\n",
      .examples = "panpipe ls clients --sort -queued_bytes\n"
                  "panpipe ls clients --where state=blocked --format '{name} {held_by}'\n"
                  "panpipe ls subjects 'ui.>' --sort -published_per_s -n 10\n",
      .run = list },
    { .name = "show",
      .summary = "tell all about a client, a subject, or the broker",
      .group = GROUP_LOOK,
      .synopsis = "client ID|NAME|pid:N, subject SUBJECT, broker",
      .operands_min = 1,
      .operands_max = 2,
      .words = show_words,
      .details = "",
      .examples = "panpipe show client ui\n"
                  "panpipe show subject ui.tick\n"
                  "panpipe show broker --format '{settings.queue_high}'\n",
      .exits = "2  several clients have that NAME, or process\n"
               "11 no client has it; nobody has sent to SUBJECT, and nobody gets it\n",
      .run = show },
    { .name = "describe",
      .summary = "tell what is served, and how to call it",
      .group = GROUP_LOOK,
      .synopsis = "[PATTERN]",
      .operands_max = 1,
      .first = OPERAND_SUBJECT,
      .fields = FIELDS_SERVICES,
      .details =
          "Of all services, or of those that a call under PATTERN may go to: svc.sum, svc.*, >.\n"
          "What a service tells about itself comes from its doc, see panpipe serve --help.\n",
      .examples = "panpipe describe 'svc.>'\n",
      .exits = "5  there is a PATTERN, and nobody serves it\n",
      .run = describe },
    { .name = "stats",
      .summary = "show the broker's counters",
      .group = GROUP_LOOK,
      .synopsis = "",
      .fields = FIELDS_STATS,
      .details = "",
      .examples = "panpipe stats --json\n",
      .run = stats },
    { .name = "top",
      .summary = "show who is there and what is going on, as it changes",
      .group = GROUP_LOOK,
      .synopsis = "",
      .fields = FIELDS_TOP,
      .options = top_options,
      .details =
          "A screen that is drawn anew each second; ? shows its keys. Without a terminal it "
          "prints\n"
          "one interval and ends; with --json an object for each, {interval_ms, stats, clients,\n"
          "subjects}: the broker's fields, and in_per_s, out_per_s, p50_us, slow, blocked and so "
          "on.\n"
          "SLOW: its queue is too long, or others have to wait for it. BLOCKED by somebody: what "
          "it\n"
          "sends waited for more than a tenth of the time, or does now.\n",
      .examples = "panpipe top --sort queue\n"
                  "panpipe top -n 1 --json\n",
      .run = top },
    { .name = "monitor",
      .summary = "print every message as it is routed",
      .group = GROUP_LOOK,
      .synopsis = "[FILTER...]",
      .operands_max = CLI_OPERANDS_MANY,
      .first = OPERAND_SUBJECT,
      .next = OPERAND_TEXT,
      .fields = FIELDS_RECORDS,
      .options = monitor_options,
      .details =
          "FILTER is words that must all be true. Quote them: > and < are the shell's, too.\n"
          "  subj:PATTERN, or just PATTERN   the subject; * and > alone: everything\n"
          "  from:X  to:X                    a client: its number, its name, or pid:812\n"
          "  kind:pub|call|answer|error      req is call\n"
          "  'size:>64k'  'size:<=1m'        bytes of the params\n"
          "  drop:yes                        somebody was refused it, or nobody was there\n"
          "The first line, behind #, is the filter as the broker understood it; with --json or\n"
          "--format it goes to standard error. The broker waits for no monitor: what a slow one\n"
          "missed is a line of its own, with --json {\"missed\":N}.\n",
      .examples = "panpipe monitor 'ui.>' from:updater 'size:>1k'\n"
                  "panpipe monitor kind:error --json\n",
      .exits = "6  --count and --for: fewer messages came in that time\n",
      .run = monitor },
    { .name = "events",
      .summary = "tell who came and went, and why, and what went wrong",
      .group = GROUP_LOOK,
      .synopsis = "",
      .fields = FIELDS_EVENTS,
      .options = events_options,
      .details =
          "Events are connect, hello, close (why: goodbye, gone, or an error's name), slow, easy,\n"
          "cut, denied, lost, kick, stop. The broker remembers 4,000 of who comes, and who says\n"
          "goodbye, and 4,000 of all else. The newest is the last.\n"
          "--json prints an object a line.\n",
      .examples = "panpipe events --since 10m\n"
                  "panpipe events -f --kind close,cut,denied\n",
      .exits = "6  --follow, --count and --for: fewer events came in that time\n",
      .run = events },
    { .name = "doctor",
      .summary = "find out why a broker cannot be reached",
      .group = GROUP_LOOK,
      .synopsis = "",
      .fields = FIELDS_FINDINGS,
      .details =
          "Looks at the place, who listens there, whether you may open it, what else runs, "
          "whether\n"
          "a broker would be started and how the last start went, and at limits: ok, warn or "
          "FAIL,\n"
          "what was found, and what to do. It works without a broker, starts none, and sends\n"
          "nothing to another user's program. --timeout: how long to wait for an answer (2s).\n"
          "The exit code is that of the first failure; with warnings only it is 0.\n",
      .examples = "panpipe doctor\n"
                  "panpipe doctor -b mine --json\n",
      .run = doctor },
    { .name = "ping",
      .summary = "measure round trips to the broker",
      .group = GROUP_MEASURE,
      .synopsis = "",
      .fields = FIELDS_TRIPS,
      .options = ping_options,
      .details = "",
      .examples = "panpipe ping -n 10\n",
      .run = ping },
    { .name = "bench",
      .summary = "measure the broker on this machine",
      .group = GROUP_MEASURE,
      .synopsis = "pub|sub|fan|req [SUBJECT]",
      .operands_min = 1,
      .operands_max = 2,
      .words = bench_words,
      .options = bench_options,
      .details =
          "fan has --clients subscribers. Times are from call to callback (req: round trips); "
          "mind\n"
          "that at full speed messages wait in queues: --rate shows the times of a broker at "
          "ease.\n",
      .examples = "panpipe bench pub --for 2s\n",
      .exits = "1  a message was lost, or came out of order\n",
      .run = bench,
      .starts = true },
    { .name = "stop",
      .summary = "let the broker send what is queued and leave",
      .group = GROUP_OPERATE,
      .synopsis = "",
      .options = stop_options,
      .details =
          "Its clients are told. Of what is queued nothing is lost, if it goes out in time.\n",
      .examples = "panpipe stop --drain 10s --wait\n",
      .run = stop },
    { .name = "kick",
      .summary = "cut a client's connection",
      .group = GROUP_OPERATE,
      .synopsis = "ID|NAME|pid:N",
      .operands_min = 1,
      .operands_max = 1,
      .first = OPERAND_CLIENT,
      .fields = FIELDS_KICKED,
      .options = kick_options,
      .details =
          "The client gets the error E_PERM, with --text. Many connect again by themselves:\n"
          "--for keeps their process out. A client's ID is never used again, and it is the ID\n"
          "that is kicked: NAME and pid:N are those who have it when the clients are listed.\n"
          "--for goes by the process's number and its user: who gets that number meanwhile\n"
          "stays out, too.\n",
      .examples = "panpipe kick 7\n"
                  "panpipe kick worker --all --text 'too old' --for 10m\n",
      .exits = "2  several clients have that NAME, or process, and --all was not given\n"
               "11 no client has it\n",
      .run = kick },
    { .name = "check",
      .summary = "tell in an exit code whether the broker is well",
      .group = GROUP_OPERATE,
      .synopsis = "[alive|memory|slow|queues|all]",
      .operands_max = 1,
      .words = check_words,
      .fields = FIELDS_CHECKS,
      .options = check_options,
      .details = "A line for each check, on standard output, also without a broker.\n",
      .examples = "panpipe check\n"
                  "panpipe check memory --warn 64M --crit 128M --json\n",
      .exits = "0  all is well\n"
               "1  something is at --warn, or above\n"
               "2  something is at --crit, or above; or alive: no broker answers; or wrong use\n"
               "3  something cannot be found out: no broker, or not permitted\n"
               "   Of several the worst: 2, then 1, then 3.\n",
      .run = check },
    { .name = "errors",
      .summary = "explain the names of errors",
      .group = GROUP_OPERATE,
      .synopsis = "[CODE]",
      .operands_max = 1,
      .first = OPERAND_TEXT,
      .fields = FIELDS_ERRORS,
      .details = "",
      .examples = "panpipe errors E_SLOW\n",
      .exits = "11 there is no such error\n",
      .run = errors },
    { .name = "help",
      .summary = "explain a command, print manual pages and completions",
      .group = GROUP_OPERATE,
      .synopsis = "[COMMAND]",
      .operands_max = 1,
      .first = OPERAND_COMMAND,
      .options = help_options,
      .details = "What --man and --completion print comes with an installation.\n",
      .examples = "panpipe help sub\n"
                  "eval \"$(panpipe help --completion bash)\"\n",
      .run = help },
    { .name = NULL },
};

const struct command *command_find(const char *name)
{
    for (const struct command *at = commands; at->name != NULL; at++)
        if (strcmp(at->name, name) == 0)
            return at;
    return NULL;
}

int command_unknown(const char *name)
{
    const char *names[NAMES_MAX + 1] = { NULL };

    for (size_t i = 0; i < NAMES_MAX && commands[i].name != NULL; i++)
        names[i] = commands[i].name;
    const char *meant = options_meant(name, names);
    if (meant != NULL)
        return error_use("unknown command %.60s; did you mean %s?", name, meant);
    return error_use("unknown command %.60s", name);
}

int command_word(const struct command *command, const char *name)
{
    const char *names[NAMES_MAX + 1] = { NULL };

    for (int i = 0; i < NAMES_MAX && command->words[i].name != NULL; i++) {
        names[i] = command->words[i].name;
        if (strcmp(names[i], name) == 0)
            return i;
    }
    const char *meant = options_meant(name, names);
    if (meant != NULL)
        error_use("\"%.60s\" is not known; did you mean %s?", name, meant);
    else
        error_use("\"%.60s\" is not known: panpipe %s %s", name, command->name, command->synopsis);
    return -1;
}
