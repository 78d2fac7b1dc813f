#!/usr/bin/python3
"""Every command of the program panpipe, in every way it can end. TABLE has a row for each command
and each of its words ("ls clients"); what there is comes from the program itself, so a new command
without a row fails. See support.py for the programs."""

import functools
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import msgpack
from schemas import (
    BENCH,
    CHECK,
    CLIENT,
    DOCTOR,
    ERROR,
    EVENT,
    RECORD,
    SERVICE,
    SHOWN_BROKER,
    SHOWN_CLIENT,
    STATS,
    SUB,
    SUBJECT,
    TOP,
    check_schema,
    count,
    number,
)
from support import (
    ON_WINE,
    PANPIPE,
    PATIENCE_S,
    Broker,
    Stranger,
    at_once,
    comes_true,
    end_of,
    eventually,
    finish,
    folder,
    interrupt,
    native,
    path,
    run_tests,
    start,
    test,
    unique,
)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
CODES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 130)
USERS = "users by number"
SOCKETS = "a Unix socket of our own"

# --- the broker that all of them look at ----------------------------------------------------------


class World:
    """A broker with a reader, a service, and some messages behind it."""

    def __init__(self):
        self.broker = Broker()
        self.got = open(path("got"), "wb")
        self.reader = self.broker.ready("sub", "w.>", "--as", "reader", stdout=self.got)
        self.adder = self.broker.ready(
            "serve", "w.sum", "--echo", "--as", "adder", "--doc", "adds"
        )
        done = self.run("pub", "w.a", "hello", "-n", "3", "--as", "writer")
        assert done.code == 0, done
        self.id = self.client("reader")["id"]

    def run(self, *arguments, **options):
        return self.broker.run(*arguments, **options)

    def client(self, name):
        rows = json.loads(self.run("ls", "clients", "--json").out)
        (row,) = [row for row in rows if row["name"] == name]
        return row


world = World()


def table_of(text):
    """A table as it is printed: a list of {title: cell}, by where the titles begin or end."""
    head, *lines = text.splitlines()
    spans = [found.span() for found in re.finditer(r"\S+(?: \S+)*", head)]
    rows = []
    for line in lines:
        cells = [(found.span(), found[0]) for found in re.finditer(r"\S+(?: \S+)*", line)]
        row = {}
        for begin, end in spans:
            under = [text for span, text in cells if span[0] == begin or span[1] == end]
            row[head[begin:end]] = under[0] if under else None
        rows.append(row)
    return rows


def record_of(text):
    """Lines of a name and a value, up to the first empty one."""
    lines = text.split("\n\n")[0].splitlines()
    return dict(re.split(r"  +", line, maxsplit=1) for line in lines)


# --- the rows -----------------------------------------------------------------------------------

TABLE = {}


class Row:
    """What a command does, and how it can end."""

    def __init__(self, words, ends, **more):
        self.words = words  # a use of it that ends, and well
        self.ends = ends  # by exit code: words that end so, a function, or why nothing can
        self.json = more.pop("json", None)  # "array", "object", "stream"; None: prints nothing
        self.schema = more.pop("schema", None)  # of the object, the array, or any of the stream's
        self.good = more.pop("good", lambda value: True)  # are the figures right?
        self.format = more.pop("format", None)  # a text, and what comes of it
        self.connects = more.pop("connects", True)
        self.operators = more.pop("operators", False)  # only the broker's user may
        self.waits = more.pop("waits", None)  # words with which it does not end by itself
        # what must be done before, or beside, with a Broker; it may give a process to be ended
        self.given = more.pop("given", None)
        self.own = more.pop("own", False)  # it needs a broker of its own
        self.settles = more.pop("settles", False)  # what it shows becomes true soon
        self.verdict = more.pop("verdict", False)  # it says on standard output what is wrong
        # the objects that --format is used on, of the JSON's value
        self.parts = more.pop("parts", lambda told: told if isinstance(told, list) else [told])
        assert not more, more
        self.text = None  # a function: is the text right that people get?


def row(name, words, ends, **more):
    def enter(text):
        TABLE[name] = Row(words, ends, **more)
        TABLE[name].text = text

    return enter


# Why an exit code cannot be.
SAYS_NOTHING = "it prints nothing that a full disk could refuse"
NO_SERVICE = "it calls no service"
NO_NAME = "it names nothing that may be missing"
NO_LIMIT = "it asks for nothing that has a limit"
ASKS_NOBODY = "it talks to no other program"
PLAIN = {5: NO_SERVICE, 7: NO_SERVICE, 8: NO_LIMIT, 11: NO_NAME}


@row(
    "pub",
    ["pub", "w.b", "x", "--confirm"],
    {
        5: ["pub", "nobody.there", "x", "--need-receiver"],
        7: NO_SERVICE,
        8: lambda more: world.run("pub", "w.b", *more, stdin=bytes(17 << 20)),
        11: NO_NAME,
    },
    json="stream",
    schema={"matched": count, "queued": count, "refused": count},
    good=lambda told: told == [{"matched": 1, "queued": 1, "refused": 0}],
    format=("{matched}/{queued:>3}", "1/  1\n"),
    waits=["pub", "w.b"],
)
def _(text):
    assert text == "matched 1  queued 1  refused 0\n", text


def publish_later(broker):
    """A message to those who subscribe."""
    words = ["--wait-subs", "1", "--timeout", "60s", "--as", "later"]
    return broker.start("pub", "v.x", "hello", *words)


def sub_meta(told):
    (message,) = told
    meta = message["meta"]
    return message["params"] == ["hello"] and meta["name"] == "later" and meta["pid"] > 0


@row(
    "sub",
    ["sub", "v.x", "-n", "1", "--meta"],
    {5: NO_SERVICE, 7: NO_SERVICE, 8: lambda more: too_many_subs(more), 11: NO_NAME},
    json="stream",
    schema={
        "subject": "v.x".__eq__,
        "params": list,
        "meta": {"from": count, "name": str, "pid": count, "ts": count, "uid?": count, "sid?": str},
    },
    good=sub_meta,
    format=("{subject} {meta.name:-7}={params.0:json}", 'v.x later  ="hello"\n'),
    given=publish_later,
    waits=["sub", "v.x"],
)
def _(text):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\S+Z later\[\d+\] .+\thello\n", text), text


def too_many_subs(more):
    other = Broker(settings="subs = 1;\n")
    return other.run("sub", "a", "b", *more)


@row(
    "req",
    ["req", "w.sum", "7"],
    {
        5: ["req", "w.nobody"],
        7: ["req", "w.fails", "x"],
        8: ["req", "$sys.tap", "@" + native(folder) + "/large"],
        11: ["req", "$unsub", "--in", "json", "[99]"],
    },
    json="stream",
    schema={"result": str},
    good=lambda told: told == [{"result": "7"}],
    format=("<{result:>3}>", "<  7>\n"),
    waits=["req", "w.never", "--wait", "60s"],
)
def _(text):
    assert text == "7\n", text


@row(
    "serve",
    ["serve", "v.served", "x", "-n", "1"],
    {
        1: lambda more: taken(more),
        5: NO_SERVICE,
        7: NO_SERVICE,
        8: ["serve", "v.served", "x", "--doc", "x" * 5000],
        11: NO_NAME,
    },
    given=lambda broker: broker.start("req", "v.served", "--wait", "60s"),
    waits=["serve", "v.served", "x"],
)
def _(text):
    assert text == "", text


def taken(more):
    pattern = unique("v")  # the broker need not know at once that the first is dead
    first = world.broker.ready("serve", pattern, "x", "--exclusive")
    done = world.run("serve", pattern, "y", *more)
    first.kill()
    return done


@row(
    "describe",
    ["describe", "w.sum"],
    {5: ["describe", "w.nobody"], 7: NO_SERVICE, 8: NO_LIMIT, 11: NO_NAME},
    json="array",
    schema=[SERVICE],
    good=lambda told: [(s["pattern"], s["name"], s["doc"]) for s in told]
    == [("w.sum", "adder", "adds")],
    format=("{pattern} {name} {doc}", "w.sum adder adds\n"),
)
def _(text):
    assert text == f"w.sum  by adder (client {world.client('adder')['id']})\n  adds\n", text


@row("stats", ["stats"], PLAIN, json="object", schema=STATS, operators=True,
     good=lambda told: told["subs"] >= 2 and told["pid"] == told["pid"] and told["lost"] == 0,
     format=("{workers} {lost}", r"\d+ 0\n"))
def _(text):
    record = record_of(text)
    assert record["lost"] == "0" and int(record["published"]) >= 3 and record["version"], text


def listed(name, **figures):
    """A check: one of the rows has that name, and these figures."""

    def good(rows):
        (found,) = [row for row in rows if row["name"] == name]
        return all(found[figure] == value for figure, value in figures.items())

    return good


@row("ls clients", ["ls", "clients"], PLAIN, json="array", schema=[CLIENT], operators=True,
     settles=True,
     good=listed("reader", subs=1, state="ok", published=0, lost=0, queued_bytes=0),
     format=("{name:8}|{state:>4}|{who.pid}", r"(.*\n)*reader  \|  ok\|\d+\n(.*\n)*"))
def _(text):
    (reader,) = [row for row in table_of(text) if row["NAME"] == "reader"]
    assert reader["STATE"] == "ok" and reader["SUBS"] == "1", reader
    assert ON_WINE or reader["PID"] == str(world.reader.pid), reader


@row("ls subs", ["ls", "subs"], PLAIN, json="array", schema=[SUB], operators=True,
     good=listed("reader", pattern="w.>", kind="sub", policy="block", lost=0, merged=0),
     format=("{pattern}:{kind}", r"(.*\n)*w\.>:sub\n(.*\n)*"))
def _(text):
    rows = {row["PATTERN"]: row for row in table_of(text)}
    assert rows["w.>"]["NAME"] == "reader" and rows["w.sum"]["KIND"] == "serve", rows


def trips(told):
    return [event.get("trip") for event in told] == [1, 2, None] and told[2]["trips"] == 2


@row("ping", ["ping", "-n", "2", "--interval", "1ms"], PLAIN, json="stream",
     schema={name + "?": number for name in "trip time_us trips min_us avg_us max_us".split()},
     good=trips, format=("{trip}", "1\n2\n"), waits=["ping", "-n", "100000"])
def _(text):
    assert re.fullmatch(r"trip 1  time .*\ntrip 2  time .*\ntrips 2  .*\n", text), text


def bench_row(kind, received):
    def good(told):
        return told["bench"] == kind and told["received"] == received and told["lost"] == 0

    @row(f"bench {kind}", ["bench", kind, "-n", "100"], PLAIN, json="object", schema=BENCH,
         good=good, format=("{bench} {received}", f"{kind} {received}\n"),
         waits=["bench", kind, "--for", "60s"])
    def _(text):
        assert record_of(text)["received"] == str(received), text


bench_row("pub", 100)
bench_row("fan", 400)
bench_row("req", 100)


@row("bench sub", ["bench", "sub", "v.many", "-n", "50"], PLAIN, json="object", schema=BENCH,
     good=lambda told: told["received"] == 50 and told["bench"] == "sub",
     format=("{bench} {received}", "sub 50\n"), waits=["bench", "sub", "v.many"],
     given=lambda broker: broker.start("pub", "v.many", "x" * 100, "-n", "50", "--wait-subs", "1",
                                       "--timeout", "60s"))
def _(text):
    assert record_of(text)["received"] == "50", text


def busiest(name):
    """A check: "w.a" was published three times, by a writer who has gone, to the reader."""

    def good(told):
        (found,) = [row for row in told if row["subject"] == name] if type(told) is list else [told]
        (sender,) = found["from"]
        size = 3 * len(msgpack.packb([2, name, ["hello"]]))
        figures = [found[k] for k in ("published", "deliveries", "no_receiver", "published_bytes")]
        assert figures == [3, 3, 0, size], (figures, size)
        assert sender["name"] is None and sender["messages"] == 3, sender
        return [to["name"] for to in found["to"]] == ["reader"] and found["receivers"] == 1

    return good


@row("ls subjects", ["ls", "subjects", "w.a"], {**PLAIN, 2: None}, json="array", schema=[SUBJECT],
     good=busiest("w.a"), format=("{subject}:{published}", r"w\.a:3\n"), operators=True)
def _(text):
    found = table_of(text)[0]
    assert (found["SUBJECT"], found["PUBLISHED"], found["TO"]) == ("w.a", "3", "reader"), text


@row("show client", ["show", "client", "reader"],
     {**PLAIN, 11: ["show", "client", "nobody"]}, json="object", schema=SHOWN_CLIENT,
     good=lambda told: told["name"] == "reader" and told["subscriptions"][0]["pattern"] == "w.>"
     and [event["event"] for event in told["events"]][-2:] == ["connect", "hello"],
     format=("{name} {subs}", "reader 1\n"), operators=True)
def _(text):
    assert record_of(text)["state"] == "ok" and "\nw.>  " in text, text


@row("show subject", ["show", "subject", "w.a"],
     {**PLAIN, 11: ["show", "subject", "W.a"]}, json="object", schema=SUBJECT,
     good=busiest("w.a"), format=("{subject} {deliveries}", r"w\.a 3\n"), operators=True)
def _(text):
    record = record_of(text)
    assert record["published"] == "3" and re.search(r"^ +\d+  reader  sub ", text, re.M), text


@row("show broker", ["show", "broker"], PLAIN, json="object", schema=SHOWN_BROKER, operators=True,
     good=lambda told: told["settings"]["queue_high"] == 4 << 20 and told["lost"] == 0,
     format=("{name} {settings.subs}", r"\S+ 1024\n"))
def _(text):
    assert record_of(text)["scope"] == "user" and "\nqueue_hard " in text, text


@row("monitor", ["monitor", "v.seen", "-n", "1"],
     {5: NO_SERVICE, 7: NO_SERVICE, 8: lambda more: too_many_taps(more), 11: NO_NAME},
     json="stream", schema=RECORD, good=lambda told: told[0]["params"] == ["hello"]
     and told[0]["size_bytes"] == 7 and told[0]["kind"] == "pub" and told[0]["to"] == 0,
     format=("{subject} {kind:>4} {name}", "v.seen  pub seen\n"), operators=True,
     waits=["monitor", "v.seen"], given=lambda broker: publish_until_over(broker))
def _(text):
    filter_line, line = text.splitlines()
    assert filter_line.startswith("# ") and "v.seen" in filter_line, text
    assert "seen[" in line and "hello" in line, text


def publish_until_over(broker):
    """Messages that whoever looks meanwhile sees."""
    return broker.start("pub", "v.seen", "hello", "-n", "100000", "--rate", "20", "--as", "seen")


def too_many_taps(more):
    """At most 16 may look at once."""
    others = [world.broker.ready("monitor", "v.none") for _ in range(16)]
    done = world.run("monitor", "v.none", *more)
    for other in others:
        other.kill()
    eventually(lambda: json.loads(world.run("stats", "--json").out)["taps"] == 0, "they have gone")
    return done


@row("events", ["events", "--kind", "hello", "-n", "1"], PLAIN, json="stream", schema=EVENT,
     good=lambda told: told[0]["event"] == "hello", format=("{event:>6}", " hello\n"),
     waits=["events", "-f", "--kind", "stop"], operators=True)
def _(text):
    assert re.fullmatch(r"\S+ .*hello.*panpipe-events.*\n", text), text


@row("kick", ["kick", "tired", "--text", "go home"],
     {**PLAIN, 1: SAYS_NOTHING, 2: ["kick", "twins"], 11: ["kick", "nobody"]}, operators=True,
     given=lambda broker: tire(broker), json="object", good=lambda told: told["name"] == "tired",
     schema={"client": count, "name": str, "pid": count}, format=("{name:>6}", " tired\n"))
def _(text):
    assert re.fullmatch(r"kicked tired \(client \d+, pid \d+\)\n", text), text


def tire(broker):
    broker.run("kick", "tired", "--all")
    eventually(lambda: b"tired" not in broker.run("ls", "clients").out, "it has gone")
    broker.ready("sub", "v.tired", "--as", "tired")


HELP = {3: ASKS_NOBODY, 4: ASKS_NOBODY, 6: ASKS_NOBODY, 9: ASKS_NOBODY, 130: ASKS_NOBODY, **PLAIN}


@row("help", ["help", "sub"], {1: "a full disk is tried below", **HELP,
     11: "an unknown command is wrong use"}, connects=False)
def _(text):
    assert text == help_of("sub"), text


@row("top", ["top", "-n", "1", "--interval", "50ms"], PLAIN, json="stream", schema=TOP,
     good=lambda told: listed("reader", published=0, slow=False)(told[0]["clients"]),
     format=("{interval_ms} {clients.0.name}", r"[\d.]+ reader\n"), operators=True,
     waits=["top", "-n", "100000"])
def _(text):
    (reader,) = [line for line in text.splitlines() if line.split()[1:2] == ["reader"]]
    assert reader.split()[-1] == "ok", text


def check_row(name, words):
    @row(name, words, {}, json="array", schema=[CHECK], verdict=True, settles=True,
         good=lambda told: {one["status"] for one in told} == {"ok"},
         format=("{check} {status}", r"(\w+ ok\n)+"))
    def _(text):
        assert all(re.match(r"\w+ +ok ", line) for line in text.splitlines()), text


check_row("check", ["check"])
for what in ("alive", "memory", "slow", "queues", "all"):
    check_row(f"check {what}", ["check", what])


@row("doctor", ["doctor"], {}, json="object", schema=DOCTOR, verdict=True, settles=True,
     good=lambda told: told["exit_code"] == 0 and told["checks"][0]["check"] == "place",
     parts=lambda told: told["checks"], format=("{check} {state}", r"(\w+ (ok|warn)\n)+"))
def _(text):
    assert re.search(r"^ok +answer ", text, flags=re.M), text


@row("errors", ["errors"], {**HELP, 11: ["errors", "E_NONE"]}, json="array", schema=[ERROR],
     connects=False, good=lambda told: {"E_SLOW", "E_GONE"} < {one["code"] for one in told},
     format=("{code} {exit}", r"(E_[A-Z]+ \d+\n)+"))
def _(text):
    (slow,) = [row for row in table_of(text) if row["CODE"] == "E_SLOW"]
    assert slow["EXIT"] == "8" and slow["HINT"], slow


@row("where", ["where"], HELP, json="object", schema={"path": str}, connects=False,
     format=("<{path}>", r"<.+>\n"))
def _(text):
    assert world.broker.name in text and text.count("\n") == 1, text


BYTES = "it passes bytes, whoever wrote them, and ends when one side does"


@row("stdio", ["stdio"], {1: BYTES, 6: BYTES, 9: BYTES, **PLAIN}, waits=["stdio"])
def _(text):
    assert text == "", text


@row("stop", ["stop"], {1: SAYS_NOTHING, **PLAIN}, operators=True, own=True)
def _(text):
    assert text == "", text


# --- running them ---------------------------------------------------------------------------------


@functools.cache
def help_of(name=None):
    done = end_of(start(PANPIPE + ([name] if name else []) + ["--help"]))
    assert done.code == 0 and not done.err, done
    return done.out.decode().replace("\r", "")


@functools.cache
def commands():
    """What the program says it has: {command: [its words]}."""
    text = help_of().split("\nOptions of every command")[0]
    names = re.findall(r"^  ([a-z-]+) +\S", text, flags=re.M)
    assert len(names) > 10, text
    found = {}
    for name in names:
        lines = help_of(name).split("\n\n")[2].splitlines()  # behind usage and summary
        words = [re.match(r"  ([a-z-]+)  +\S", line) for line in lines]
        found[name] = [word[1] for word in words] if all(words) else []
    return found


def each(check, wanted=lambda row: True):
    """Every row that is wanted; all that is wrong is said together."""
    wrong = []
    for name, row in TABLE.items():
        if wanted(row):
            try:
                checked(check, row)
            except Exception as error:  # so that one bad row does not hide the others
                wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)


def checked(check, row):
    """Of some thousand programs under Wine 8 one that is done dies in the loader. Then the row has
    a second try."""
    if row.settles:
        comes_true(lambda: check(row))
        return
    try:
        check(row)
    except AssertionError as error:
        if not ON_WINE or "Inconsistency detected by ld.so" not in str(error):
            raise
        check(row)


def use(row, *more, words=None, **options):
    """Runs the row's command, with what it needs."""
    broker = Broker() if row.own else world.broker
    other = row.given and row.given(broker)
    done = broker.run(*(words or row.words), *more, **options)
    if other:
        finish(other)
    return done


def expect_failure(done, code):
    """Said in one line, nothing on standard output."""
    assert done.code == code and not done.out, done
    assert re.fullmatch(r"panpipe: \S.*\n", done.err.replace("\r", "")), done


def only_filter(err):
    """The monitor's filter is told where it does not disturb."""
    return all(set(json.loads(line)) == {"filter"} for line in err.splitlines())


def expect_json_failure(done, code):
    assert done.code == code and not done.out, done
    *others, last = done.err.splitlines()
    assert only_filter("\n".join(others)), done
    error = json.loads(last)["error"]
    assert set(error) == {"code", "text", "hint"} and error["text"], done
    assert re.fullmatch("E_[A-Z]+", error["code"]), done


@test("every command, and every word of one, has a row")
def _():
    there = set()
    for command, words in commands().items():
        need_not = help_of(command).startswith(f"usage: panpipe {command} [")
        there |= {f"{command} {word}" for word in words}
        there |= {command} if need_not or not words else set()
    assert there == set(TABLE), (there - set(TABLE), set(TABLE) - there)


@test("each prints what it should")
def _():
    def check(row):
        done = use(row)
        assert done.code == 0 and not done.err, done
        row.text(done.out.decode().replace("\r\n", "\n"))

    each(check)


def told(out, kind):
    lines = out.decode().splitlines()
    assert kind == "stream" or len(lines) == 1, out
    values = [json.loads(line) for line in lines]
    if kind == "array":
        assert isinstance(values[0], list), out
    return values if kind == "stream" else values[0]


@test("each prints JSON with --json: lists one array, streams an object a line")
def _():
    def check(row):
        done = use(row, "--json")
        assert done.code == 0 and only_filter(done.err), done
        if row.json is None:
            assert done.out == b"" or not row.connects, done
            return
        value = told(done.out, row.json)
        for one in value if row.json == "stream" else [value]:
            check_schema(one, row.schema)
        assert row.good(value), value

    each(check)


@test("broker/SYS.md has every name that JSON has")
def _():
    with open(os.path.join(ROOT, "broker/SYS.md"), encoding="utf-8") as file:
        page = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`[^`]*`", file.read()))))
    for schema in (STATS, CLIENT, SUB, SUBJECT, EVENT):
        names = {name.rstrip("?") for name in schema}
        assert names <= page, names - page


@test("each prints with --format what is asked for")
def _():
    def check(row):
        text, pattern = row.format or ("{x}", "")
        done = use(row, "--format", text)
        if row.format is None:
            expect_failure(done, 2)
            return
        assert done.code == 0 and re.fullmatch(pattern, done.out.decode()), done

    each(check)


@test("each lists with --format help the fields that JSON has")
def _():
    def check(row):
        lines = use(row, "--format", "help").out.decode().splitlines()
        names = {line.split()[0].split(".")[0] for line in lines if line[:2] == "  "}
        value = told(use(row, "--json").out, row.json)
        for one in row.parts(value):
            assert set(one) <= names, (set(one) - names, names)

    each(check, lambda row: row.format)


@test("each says with --format that a field is unknown, and which one was meant")
def _():
    def check(row):
        field = re.search(r"\{([a-z_.]+)", row.format[0])[1]
        done = use(row, "--format", "{" + field[:-1] + "}")
        expect_failure(done, 2)
        assert f"did you mean {field}?" in done.err, done
        expect_failure(use(row, "--format", "{"), 2)

    each(check, lambda row: row.format)


@test("each prints nothing with --quiet")
def _():
    def check(row):
        done = use(row, "--quiet")
        assert done.code == 0 and done.out == b"" and not done.err, done

    each(check)


# --- how they end ---------------------------------------------------------------------------------


class Impostor:
    """Listens where no broker is, and says one thing to whoever connects."""

    def __init__(self, says=b"", hello=None):
        self.path = path("impostor.sock")
        self.says, self.hello = says, hello
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.connections = []
        self.thread = threading.Thread(target=self.answer, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)  # ends the accept
        self.thread.join()
        for end in (self.listener, *self.connections):
            end.close()

    def answer(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            if self.says:
                connection.sendall(self.says)
            if self.hello:
                threading.Thread(target=self.hello, args=(connection,), daemon=True).start()

    def run(self, *words, timeout="60s"):
        return end_of(start(PANPIPE + ["-b", self.path, "--timeout", timeout, *words]))


def two_ways(run, code):
    """The same failure in words, and as JSON."""
    expect_failure(run([]), code)
    expect_json_failure(run(["--json"]), code)


def connecting(row):
    return row.connects and not row.verdict


def speaking(row):
    """It knows what a broker says."""
    return connecting(row) and row.words != ["stdio"]


@test("exit code 2: each says which option it does not know, and takes no operand too many")
def _():
    def check(row):
        two_ways(lambda more: use(row, "--no-such-option", *more), 2)
        if not row.words[0] in ("sub", "monitor"):
            two_ways(lambda more: use(row, "one", "too", "many", *more), 2)

    each(check)


@test("exit code 3: each says that no broker is there, in the time given")
def _():
    def check(row):
        words = PANPIPE + ["-b", "e2e-nobody", "--timeout", "100ms"]
        begin = time.monotonic()
        two_ways(lambda more: end_of(start(words + row.words + more)), 3)
        assert time.monotonic() - begin < (20 if ON_WINE else 10), "else each waits for 5 s"

    each(check, connecting)


@test("exit code 4: who may not operate the broker is told, and who may not open it", USERS)
def _():
    with Stranger(65534) as stranger:
        shared = Broker("--system", name=os.path.join(stranger.folder, "all.sock"))
        private = Broker(name=os.path.join(stranger.folder, "own.sock"))

        def check(row):
            broker = shared if row.operators else private
            words = stranger.panpipe + ["-b", broker.name, *row.words]
            two_ways(lambda more: end_of(start(words + more)), 4)
            code = json.loads(end_of(start(words + ["--json"])).err)["error"]["code"]
            assert code == ("E_PERM" if row.operators else "E_ACCESS"), code

        each(check, connecting)


@test("exit code 6: each gives a broker up that does not answer", linux_only=SOCKETS)
def _():
    with Impostor() as deaf:
        each(lambda row: two_ways(lambda more: deaf.run(*row.words, *more, timeout="200ms"), 6),
             speaking)


@test("exit code 9: each says that it is no broker that listens", linux_only=SOCKETS)
def _():
    with Impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web:
        each(lambda row: two_ways(lambda more: web.run(*row.words, *more), 9), speaking)


@test("exit code 1: a full disk is an error of whoever prints", linux_only="/dev/full")
def _():
    def check(row):
        with open("/dev/full", "wb") as full:
            done = use(row, "--json", stdout=full)
        expect_json_failure(done, 1)
        assert '"E_IO"' in done.err, done

    each(check, lambda row: row.json)


@test("exit code 130: Ctrl-C ends each that waits for something, quietly")
def _():
    def check(row):
        name = unique("waits")
        process = world.broker.start(*row.waits, "--as", name, stdin=subprocess.PIPE)
        eventually(lambda: is_connected(world.broker, name, process), f"{row.waits} waits")
        interrupt(process)
        process.stdin.close()
        assert process.returncode == 130 and not process.stderr.read(), process.args

    each(check, lambda row: row.waits)


@test("exit code 130: Ctrl-C ends each that waits for a broker's answer", linux_only=SOCKETS)
def _():
    def check(row):
        with Impostor() as deaf:
            process = start(PANPIPE + ["-b", deaf.path, "--timeout", "60s", *row.words])
            eventually(lambda: deaf.connections, "it is connected")
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)
            assert process.returncode == 130 and not process.stderr.read(), process.args

    each(check, speaking)


def is_connected(broker, name, process):
    rows = json.loads(broker.run("ls", "clients", "--json").out)
    return process.poll() is not None or any(
        row["name"] == name
        or row["who"]["pid"] == process.pid
        or (ON_WINE and row["name"].startswith("pid-"))  # stdio, which has another number there
        for row in rows
    )


def prepare():
    """What the rows' other ends need."""
    with open(os.path.join(folder, "large"), "wb") as file:
        file.write(bytes(17 << 20))
    return [
        world.broker.ready("serve", "w.fails", "--exec", "exit 3"),
        world.broker.ready("sub", "v.none", "--as", "twins"),
        world.broker.ready("sub", "v.none", "--as", "twins"),
    ]


@test("the other exit codes: each that a command can end with, and the reason why not for all else")
def _():
    others = prepare()

    def check(row):
        for code in CODES:
            how = row.ends.get(code)
            if how is None:
                common = {0, 2} | ({1} if row.json else set())
                common |= {3, 4, 6, 9, 130} if row.connects else set()
                assert code in common, f"what about exit code {code}?"
            elif callable(how):
                two_ways(how, code)
            elif isinstance(how, list):
                two_ways(lambda more: world.run(*how, *more), code)

    each(check, lambda row: not row.verdict)
    for other in others:
        other.kill()


@test("check: its exit codes are its own, and it says what is wrong on standard output")
def _():
    nobody = PANPIPE + ["-b", "e2e-nobody", "--timeout", "100ms"]

    def ends(code, status, *words):
        done = world.run(*words, "--json")
        assert done.code == code and not done.err, done
        assert {one["status"] for one in json.loads(done.out)} == {status}, done
        assert status.lower() in world.run(*words).out.decode().lower()

    comes_true(lambda: ends(0, "ok", "check"))  # as soon as it answers within 100 ms
    ends(1, "warn", "check", "memory", "--warn", "1k")
    ends(2, "critical", "check", "memory", "--crit", "2k")
    ends(2, "critical", "check", "slow", "--crit", "0")
    for what, code in (("alive", 2), ("memory", 3), ("slow", 3), ("queues", 3), ("all", 2)):
        done = end_of(start(nobody + ["check", what]))
        assert done.code == code and done.out.startswith(b"" if what == "all" else what.encode())
        told = json.loads(end_of(start(nobody + ["check", what, "--json"])).out)
        check_schema(told, [CHECK])


@test("doctor: the exit code of what is wrong, and what to do", linux_only=SOCKETS)
def _():
    def check(code, where, timeout="60s"):
        words = PANPIPE + ["-b", where, "--timeout", timeout, "doctor"]
        done = end_of(start(words + ["--json"]))
        told = json.loads(done.out)
        check_schema(told, DOCTOR)
        assert done.code == told["exit_code"] == code and not done.err, done
        assert code == 0 or (told["state"], bool(told["do"])) == ("FAIL", True), told
        done = end_of(start(words))
        assert done.code == code and (code == 0) == (b"What is wrong" not in done.out), done

    check(0, world.broker.name)
    check(3, "e2e-nobody")
    with Impostor() as deaf, Impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n") as web:
        check(6, deaf.path, "300ms")
        check(9, web.path)


# --- what else goes wrong -------------------------------------------------------------------------


@test("closed standard output ends each quietly, with exit code 0")
def _():
    def check(row):
        broker = Broker() if row.own else world.broker
        other = row.given and row.given(broker)
        process = broker.start(*row.words)
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 0 and not process.stderr.read(), process.args
        if other:
            finish(other)

    each(check)


def answer_hello_then(last_words):
    """A broker that knows the greeting, and then ends."""

    def talk(connection):
        unpacker = msgpack.Unpacker()
        while block := connection.recv(65536):
            unpacker.feed(block)
            for message in unpacker:
                if message[0] == 0 and message[2] == "$hello":
                    connection.sendall(msgpack.packb([1, message[1], None, HELLO]))
                else:
                    connection.sendall(last_words)
                    connection.close()
                    return

    return talk


HELLO = None  # what a broker says to $hello; see below


def ask_hello():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(world.broker.socket())
        connection.sendall(msgpack.packb([0, 1, "$hello", [{"v": 1}]]))
        return msgpack.unpackb(connection.recv(65536))[3]


@test("a broker that dies when it is asked: exit code 3, and a word", linux_only=SOCKETS)
def _():
    global HELLO
    HELLO = ask_hello()

    def check(row):
        for more in ([], ["--json"]):
            done = dying.run(*row.words, *more)
            assert done.code == 3 and "broker" in done.err, done

    with Impostor(hello=answer_hello_then(b"")) as dying:
        each(check, speaking)


@test("a broker that is killed while they wait: exit code 3, and a word")
def _():
    def check(row):
        broker = Broker()
        name = unique("waits")
        process = broker.start(*row.waits, "--as", name, stdin=subprocess.PIPE)
        eventually(lambda: is_connected(broker, name, process), f"{row.waits} waits")
        broker.process.kill()
        code = process.wait(PATIENCE_S)
        said = process.stderr.read().decode()
        if row.words == ["stdio"]:
            assert code == 0, (code, said)
        else:
            assert code == 3 and "broker" in said and said.count("\n") == 1, (code, said)
        process.stdin.close()

    each(check, lambda row: row.waits)


# --- help, and mistakes ---------------------------------------------------------------------------


def mistyped(word):
    """The word with two letters swapped, or one more."""
    middle = len(word) // 2
    if len(word) < 4 or word[middle] == word[middle - 1]:
        return word + word[-1]
    return word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]


@test("a mistyped command, word or option: each is told what was meant")
def _():
    mistakes = []  # the words, and what is meant by the last
    for command, words in commands().items():
        mistakes.append(([mistyped(command)], command))
        mistakes += [([command, mistyped(word)], word) for word in words]
        options = re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", help_of(command), flags=re.M)
        mistakes += [([command, "--" + mistyped(name[2:])], name) for name in sorted(set(options))]
    assert len(mistakes) > 80, mistakes

    def problem(mistake):
        words, meant = mistake
        try:
            done = end_of(start(PANPIPE + ["-b", world.broker.name, *words]))
        except subprocess.TimeoutExpired as late:  # so that one does not hide the others
            return f"{words}: {late}"
        good = done.code == 2 and f"did you mean {meant}?" in done.err
        return None if good else f"{words}: {done}"

    wrong = [what for what in at_once(problem, mistakes) if what]
    assert not wrong, "\n".join(wrong)


def examples():
    """{command: [example]}"""
    found = {}
    for command in commands():
        behind = help_of(command).split("\nExamples:\n")[1]
        found[command] = re.findall(r"^  (.*panpipe.*)$", behind, flags=re.M)
    return found


@test("each has a help with examples, which run as they are", linux_only="a shell")
def _():
    tools = path("bin")
    os.mkdir(tools)
    os.symlink(os.path.abspath(PANPIPE[0]), os.path.join(tools, "panpipe"))
    lines = []
    for command, those in examples().items():
        assert those, command
        lines += those

    def problem(line):
        try:
            if " check" in line:  # ok as soon as the broker answers within 100 ms
                comes_true(lambda: run_example(line, tools))
            else:
                run_example(line, tools)
        except Exception as error:  # so that one bad row does not hide the others
            return f"{line}: {error}"

    wrong = [what for what in at_once(problem, lines) if what]
    assert not wrong, "\n".join(wrong)


def run_example(line, tools):
    """In a shell, with a broker of its own and who the examples speak of. One that does not end by
    itself must be connected."""
    broker = Broker()
    others = [Broker(name=name) for name in re.findall(r"-b (\w+)", line) if name != "default"]
    people = [
        broker.ready("sub", "ui.>", "--as", "ui"),
        broker.ready("serve", "svc.sum", "--echo", "--as", "updater"),
        *(broker.ready("sub", "jobs", "-g", "all", "--as", "worker") for _ in range(4)),
    ]
    home = path("home")
    os.mkdir(home)
    with open(os.path.join(home, "app.log"), "wb") as file:
        file.write(b"a line\n")
    environment = {**os.environ, "PATH": f"{tools}:/usr/bin:/bin", "PANPIPE": broker.name}
    process = start(
        ["bash", "-c", line], cwd=home, env=environment, start_new_session=True
    )

    def settled():
        if process.poll() is not None or broker.process.poll() is not None:
            return True
        rows = json.loads(broker.run("ls", "clients", "--json").out or "[]")
        return len(rows) > len(people) + 1

    eventually(settled, f"{line} does something")
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said = process.stderr.read().decode()
    assert process.returncode in (0, 130, -2, -9) and "panpipe:" not in said, (
        process.returncode, said)
    for one in people + [process, broker.process] + [other.process for other in others]:
        finish(one)


@test("the broker is well after all this, and ends well")
def _():
    for process in (world.reader, world.adder):
        process.kill()
    world.broker.stop()


run_tests()
