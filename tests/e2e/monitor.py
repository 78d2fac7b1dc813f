#!/usr/bin/python3
"""panpipe monitor and events against a real broker: every kind of record and of event, each word of
a filter, what is missed, and how they end. Also the bars of bench and pub, on a terminal. See
support.py for where the programs come from."""

import base64
import json
import os
import queue
import re
import signal
import struct
import subprocess
import threading
import time

import msgpack
from support import (
    PANPIPE,
    Broker,
    Stranger,
    connect,
    end_of,
    eventually,
    file_with,
    native,
    run_tests,
    start,
    test,
    unique,
)

SIGNALS = "there nobody can stop or interrupt it from outside"
broker = Broker()


def run(*arguments, **options):
    done = broker.run(*arguments, **options)
    assert done.code == 0, (arguments, done)
    return done


def expect_error(code, name, *arguments, to=broker):
    done = to.run(*arguments, "--json")
    assert done.code == code and not done.out, done
    error = json.loads(done.err.splitlines()[-1])["error"]
    assert error["code"] == name and error["text"], done
    return error["text"]


def objects(out):
    return [json.loads(line) for line in out.decode().splitlines()]


def clients(name):
    rows = json.loads(run("ls", "clients", "--json").out)
    return [row for row in rows if row["name"] == name]


def watch(*words, count, act, to=broker):
    """What monitor prints of what act() does, as JSON."""
    monitor = to.ready("monitor", *words, "-n", str(count), "--json")
    act()
    done = end_of(monitor)
    assert done.code == 0, done
    return objects(done.out)


# --- records -------------------------------------------------------------------------------------


@test("a message is a line: when, kind, from whom, subject, size, to whom, body")
def _():
    subs = [broker.ready("sub", "r.line", "-n", "1", "--as", name) for name in ("logger", "screen")]
    monitor = broker.ready("monitor", "r.line", "-n", "1")
    run("pub", "r.line", "hello", "--as", "ui")
    done = end_of(monitor)
    assert done.code == 0 and not done.err, done
    echo, line = done.out.decode().splitlines()
    assert echo == "# subj:r.line", echo
    time, kind, sender, subject, size, unit, *rest = line.split()
    assert time[2] == ":" and time.endswith("Z") and kind == "pub" and subject == "r.line", line
    assert sender.startswith("ui[") and size + unit == "7B", line
    assert " ".join(rest) in ("-> 2 logger, screen hello", "-> 2 screen, logger hello"), line
    for sub in subs:
        assert end_of(sub).code == 0


@test("every kind is shown: pub, call, its answer, an error, and what nobody gets")
def _():
    service = broker.ready("serve", "r.sum", "--in", "json", "3", "--as", "adder")

    def act():
        run("pub", "r.nobody", "x", "--as", "ui")
        run("req", "r.sum", "--in", "json", "[1, 2]", "--as", "ui")
        assert broker.run("req", "r.none", "x", "--as", "ui").code == 5

    pub, call, answer, none, error = watch("r.>", count=5, act=act)
    assert [r["n"] for r in (pub, call, answer, none, error)] == [1, 2, 3, 4, 5]
    assert (pub["kind"], pub["subject"], pub["params"]) == ("pub", "r.nobody", ["x"]), pub
    assert (pub["name"], pub["size_bytes"], pub["to"], pub["refused"]) == ("ui", 3, 0, 0), pub
    assert (call["kind"], call["name"], call["params"]) == ("call", "ui", [1, 2]), call
    assert call["to"] == 1 and call["receivers"] == [[answer["from"], "adder"]], call
    assert (answer["kind"], answer["name"], answer["result"]) == ("answer", "adder", 3), answer
    assert answer["subject"] == "r.sum" and answer["time_us"] > 0, answer
    assert answer["receivers"] == [[call["from"], "ui"]], answer
    assert (none["kind"], none["to"]) == ("call", 0), none
    assert error["kind"] == "error" and "E_NORESP" in error["error"], error
    service.kill()


@test("an answer's line has its result, and the time since the call")
def _():
    service = broker.ready("serve", "r.timed", "result", "--as", "adder")
    monitor = broker.ready("monitor", "kind:answer", "r.timed", "-n", "1")
    run("req", "r.timed")
    line = end_of(monitor).out.decode().splitlines()[1]
    assert "-> 1 panpipe-req  after " in line and line.endswith("  result"), line
    service.kill()


@test("a record has the fields that SYS.md names; a whole body is decoded, a cut one is base64")
def _():
    names = {"n", "ts", "kind", "subject", "from", "name", "pid", "size_bytes", "to", "refused"}
    names |= {"receivers", "whole", "time_us"}
    body = json.dumps({"a": [1, None, True], "b": "\u00e4" * 40})

    def act():
        run("pub", "r.body", "--in", "json", body)

    (whole,) = watch("r.body", count=1, act=act)
    assert set(whole) == names | {"params"} and whole["whole"] is True, whole
    assert whole["params"] == [json.loads(body)], whole
    (cut,) = watch("r.body", "--body", "20", count=1, act=act)
    assert set(cut) == names | {"body"} and cut["whole"] is False, cut
    packed = msgpack.packb([json.loads(body)])
    assert base64.b64decode(cut["body"]) == packed[:20] and cut["size_bytes"] == len(packed), cut


@test("of a cut body the line shows what is there")
def _():
    monitor = broker.ready("monitor", "r.cut", "-n", "2", "--body", "10")
    run("pub", "r.cut", "abcdefghijklmnop")
    run("pub", "r.cut", "--in", "json", '[1, {"key": [2, 3, 4, 5, 6]}]')
    lines = end_of(monitor).out.decode().splitlines()[1:]
    assert lines[0].endswith("  abcdefgh\u2026"), lines
    assert lines[1].endswith('  [1,{"key":[2,3,\u2026'), lines


@test("nothing in a message does anything to the terminal")
def _():
    monitor = broker.ready("monitor", "r.evil", "-n", "1")
    evil = native(file_with(b"\x1b[2J\r\n\x07\xc2\x9bJ"))
    run("pub", "r.evil", "@" + evil, "--as", "x\u009by")
    out = end_of(monitor).out
    assert out.count(b"\n") == 2 and not set(out) & {0x1B, 0x07, 0x0D}, out
    assert b"\xc2\x9b" not in out, out


@test("--format prints the fields that are asked for, the body as text")
def _():
    monitor = broker.ready(
        *("monitor", "r.form", "-n", "2", "--format", "{kind}|{name:8}|{size_bytes:>4}|{text}")
    )
    run("pub", "r.form", "plain", "--as", "ui")
    run("pub", "r.form", "--in", "json", "[1, 2]", "--as", "ui")
    done = end_of(monitor)
    assert done.out.decode().splitlines() == ["pub|ui      |   7|plain", "pub|ui      |   3|[1,2]"]
    assert done.err.splitlines() == ["# subj:r.form"], done


# --- filters -------------------------------------------------------------------------------------


@test("the filter, as the broker understood it, is the first line; as JSON on standard error")
def _():
    words = ["subj:r.*", "from:ui to:pid:812", "kind:req", "size:>=1k", "size:<64k", "drop:yes"]
    out = run("monitor", *words, "--for", "10ms").out.decode()
    want = "subj:r.* from:ui to:pid:812 kind:call size:>=1024 size:<=65535 drop:yes"
    assert out == f"# {want}\n", out
    assert run("monitor", "--for", "10ms").out.decode() == "# everything\n"
    done = run("monitor", *words, "--for", "10ms", "--json")
    told = json.loads(done.err)["filter"]
    assert not done.out and told["kind"] == "call" and told["size_min"] == 1024, done


def expect_only(words, others, wanted):
    """Of what others() and then wanted() do, the filter lets the first of wanted by."""
    monitor = broker.ready("monitor", *words, "-n", "1", "--json")
    for other in others:
        other()
    wanted()
    (record,) = objects(end_of(monitor).out)
    said = record.get("params", record.get("result", record.get("error")))
    assert "wanted" in json.dumps(said), (words, record)


def publishes(subject, body, *options):
    return lambda: run("pub", subject, body, *options)


def calls(subject, body):
    return lambda: broker.run("req", subject, body)


@test("subj: and a bare word are patterns; * and > are everything")
def _():
    wanted = publishes("f.a", "wanted")
    expect_only(["subj:f.a"], [publishes("f.b", "x")], wanted)
    expect_only(["f.*"], [publishes("g.a", "x"), publishes("f.a.b", "x")], wanted)
    expect_only([">"], [], wanted)
    expect_only(["*"], [], publishes("f.deep.er", "wanted"))


@test("from: is a name, a client's number or a process")
def _():
    name = unique("talker")
    talker = broker.start("pub", "f.talk", "--as", name, stdin=subprocess.PIPE)
    (row,) = eventually(lambda: clients(name), "it is connected")

    def wanted():
        talker.stdin.write(b"wanted\n")
        talker.stdin.flush()

    others = [publishes("f.talk", "x", "--as", "other")]
    for who in (name, row["id"], f"pid:{row['who']['pid']}"):
        expect_only([f"from:{who}"], others, wanted)
    talker.stdin.close()
    assert talker.wait() == 0


@test("to: is who gets it: a name, a client's number or a process")
def _():
    name = unique("listener")
    subs = [broker.ready("sub", "f.to", "--as", name), broker.ready("sub", "f.else")]
    (row,) = clients(name)
    for who in (name, row["id"], f"pid:{row['who']['pid']}"):
        expect_only([f"to:{who}"], [publishes("f.else", "x")], publishes("f.to", "wanted"))
    for sub in subs:
        sub.kill()


@test("kind: chooses one of the four kinds")
def _():
    service = broker.ready("serve", "f.echo", "--echo")
    pub, call = publishes("f.kind", "wanted"), calls("f.echo", "wanted")
    others = publishes("f.kind", "x")
    expect_only(["kind:pub"], [calls("f.echo", "x")], pub)
    expect_only(["kind:call"], [others], call)
    expect_only(["kind:req"], [others], call)
    expect_only(["kind:answer"], [others, calls("f.none", "x")], call)
    expect_only(["kind:error"], [others, calls("f.echo", "x")], calls("f.wanted", "x"))
    service.kill()


@test("size: is above or below so many bytes")
def _():
    small, large = "x", "x" * 2000
    wanted = publishes("f.s", "wanted")  # 8 bytes of params
    wanted_large = publishes("f.s", "wanted" + large)
    expect_only(["size:>1k", "--body", "5000"], [publishes("f.s", small)], wanted_large)
    expect_only(["size:<1k"], [publishes("f.s", large)], wanted)
    expect_only(["size:>=8", "size:<=8"], [publishes("f.s", "x" * 7)], wanted)


@test("drop:yes is what nobody got")
def _():
    sub = broker.ready("sub", "f.heard")
    expect_only(["drop:yes"], [publishes("f.heard", "x")], publishes("f.unheard", "wanted"))
    sub.kill()


@test("words are ANDed, in one operand or several")
def _():
    words = ["from:alpha", "size:>10", "f.and"]
    others = [
        publishes("f.and", "x" * 20, "--as", "beta"),
        publishes("f.and", "x", "--as", "alpha"),
        publishes("f.or", "x" * 20, "--as", "alpha"),
    ]
    wanted = publishes("f.and", "wanted" + "x" * 20, "--as", "alpha")
    expect_only(words, others, wanted)
    expect_only([" ".join(words)], others, wanted)


@test("a mistake in a filter is wrong use, and what was meant is suggested")
def _():
    for words, said in (
        (["sub:x"], "did you mean subj:?"),
        (["kind:reqest"], "did you mean kind:request?"),
        (["size:64k"], "size:>64k"),
        (["a", "b"], "twice"),
        (["drop:no"], "yes"),
        (["to:pid:x"], "pid:812"),
        (["--body", "70000"], "65536"),
    ):
        assert said in expect_error(2, "E_USAGE", "monitor", *words), words
    expect_error(2, "E_ARG", "monitor", "a..b")


# --- who does not read ---------------------------------------------------------------------------

MANY = 60000  # messages: far more than there is room for


def lines_until(mark, process, poke):
    """The lines that a program prints from now on, up to one with mark in it. poke() is called
    whenever none came for a while: what has no room now may have it then."""
    found, lines = queue.Queue(), [""]

    def read():
        for line in process.stdout:
            found.put(line.decode().rstrip())
        found.put(None)

    threading.Thread(target=read, daemon=True).start()
    while mark not in lines[-1]:
        try:
            lines.append(found.get(timeout=0.1))
        except queue.Empty:
            poke()
        assert lines[-1] is not None, end_of(process)
    return lines[1:]


def account(monitor, resume=lambda: None):
    """How many messages a monitor shows, and how many it says it missed, of how many: up to the
    first of the last ones that it shows, which have numbers."""
    last = 0

    def publish_last():
        nonlocal last
        last += 1
        run("pub", "gap.last", "--in", "json", str(last))

    run("pub", "gap.x", "x" * 100, "-n", str(MANY))
    resume()
    records = missed = 0
    for line in lines_until("gap.last", monitor, publish_last):
        told = json.loads(line)
        missed += told.get("missed", 0)
        if "missed" in told:
            assert set(told) == {"missed"} and told["missed"] > 0, told
        else:
            records += 1
            assert told["n"] == records + missed, told
    monitor.kill()
    return records, missed, MANY + told["params"][0]


@test("who does not read the output misses messages, told by number: none is unaccounted for")
def _():
    monitor = broker.ready("monitor", "gap.>", "--json", stderr=subprocess.DEVNULL)
    records, missed, total = account(monitor)
    assert records + missed == total and missed > 0 and records > 1, (records, missed, total)


@test("a stopped monitor misses messages, told by number, and holds nobody up", linux_only=SIGNALS)
def _():
    other = broker.ready("sub", "gap.x", "-n", str(MANY), stdout=subprocess.DEVNULL)
    monitor = broker.ready("monitor", "gap.>", "--json", stderr=subprocess.DEVNULL)
    monitor.send_signal(signal.SIGSTOP)

    def resume():
        assert end_of(other).code == 0  # it got all of them meanwhile
        stats = json.loads(run("stats", "--json").out)
        assert stats["held"] == 0 and stats["lost"] == 0 and stats["missed"] > 0, stats
        monitor.send_signal(signal.SIGCONT)

    records, missed, total = account(monitor, resume)
    assert records + missed == total and missed > 0 and records > 1, (records, missed, total)


@test("a gap is a line that says how many", linux_only=SIGNALS)
def _():
    monitor = broker.ready("monitor", "gap.>")
    monitor.send_signal(signal.SIGSTOP)
    run("pub", "gap.x", "x" * 100, "-n", str(MANY))
    monitor.send_signal(signal.SIGCONT)
    lines = lines_until("gap.last", monitor, lambda: run("pub", "gap.last", "last"))
    gaps = [line for line in lines if line.startswith("... ")]
    assert gaps and all(g.endswith(" messages not shown: this output is too slow") for g in gaps)
    assert len(gaps) <= 3, "without room it stays without until half of that is free"
    missed = sum(int(gap.split()[1].replace(",", "")) for gap in gaps)
    shown = len(lines) - len(gaps) - 1  # the first is the filter
    assert missed + shown > MANY and any("," in gap.split()[1] for gap in gaps), gaps
    monitor.kill()


# --- how it ends ---------------------------------------------------------------------------------


@test("monitor and events end with the exit code that says why")
def _():
    expect_error(6, "E_TIMEOUT", "monitor", "nothing.here", "--for", "50ms", "-n", "1")
    assert run("monitor", "nothing.here", "--for", "50ms").code == 0
    for command in (["monitor"], ["events"], ["events", "-f"]):
        words = PANPIPE + ["-b", "e2e-nobody", "--timeout", "100ms", *command, "--json"]
        done = end_of(start(words))
        assert done.code == 3 and json.loads(done.err)["error"]["code"] == "E_NOBROKER", done


@test("there are at most 16 monitors: exit code 8")
def _():
    def no_taps():
        return json.loads(run("stats", "--json").out)["taps"] == 0

    eventually(no_taps, "those of the other tests are gone")
    monitors = [broker.ready("monitor", "nothing.here") for _ in range(16)]
    expect_error(8, "E_LIMIT", "monitor", "nothing.here")
    for monitor in monitors:
        monitor.kill()
    eventually(no_taps, "no tap is left")


@test("the broker's end is told: exit code 3, and events has shown the stop")
def _():
    other = Broker()
    monitor = other.ready("monitor")
    events = other.ready("events", "-f", "--json")
    other.stop()
    assert end_of(monitor).code == 3
    done = end_of(events)
    assert done.code == 3 and "stop" in [event["event"] for event in objects(done.out)], done


@test("interrupted, they end with exit code 130", linux_only=SIGNALS)
def _():
    for command in (["monitor"], ["events", "-f"]):
        watcher = broker.ready(*command)
        watcher.send_signal(signal.SIGTERM)
        assert end_of(watcher).code == 130


@test("a closed output ends them quietly")
def _():
    for command in (["monitor", "r.closed"], ["events", "-f"]):
        watcher = broker.ready(*command)
        watcher.stdout.close()

        def ended():
            broker.run("pub", "r.closed", "x")
            return watcher.poll() is not None

        eventually(ended, f"{command} has ended")
        assert watcher.returncode == 0 and watcher.stderr.read() == b"", command


@test("another user may watch nothing: exit code 4, E_PERM", linux_only="users by number")
def _():
    with Stranger() as stranger:
        open_to_all = Broker("--system", name=os.path.join(stranger.folder, "all.sock"))
        for command in (["monitor"], ["events"], ["events", "-f"]):
            done = end_of(start(stranger.panpipe + ["-b", open_to_all.name, "--json", *command]))
            assert done.code == 4 and not done.out, done
            assert json.loads(done.err)["error"]["code"] == "E_PERM", done
        open_to_all.stop()


# --- events --------------------------------------------------------------------------------------


def events(*options, to=broker):
    done = to.run("events", "--json", *options)
    assert done.code == 0, done
    return objects(done.out)


def closes(name, count=1, to=broker):
    """The ends of so many clients with that name; the broker tells an end a moment after it."""

    def told():
        return [e for e in events("--kind", "close", to=to) if e["name"] == name]

    eventually(lambda: len(told()) >= count, f"{count} named {name} are closed")
    return told()


def of_client(told, name):
    """The events of the client with that name, with those from before it had one."""
    numbers = {event["client"] for event in told if event["name"] == name}
    return [event for event in told if event["client"] in numbers]


@test("who came and went is told, the newest last, with name, process, user and why")
def _():
    name = unique("guest")
    run("ping", "-n", "1", "--as", name)
    closes(name)
    told = of_client(events(), name)
    assert [event["event"] for event in told] == ["connect", "hello", "close"], told
    assert told[2]["why"] == "goodbye" and told[2]["age_ms"] >= 0, told
    assert all(event["pid"] > 0 and event["user"] for event in told), told
    lines = run("events").out.decode().splitlines()
    (line,) = [line for line in lines if name in line and " close " in line]
    assert line[4] == "-" and f"close   {name}[{told[2]['pid']}] " in line, line
    assert "goodbye" in line, line


@test("a client that is killed is gone, and says no goodbye")
def _():
    name = unique("victim")
    sub = broker.ready("sub", "e.x", "--as", name)
    sub.kill()
    sub.wait()
    (close,) = closes(name)
    assert close["why"] == "gone", close


@test("who reads too slowly is slow, and cut with --policy cut", linux_only=SIGNALS)
def _():
    other = Broker(settings="queue_high = 200000;\nqueue_low = 100000;\n")
    for policy in ("block", "cut"):
        name = unique("sleeper")
        sub = other.ready("sub", "e.slow", "--policy", policy, "--as", name)
        sub.send_signal(signal.SIGSTOP)
        pub = other.start("pub", "e.slow", "x" * 1000, "-n", "5000")
        if policy == "block":
            slow_name = name
            eventually(lambda: events("--kind", "slow", to=other), "it is slow")
            sub.kill()
        assert pub.wait() == 0
        closes(name, to=other)
        sub.kill()
    told = events(to=other)
    slow = [event for event in told if event["event"] == "slow"]
    assert slow[0]["name"] == slow_name and slow[0]["queued_bytes"] > 0, slow
    (cut,) = [event for event in told if event["event"] == "cut"]
    assert cut["name"] == name and cut["why"] == "E_SLOW", cut
    close = [e for e in told if e["event"] == "close" and e["client"] == cut["client"]]
    assert close[0]["why"] == "E_SLOW" and close[0]["n"] > cut["n"], close
    other.stop()


@test("who breaks the protocol is cut, with the reason", linux_only="sockets")
def _():
    end = connect(broker)
    end.sendall(b"\xc1\xc1\xc1")
    eventually(lambda: [e for e in events("--kind", "cut") if e["why"] == "E_PROTO"], "it is cut")
    end.close()


@test("who is kicked is told of: by whom, and the words")
def _():
    name = unique("kicked")
    sub = broker.ready("sub", "e.kick", "--as", name)
    (row,) = clients(name)
    run("req", "$sys.kick", "--in", "json", json.dumps([row["id"], {"text": "too loud"}]))
    assert sub.wait() == 4
    (kick,) = [e for e in events("--kind", "kick") if e["client"] == row["id"]]
    assert kick["text"] == "too loud" and kick["by"], kick
    (close,) = closes(name)
    assert close["client"] == row["id"] and close["why"] == "E_PERM", close


@test("who may not connect is denied, with the reason", linux_only="users by number")
def _():
    with Stranger() as stranger:
        own = Broker(name=os.path.join(stranger.folder, "own.sock"))
        os.chmod(own.name, 0o666)
        done = end_of(start(stranger.panpipe + ["-b", own.name, "ping", "-n", "1"]))
        assert done.code == 4, done
        eventually(lambda: events("--kind", "denied", to=own), "it is told")
        (denied,) = events("--kind", "denied", to=own)
        assert denied["client"] is None and denied["text"], denied
        own.stop()


@test("--kind, --since and --count choose")
def _():
    name = unique("chooser")
    run("ping", "-n", "1")
    told = events()
    assert [event["n"] for event in told] == list(range(told[0]["n"], told[0]["n"] + len(told)))
    since = told[-3]["n"]
    assert [e["n"] for e in events("--since", str(since))][:3] == [since, since + 1, since + 2]
    assert {e["event"] for e in events("--kind", "close,hello")} == {"close", "hello"}
    few = events("-n", "2", "--kind", "close")
    assert len(few) == 2 and few[0]["n"] < few[1]["n"] and few[0]["event"] == "close", few
    assert events("--since", "1h") != []
    assert name in [e["name"] for e in events("--since", "1ms", "--as", name)], "its own hello"
    words = ("--kind", "hello", "--format", "{n:>6} {event} {name}", "-n", "1", "--as", name)
    lines = run("events", *words).out.decode()
    assert lines.split()[1:] == ["hello", name], lines


@test("wrong use of events is told")
def _():
    assert "did you mean close?" in expect_error(2, "E_USAGE", "events", "--kind", "slow,closs")
    assert "kick or stop" in expect_error(2, "E_USAGE", "events", "--kind", "xyzzy")
    for options in (["--since", "soon"], ["--for", "1s"], ["--ready", "x"], ["more"]):
        expect_error(2, "E_USAGE", "events", *options)
    late = ("events", "-f", "--since", "999999", "-n", "1", "--for", "50ms")
    assert expect_error(6, "E_TIMEOUT", *late).startswith("0 of 1 events")


def visit(count):
    """So many clients come, are greeted, and go."""
    for _ in range(count):
        end = connect(broker)
        end.sendall(msgpack.packb([0, 1, "$hello", [{"v": 1, "name": "visitor"}]]))
        assert end.recv(65536)
        end.close()


def follow(act, until, stop=False):
    """What events -f prints from the beginning of act() to a client named until."""
    since = str(events("-n", "1")[0]["n"] + 1)
    watcher = broker.ready("events", "-f", "--json", "--since", since, stderr=subprocess.DEVNULL)
    if stop:
        watcher.send_signal(signal.SIGSTOP)
    act()
    watcher.send_signal(signal.SIGCONT)
    told = []
    for line in watcher.stdout:
        told.append(json.loads(line))
        if len(told) == 1:
            run("ping", "-n", "1", "--as", until)
        if told[-1].get("event") == "close" and told[-1]["name"] == until:
            break
    watcher.kill()
    return told


def expect_no_hole(told):
    """Every number is there, or counted."""
    after = None
    for event in told:
        if "missed" in event:
            after += event["missed"]
        else:
            assert after is None or event["n"] == after + 1, (after, event)
            after = event["n"]


@test("events -f has every event of a burst, each once", linux_only="sockets")
def _():
    def act():
        visit(300)
        closes("visitor", 300)

    told = follow(act, unique("end"))
    expect_no_hole(told)
    assert not [event for event in told if "missed" in event], "nothing was too much"
    assert len([event for event in told if event["name"] == "visitor"]) >= 600


@test("events -f that was stopped for longer than the broker remembers tells what it missed",
      linux_only=SIGNALS)
def _():
    told = follow(lambda: visit(3000), unique("end"), stop=True)
    expect_no_hole(told)
    missed = sum(event.get("missed", 0) for event in told)
    assert missed > 0 and missed + len(told) > 3 * 3000, (missed, len(told))


# --- on a terminal -------------------------------------------------------------------------------


def on_terminal(*arguments):
    """What a person sees, on 80 columns; the exit code."""
    import fcntl
    import pty
    import termios

    seen = b""
    pid, end = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.execvp(PANPIPE[0], PANPIPE + ["-b", broker.name, *arguments])
    try:
        while block := os.read(end, 65536):
            seen += block
    except OSError:
        pass  # the terminal's other side is closed
    os.close(end)
    return seen.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@test("on a terminal bench and long pubs show a bar, and wipe it", linux_only="pseudo terminals")
def _():
    for arguments in (
        ["bench", "pub", "--for", "600ms"],
        ["bench", "sub", "p.x", "--for", "600ms"],
        ["pub", "p.x", "x", "-n", "50", "--rate", "100"],
    ):
        began = time.monotonic()
        seen, code = on_terminal(*arguments)
        drawn = list(re.finditer(r"\r\[[#.]{24}\] +\d+%  \S+ messages  \S+/s", seen))
        assert code == 0 and drawn, seen
        assert len(drawn) <= 10 * (time.monotonic() - began), "at most ten a second"
        assert re.match(r" *\r +\r", seen[drawn[-1].end() :]), seen


@test("no bar where somebody else reads, or nothing is to be shown", linux_only="pseudo terminals")
def _():
    for option in ("--json", "--quiet"):
        seen, code = on_terminal("bench", "pub", "--for", "500ms", option)
        assert code == 0 and "messages  " not in seen, seen
    done = run("bench", "pub", "--for", "500ms")
    assert not done.err and b"\r" not in done.out.replace(b"\r\n", b"\n"), done


@test("on a terminal a monitor's line is as long as the terminal is wide",
      linux_only="pseudo terminals")
def _():
    talker = broker.start("pub", "p.wide", "x" * 200, "-n", "1000", "--rate", "50")
    seen, code = on_terminal("monitor", "p.wide", "-n", "1")
    talker.kill()
    lines = seen.split("\r\n")
    assert code == 0 and len(lines[1]) == 80 and lines[1].endswith("\u2026"), lines


run_tests()
