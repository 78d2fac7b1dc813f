#!/usr/bin/python3
"""Looking at a broker and operating it with panpipe: ls, show, kick, stop, check, errors; --format,
and tables on a terminal. See support.py for where the programs come from."""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
import time

from support import (
    PANPIPE,
    PATIENCE_S,
    Broker,
    Stranger,
    comes_true,
    end_of,
    eventually,
    run_tests,
    start,
    test,
    unique,
)

broker = Broker()


def run(*arguments, **options):
    return broker.run(*arguments, **options)


def printed(*arguments, at=None):
    """What a command that succeeds prints, as text."""
    done = (at or broker).run(*arguments)
    assert done.code == 0 and not done.err, done
    return done.out.decode().replace("\r\n", "\n")


def objects(*arguments, at=None):
    return json.loads(printed(*arguments, "--json", at=at))


def expect_error(code, name, *arguments, words="", at=None):
    """A failure, once in words and once as JSON, with nothing on standard output."""
    done = (at or broker).run(*arguments)
    assert done.code == code and words in done.err and not done.out, done
    done = (at or broker).run(*arguments, "--json")
    error = json.loads(done.err)["error"]
    assert done.code == code and error["code"] == name and not done.out, done


def streamed(*arguments, at=None):
    return [json.loads(line) for line in printed(*arguments, "--json", at=at).splitlines()]


def rows_of(text):
    """A table as a list of lists; columns are two spaces apart at least."""
    return [re.split(r" {2,}", line.strip()) for line in text.splitlines()]


class Programs:
    """Who talks, in all tests of ls and show: a logger, a service, and what ui published."""

    def __init__(self):
        self.logger = broker.ready("sub", "ui.>", "--as", "logger")
        self.service = broker.ready("serve", "svc.sum", "3", "--as", "adder")
        self.ui = broker.start("pub", "ui.tick", "--as", "ui", stdin=subprocess.PIPE)
        self.ui.stdin.write(b"one\ntwo\nthree\n")
        self.ui.stdin.flush()
        for _ in range(3):
            assert self.logger.stdout.readline(), "it arrives"
        run("req", "svc.sum", "--as", "caller")

    def stop(self):
        for process in (self.ui, self.logger, self.service):
            process.kill()
            process.wait(PATIENCE_S)


programs = Programs()


def client(name, at=None):
    (row,) = [row for row in objects("ls", "clients", at=at) if row["name"] == name]
    return row


# --- ls ------------------------------------------------------------------------------------------


@test("ls clients is a table: who, since when, what it sends and gets, and its state")
def _():
    table = rows_of(printed("ls", "clients"))
    assert table[0][:4] == ["ID", "NAME", "PID", "USER"] and "STATE" in table[0], table
    (row,) = [row for row in table if "logger" in row]
    assert row[table[0].index("STATE")] == "ok" and "panpipe" in row[-1], row
    assert client("ui")["published"] == 3
    eventually(lambda: client("logger")["delivered"] == 3, "that they went out is counted")


@test("ls subs and ls subjects have who subscribed, who sends, and who gets it")
def _():
    assert ["ui.>", "sub"] in [row[:2] for row in rows_of(printed("ls", "subs"))]
    (row,) = [row for row in rows_of(printed("ls", "subjects")) if row[0] == "ui.tick"]
    assert row[1] == "3" and row[-2:] == ["ui", "logger"], row
    (row,) = [row for row in rows_of(printed("ls", "subjects")) if row[0] == "svc.sum"]
    assert row[2] == "1" and row[-1] == "adder", row
    (subject,) = objects("ls", "subjects", "ui.*")
    assert subject["subject"] == "ui.tick" and subject["receivers"] == 1, subject


@test("an operand that is no UTF-8 is refused, and not taken for none", linux_only="any bytes")
def _():
    for words in (["ls", "subjects"], ["show", "subject"], ["describe"]):
        expect_error(2, "E_ARG", *words, b"ui.\xff", words="is UTF-8")
    expect_error(2, "E_ARG", "kick", "ui", "--text", b"\xff", words="'text'")
    done = broker.run("where", "-b", b"/tmp/\xff", "--json")
    assert json.loads(done.out) == {"path": {"$bin": "L3RtcC//"}}, done


@test("--where keeps those for which all tests hold")
def _():
    for tests, names in (
        (["name=logger"], ["logger"]),
        (["subs>0"], ["logger", "adder"]),
        (["subs>0", "name!=adder"], ["logger"]),
        (["published>=3"], ["ui"]),
        (["bytes_in<1k", "subs=1"], ["logger", "adder"]),
        (["age_ms<1h", "published>2"], ["ui"]),
        (["queued_bytes>1M"], []),
        (["held_by=-", "published>0"], ["ui"]),
        (["state=OK", "name=Logger"], ["logger"]),  # tables say SLOW, JSON slow
    ):
        words = [word for test_ in tests for word in ("--where", test_)]
        got = [row["name"] for row in objects("ls", "clients", *words)]
        assert sorted(got) == sorted(names), (tests, got)
    for wrong in ("name", "=x", "nosuch=1", "subs>many", "subs==1"):
        expect_error(2, "E_USAGE", "ls", "clients", "--where", wrong)


@test("--sort takes fields, with - the largest first; -n the first of them")
def _():
    by_id = [row["id"] for row in objects("ls", "clients", "--sort", "id")]
    assert by_id == sorted(by_id) and len(by_id) >= 4
    down = objects("ls", "clients", "--sort", "-subs,name", "-n", "2")
    assert [row["name"] for row in down] == ["adder", "logger"], down
    assert objects("ls", "clients", "--sort", "-published", "-n1")[0]["name"] == "ui"
    absent = [row["oldest_ms"] for row in objects("ls", "clients", "--sort", "oldest_ms")]
    assert absent == sorted(absent, key=lambda ms: (ms is None, ms)), "nothing comes last"
    for wrong in ("id,nosuch", ",id", "id,,name", "-"):
        expect_error(2, "E_USAGE", "ls", "clients", "--sort", wrong, words="there is no field")


@test("--rate looks twice; a rate that is named asks for it")
def _():
    flood = broker.start("pub", "flood.x", "x", "-n", "1000000", "--rate", "500", "--as", "flood")
    eventually(lambda: objects("ls", "subjects", "flood.x"), "it has begun")
    table = rows_of(printed("ls", "subjects", "--rate", "200ms"))
    assert "PUBLISHED/S" in table[0], table

    def look_twice():  # it may have been held up between the two, or have to catch up
        busy = ["--sort", "-published_per_s", "-n", "1"]
        (row,) = objects("ls", "clients", "--rate", "300ms", *busy)
        assert row["name"] == "flood" and 100 < row["published_per_s"] < 1500, row
        (line,) = printed("ls", "subjects", "flood.*", "--format", "{published_per_s}").splitlines()
        assert 100 < float(line) < 1500, line

    comes_true(look_twice)
    flood.kill()


@test("ls says what it does not list")
def _():
    expect_error(2, "E_USAGE", "ls", "everything", words="clients|subs|subjects")
    expect_error(2, "E_USAGE", "ls", "clients", "ui", words="one too many")
    expect_error(2, "E_ARG", "ls", "subjects", "a..b")


# --- --format ------------------------------------------------------------------------------------


@test("--format: fields, widths, types, escapes")
def _():
    pid = client("ui")["who"]["pid"]
    for text, line in (
        ("{name}", "ui"),
        ("{name:6}|", "ui    |"),
        ("{name:-6}|{name:<6}|", "ui    |ui    |"),
        ("{name:>6}|", "    ui|"),
        ("{name:1}|", "ui|"),
        ("{name:json}", '"ui"'),
        ("{name:json:>6}|", '  "ui"|'),
        ("{who.pid}", str(pid)),
        ("{published:>4}{published:text}", "   33"),
        ("{oldest_ms}{held_by:json}", "-null"),
        ("{queued_bytes} {queued_bytes:text}", "0 0 B"),
        (r"a\tb\\{{{name}}}\n", "a\tb\\{ui}\n"),
    ):
        got = printed("ls", "clients", "--where", "name=ui", "--format", text)
        assert got == line + "\n", (text, got)
    assert json.loads(printed("show", "client", "ui", "--format", "{who:json}"))["pid"] == pid


@test("--format: times and sizes are shown with their unit")
def _():
    line = printed("ls", "clients", "--where", "name=ui", "--format", "{age_ms:text}").strip()
    assert re.fullmatch(r"[\d.]+ (ms|s)|\d+m\d\ds", line), line
    settings = "{settings.queue_high:bytes} {settings.stall_ms:ms}"
    assert printed("show", "broker", "--format", settings) == "4 MiB 10 s\n"
    events = printed("events", "--format", "{ts:time}", "-n", "1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\n", events), events


@test("--format of a stream: a line an object, nothing for one that has none of the fields")
def _():
    assert len(printed("ping", "-n", "3", "--interval", "1ms", "--format", "{trip}").split()) == 3
    text = "{subject} {meta.name}: {params.1.a:json}"
    sub = broker.ready("sub", "f.x", "-n", "1", "--format", text)
    run("pub", "f.x", "--in", "json", '[1, {"a": [true]}]', "--as", "sender")
    assert end_of(sub).out.decode() == "f.x sender: [true]\n"
    assert printed("req", "svc.sum", "--format", "<{result}>") == "<3>\n"
    assert printed("pub", "f.y", "x", "--confirm", "--format", "{matched}") == "0\n"


@test("--format shows whatever number or text a message brings, and no wrong one")
def _():
    text = "{params.0:text} {params.0:bytes} {params.0:ms} {params.0:time}"
    wanted = {
        "0": "0 0 B 0 s 1970-01-01T00:00:00.000Z",
        "-5000": "-5000 -5000 B -5 s -5000",
        "1e19": "10000000000000000000 9094947 TiB 10000000000000000 s 10000000000000000000",
        "-1e300": "-1e+300 -1e+300 B -1e+297 s -1e+300",
        "253402300799999": "253402300799999 230 TiB 2932896d23h 9999-12-31T23:59:59.999Z",
        "253402300800000": "253402300800000 230 TiB 2932897d00h 253402300800000",
        r'"a\u0000b"': "a b a b a b a b",
    }
    sub = broker.ready("sub", "f.any", "-n", str(len(wanted)), "--format", text)
    for value in wanted:
        assert run("pub", "f.any", "--in", "json", stdin=value.encode()).code == 0
    assert end_of(sub).out.decode().splitlines() == list(wanted.values())


@test("--format: what is wrong is said before anything is done")
def _():
    for text, words in (
        ("{nmae}", "did you mean name?"),
        ("{pid}", "did you mean who.pid?"),
        ("{xyzzy}", "help lists them"),
        ("{name:wide}", "no width"),
        ("{name:0}", "no width"),
        ("{name:501}", "no width"),
        ("{name", "no } behind"),
        ("name}", "no { before"),
        (r"\x", "only"),
        ("{}", "help lists them"),
    ):
        done = end_of(start(PANPIPE + ["-b", "e2e-nobody", "ls", "clients", "--format", text]))
        assert done.code == 2 and words in done.err and not done.out, (text, done)
    done = run("ls", "clients", "--format", "{id}", "--json")
    assert done.code == 2 and "one of them" in done.err, done
    assert "--format has nothing" in run("stdio", "--format", "x").err


@test("--format help lists the fields that --json has, of every list and record")
def _():
    for arguments in (["ls", "clients"], ["ls", "subs"], ["ls", "subjects"], ["stats"],
                      ["show", "client", "ui"], ["show", "subject", "ui.tick"],
                      ["show", "broker"], ["check"], ["errors"], ["where"]):
        listed = set(re.findall(r"^  (\S+)", printed(*arguments, "--format", "help"), re.M))
        shown = objects(*arguments)
        for name in shown[0] if isinstance(shown, list) else shown:
            assert name in listed, (arguments, name)
    assert "panpipe ls subs\n" in printed("ls", "--format", "help")


@test("--quiet prints nothing, whatever the form")
def _():
    for more in ([], ["--json"], ["--format", "{id}"]):
        assert printed("ls", "clients", "--quiet", *more) == ""


# --- a terminal ----------------------------------------------------------------------------------


def on_terminal(columns, *arguments):
    """What panpipe prints to a terminal that wide."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = start(PANPIPE + ["-b", broker.name, *arguments], stdout=its)
    os.close(its)
    text = b""
    try:
        while block := os.read(ours, 65536):
            text += block
    except OSError:  # Linux's way to say that it was closed
        pass
    os.close(ours)
    assert process.wait(PATIENCE_S) == 0, process.stderr.read()
    return text.decode().replace("\r\n", "\n")


@test("on a terminal a row fits its width, cut cells end with ~", "terminals of Linux")
def _():
    long = broker.ready("sub", "long." + "x" * 100, "--as", "n" * 60)
    eventually(lambda: len(objects("ls", "subs")) == 3, "those of the other tests are gone")
    wide = printed("ls", "subs")
    assert max(map(len, wide.splitlines())) > 200 and "~" not in wide
    cut = on_terminal(110, "ls", "subs")
    assert max(len(line) for line in cut.splitlines()) <= 110 and "~" in cut, cut
    assert "logger" in cut and len(cut.splitlines()) == len(wide.splitlines()), cut
    assert on_terminal(400, "ls", "subs") == printed("ls", "subs")
    assert "\x1b" not in cut
    for columns in (80, 40):  # too few for all of them: what matters least is left out
        for what in ("clients", "subs", "subjects"):
            rows = on_terminal(columns, "ls", what).splitlines()
            assert max(map(len, rows)) <= columns and len(rows) > 2, rows
        assert on_terminal(columns, "ls", "clients").splitlines()[0].split()[-1] == "STATE"
    assert on_terminal(40, "ls", "subs", "--json") == printed("ls", "subs", "--json")
    long.kill()


# --- show ----------------------------------------------------------------------------------------


@test("show client: by number, name or process; its subscriptions, subjects and events")
def _():
    row = client("ui")
    for word in (str(row["id"]), "ui", f"pid:{row['who']['pid']}"):
        shown = objects("show", "client", word)
        assert shown["id"] == row["id"], (word, shown)
        assert shown["publishes"] == [{"subject": "ui.tick", "messages": 3}], shown
        assert [event["event"] for event in shown["events"]] == ["connect", "hello"], shown
    shown = objects("show", "client", "logger")
    assert [sub["pattern"] for sub in shown["subscriptions"]] == ["ui.>"], shown
    text = printed("show", "client", "logger")
    assert re.search(r"^name +logger$", text, re.M) and "\nSubscriptions\nPATTERN" in text, text
    assert "\nEvents\n" in text and "Publishes" not in text, text
    assert "\nPublishes, or calls\nSUBJECT" in printed("show", "client", "ui")


@test("show client: nobody is exit code 11, several are exit code 2 with a list")
def _():
    for word in ("nobody", "99999", "18446744073709551617", "pid:1", "pid:0", "pid:x", "pid:"):
        expect_error(11, "E_NOTFOUND", "show", "client", word)
    twins = [broker.ready("sub", "t.x", "--as", "twin") for _ in range(2)]
    ids = [row["id"] for row in objects("ls", "clients", "--where", "name=twin")]
    several = f"2 clients are twin: {ids[0]}, {ids[1]}"
    expect_error(2, "E_USAGE", "show", "client", "twin", words=several)
    for twin in twins:
        twin.kill()
    expect_error(2, "E_USAGE", "show", "client", words="which client?")
    expect_error(2, "E_USAGE", "show", "queue", words="client")


@test("show subject: who sends, who gets it, figures; also if somebody only gets it, or only sends")
def _():
    shown = objects("show", "subject", "ui.tick")
    assert shown["published"] == 3 and shown["from"][0]["name"] == "ui", shown
    unused = objects("show", "subject", "ui.unused")
    assert set(shown) == set(unused) and unused["published"] == 0, unused
    assert [row["name"] for row in unused["to"]] == ["logger"] and unused["receivers"] == 1
    for subject, name in {"ui.a.b": "logger", "svc.sum": "adder"}.items():
        assert [row["name"] for row in objects("show", "subject", subject)["to"]] == [name], subject
    assert run("pub", "nowhere", "hello").code == 0
    unheard = objects("show", "subject", "nowhere")
    assert (unheard["published"], unheard["no_receiver"], unheard["to"]) == (1, 1, []), unheard
    text = printed("show", "subject", "ui.tick")
    assert "\nFrom\nCLIENT" in text and "\nTo\nCLIENT" in text, text
    for mistyped in ("ui", "Ui.tick", "svc.sum.x", "$x.y"):
        words = f"nobody has sent to {mistyped} lately, and nobody gets it"
        expect_error(11, "E_NOTFOUND", "show", "subject", mistyped, words=words)
    for pattern in ("ui.*", ">", "*.x"):
        expect_error(2, "E_USAGE", "show", "subject", pattern, words="is a pattern")


@test("show broker: counters and settings")
def _():
    other = Broker(settings="queue_high = 65536;\nqueue_low = 8192;\n")
    shown = objects("show", "broker", at=other)
    assert shown["settings"]["queue_high"] == 65536 and shown["name"] == other.name, shown
    text = printed("show", "broker", at=other)
    assert re.search(r"\nSettings\n(.*\n)*queue_high +65536\n", text), text
    assert "times" not in text and isinstance(shown["times"], list)
    other.stop()


# --- who holds whom up; kick ---------------------------------------------------------------------

# From queue_high down to queue_low is more than a reader that stands still can have taken before.
PATIENT = "queue_high = 4194304;\nqueue_low = 8192;\nstall_ms = 3600000;\nstall_rate = 0;\n"


@test("a slow reader is SLOW, who floods it is BLOCKED by it, until it is kicked")
def _():
    other = Broker(settings=PATIENT)
    stuck = other.ready("sub", "j.x", "--as", "stuck reader")
    flood = other.start("pub", "j.x", "y" * 1000, "-n", "20000", "--as", "flood")
    blocked = ["--where", "state=blocked", "--format", "{name} {held_by}"]
    eventually(lambda: printed("ls", "clients", *blocked, at=other), "it is held up")
    reader = client("stuck reader", at=other)
    assert printed("ls", "clients", *blocked, at=other) == f"flood {reader['id']}\n"
    table = printed("ls", "clients", at=other)
    assert "BLOCKED by stuck reader" in table and " SLOW " in table, table
    assert "BLOCKED by stuck reader" in printed("show", "client", "flood", at=other)
    shown = printed("show", "client", "stuck reader", at=other)
    assert re.search(r"\nHolds up\n.*\n *\d+  flood\n", shown), shown
    assert client("flood", at=other)["state"] == "blocked"
    done = other.run("check", "slow")
    assert done.code == 1 and b"warn" in done.out, done
    line = printed("kick", "stuck reader", "--text", "too slow for us", at=other)
    assert line.startswith("kicked stuck reader (client "), line
    assert flood.wait(PATIENCE_S) == 0
    assert end_of(stuck).code in (3, 4), "it may be too slow to hear why"
    (event,) = streamed("events", "--kind", "kick", at=other)
    assert event["client"] == reader["id"] and event["text"] == "too slow for us", event
    other.stop()


@test("kick: a name that several have needs --all, a process can be kept out")
def _():
    other = Broker()
    twins = [other.ready("sub", "x", "--as", "twin") for _ in range(2)]
    expect_error(2, "E_USAGE", "kick", "twin", words="2 clients are twin", at=other)
    assert all(twin.poll() is None for twin in twins), "nobody is kicked then"
    kicked = streamed("kick", "twin", "--all", at=other)
    assert [set(one) for one in kicked] == [{"client", "name", "pid"}] * 2, kicked
    for twin in twins:
        assert end_of(twin).code == 4
    expect_error(11, "E_NOTFOUND", "kick", "twin", "--all", at=other)
    expect_error(2, "E_USAGE", "kick", at=other)
    pipe = other.start("stdio", stdin=subprocess.PIPE)  # it does not come back by itself
    silent = ["ls", "clients", "--where", "hello=no"]
    raw = eventually(lambda: objects(*silent, at=other), "it is there")
    assert printed("kick", f"pid:{raw[0]['who']['pid']}", "--for", "1h", at=other)
    pipe.wait(PATIENCE_S)
    pipe.stdin.close()
    other.stop()


# --- stop ----------------------------------------------------------------------------------------


@test("stop --wait ends when the broker has gone, --drain says how long it may take")
def _():
    other = Broker()
    printed("stop", "--wait", at=other)
    assert other.process.wait(PATIENCE_S) == 0
    slow = Broker(settings=PATIENT)
    stuck = slow.ready("sub", "j.x", "--as", "stuck")
    flood = slow.start("pub", "j.x", "y" * 1000, "-n", "20000")
    those = ["ls", "clients", "--where", "state=slow", "--format", "{id}"]
    eventually(lambda: printed(*those, at=slow), "the reader is slow")
    begin = time.monotonic()
    printed("stop", "--drain", "400ms", "--wait", at=slow)
    assert 0.35 < time.monotonic() - begin < 30
    assert slow.process.wait(PATIENCE_S) == 0
    stuck.kill()
    assert flood.wait(PATIENCE_S) == 3
    expect_error(2, "E_USAGE", "stop", "--drain", "soon")


# --- check ---------------------------------------------------------------------------------------


def checked(*arguments, at=None):
    """The exit code, and {check: status}, which text and JSON agree about."""
    text = (at or broker).run("check", *arguments)
    done = (at or broker).run("check", *arguments, "--json")
    found = {row["check"]: row["status"] for row in json.loads(done.out)}
    lines = dict(row[:2] for row in rows_of(text.out.decode()))
    assert text.code == done.code and lines == found and not done.err, (text, done)
    return done.code, found


@test("check: a line each, 0 if all is well")
def _():
    well = {"alive": "ok", "memory": "ok", "slow": "ok", "queues": "ok"}

    def all_well():  # as soon as it answers within 100 ms
        assert checked() == (0, well) == checked("all")
        for name in well:
            assert checked(name) == (0, {name: "ok"})

    comes_true(all_well)


@test("check: 1 is a warning, 2 critical, from the limits given")
def _():
    assert checked("memory", "--warn", "1k") == (1, {"memory": "warn"})
    assert checked("memory", "--warn", "1k", "--crit", "100k") == (2, {"memory": "critical"})
    assert checked("memory", "--warn", "100G", "--crit", "200GiB") == (0, {"memory": "ok"})
    assert checked("alive", "--warn", "1ns", "--crit", "1h") == (1, {"alive": "warn"})
    assert checked("slow", "--crit", "0") == (2, {"slow": "critical"})
    assert checked("queues", "--warn", "0", "--crit", "1M") == (1, {"queues": "warn"})
    text = run("check", "memory", "--warn", "1k").out.decode()
    assert "warn from 1 KiB on" in text, text
    for wrong in (["--warn", "1k"], ["memory", "--warn", "2s"], ["alive", "--crit", "5M"],
                  ["memory", "--crit", "inf"], ["memory", "--warn", "nan"],
                  ["slow", "--warn", "x"], ["everything"]):
        done = run("check", *wrong)
        assert done.code == 2 and done.err and not done.out, done


@test("check without a broker: alive is critical, all else unknown")
def _():
    class Nobody:
        @staticmethod
        def run(*arguments):
            return end_of(start(PANPIPE + ["-b", "e2e-nobody", "--timeout", "50ms", *arguments]))

    unknown = {name: "unknown" for name in ("memory", "slow", "queues")}
    assert checked(at=Nobody) == (2, {"alive": "critical", **unknown})
    assert checked("memory", at=Nobody) == (3, {"memory": "unknown"})
    assert b"no broker is running" in Nobody.run("check", "alive").out


# --- errors --------------------------------------------------------------------------------------


@test("errors: each name once, with its exit code, what it means and what to do")
def _():
    rows = objects("errors")
    names = [row["code"] for row in rows]
    assert len(names) == len(set(names)) > 20 and {"E_SLOW", "E_NORESP"} < set(names), names
    assert all(row["text"] and row["exit"] > 0 for row in rows), rows
    (row,) = objects("errors", "E_NORESP")
    assert row["exit"] == 5 and row["hint"], row
    expect_error(11, "E_NOTFOUND", "errors", "E_XYZZY")


# --- nobody there, not permitted -----------------------------------------------------------------

COMMANDS = (
    ["ls", "clients"],
    ["ls", "subs"],
    ["ls", "subjects"],
    ["show", "client", "ui"],
    ["show", "subject", "a.b"],
    ["show", "broker"],
    ["kick", "ui"],
    ["stop"],
)


@test("without a broker each ends with exit code 3")
def _():
    for arguments in COMMANDS:
        words = PANPIPE + ["-b", unique("nobody"), "--timeout", "50ms", *arguments]
        done = end_of(start(words))
        assert done.code == 3 and "no broker is running" in done.err and not done.out, done
        done = end_of(start(words + ["--json"]))
        assert done.code == 3 and json.loads(done.err)["error"]["code"] == "E_NOBROKER", done


@test("who is not the operator gets exit code 4; only alive is known to check", "users by number")
def _():
    with Stranger() as stranger:
        name = os.path.join(stranger.folder, "all.sock")
        other = Broker("--system", name=name)
        # the broker is root's, so the stranger trusts it
        for arguments in COMMANDS:
            words = stranger.panpipe + ["-b", name, "--json", *arguments]
            done = end_of(start(words))
            assert done.code == 4 and json.loads(done.err)["error"]["code"] == "E_PERM", done
        done = end_of(start(stranger.panpipe + ["-b", name, "check", "--json"]))
        found = {row["check"]: row["status"] for row in json.loads(done.out)}
        assert done.code == 3 and found.pop("alive") == "ok", done
        assert set(found.values()) == {"unknown"}, found
        eventually(lambda: len(objects("ls", "clients", at=other)) == 1, "they are gone")
        other.stop()


@test("a closed standard output ends each quietly")
def _():
    for arguments in (*COMMANDS[:3], COMMANDS[5], ["check"], ["errors"], ["help"]):
        process = broker.start(*arguments)
        process.stdout.close()
        assert process.wait(PATIENCE_S) == 0 and not process.stderr.read(), arguments


run_tests()
