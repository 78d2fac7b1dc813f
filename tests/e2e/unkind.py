#!/usr/bin/python3
"""Who watches is no danger to anybody, and nobody to who watches: odd names, thousands of clients,
clients and brokers that are gone in the wrong moment, floods. See support.py for the programs."""

import hashlib
import json
import os
import resource
import shlex
import shutil
import subprocess
import threading
import time
import unicodedata

import msgpack
from support import (
    FLOOD_S,
    ON_WINE,
    PANPIPE,
    PATIENCE_S,
    Broker,
    Skip,
    comes_true,
    connect,
    contents,
    end_of,
    eventually,
    path,
    run_tests,
    start,
    test,
    whole_lines,
)

SOCKETS = "Unix sockets of our own"
TALKER = shlex.split(os.environ.get("TALKER", "build/bin/tests/talker"))


class Raw:
    """A client that is a bare connection, under whatever name."""

    def __init__(self, broker, name=None):
        self.end = connect(broker)
        self.unpacker = msgpack.Unpacker(strict_map_key=False)
        self.last = 0
        self.heard = []
        if name is not None:
            self.call("$hello", {"v": 1, "name": name})

    def call(self, method, *params):
        self.last += 1
        self.end.sendall(msgpack.packb([0, self.last, method, list(params)]))
        while True:
            for message in self.unpacker:
                if message[0] == 1 and message[1] == self.last:
                    assert message[2] is None, message
                    return message[3]
                self.heard.append(message)
            block = self.end.recv(65536)
            assert block, "the broker closed the connection"
            self.unpacker.feed(block)

    def publish(self, subject, *params):
        self.end.sendall(msgpack.packb([2, subject, list(params)]))

    def close(self):
        self.end.close()


def asks(broker, *words):
    done = broker.run(*words, "--json")
    assert done.code == 0, (words, done)
    return json.loads(done.out)


# --- names ----------------------------------------------------------------------------------------

NAMES = [
    "red [31malert]0;title",
    "quote\"s 'n `ticks` $(x) \\ %s {name}",
    "\U0001f98a\U0001f98a fox",
    "\u6f22\u5b57\u6f22\u5b57",
    "\u202eright to left",
    "C1 \x9b31m",
    "e\u0301\u0301 zero\u200bwidth",
    "\u00e4" * 32,
    " spaces  at both ends ",
]
REFUSED = ["red \x1b[31malert", "two\nlines", "a\ttab", "a\x7f", "\u00e4" * 33, ""]
SUBJECTS = [
    "s." + "x" * 253,
    "s." + "\u6f22" * 84,
    "s.\x9b31mred",
    "s.\U0001f98a",
    "s.a\u202eb",
    "s.q'\"\\%s{name}",
]


def columns(text):
    """How many columns of a terminal it takes."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    none = sum(unicodedata.category(letter) in ("Mn", "Me", "Cf") for letter in text)
    return len(text) + wide - none


def check_harmless(out, what):
    text = out.decode()  # or it is no UTF-8
    for letter in text:
        bad = unicodedata.category(letter) == "Cc" and letter != "\n"
        assert not bad and letter != "\u202e", (what, letter, text)


def check_aligned(text, title, what):
    """The cells of the last column begin below its title."""
    head, *lines = text.split("\n\n")[0].splitlines()
    at = columns(head[: head.index(title)])
    for line in lines:
        begin = next((i for i in range(len(line)) if columns(line[:i]) == at), None)
        assert begin is not None and line[begin] != " " and line[begin - 1] == " ", (what, line)


def odd_clients(broker):
    clients = []
    for name in NAMES:
        client = Raw(broker, name)
        for subject in SUBJECTS:
            client.call("$sub", subject)
        clients.append(client)
    for client in clients:
        client.call("$serve", "s.served", {"doc": NAMES[0]})
    for subject in SUBJECTS:
        clients[0].publish(subject, "\x1b[31mbody\n\u202e", b"\x00\x1b")
    clients[0].call("$sync")
    return clients


@test("a name that would command a terminal, or is too long, is refused")
def _():
    broker = Broker()
    for name in REFUSED:
        done = broker.run("ping", "--as", name)
        assert done.code == 2 and not done.out, (name, done)
        check_harmless(done.err.replace("\r\n", "\n").encode(), name)
    broker.stop()


@test("odd names and subjects come through as they are in JSON, and harmless on a screen",
      linux_only=SOCKETS)
def _():
    broker = Broker()
    clients = odd_clients(broker)
    ids = {row["name"]: row["id"] for row in asks(broker, "ls", "clients")}
    assert set(NAMES) <= set(ids), set(NAMES) - set(ids)
    assert set(SUBJECTS) <= {row["pattern"] for row in asks(broker, "ls", "subs")}
    assert set(SUBJECTS) == {row["subject"] for row in asks(broker, "ls", "subjects")}
    commands = [
        ["ls", "clients"],
        ["ls", "subs"],
        ["ls", "subjects"],
        ["top", "-n", "1", "--interval", "50ms"],
        ["events"],
        ["describe"],
        ["ls", "clients", "--format", "{name}"],
        ["ls", "clients", "--format", "{name:12}|"],
    ]
    commands += [["show", "client", str(ids[name])] for name in NAMES]
    commands += [["show", "subject", subject] for subject in SUBJECTS]
    for words in commands:
        done = broker.run(*words)
        assert done.code == 0, (words, done)
        check_harmless(done.out, words)
    check_aligned(broker.run("ls", "clients").out.decode(), "EXE", "ls clients")
    for name in NAMES:
        shown = asks(broker, "show", "client", name)
        assert shown["id"] == ids[name] and shown["name"] == name, shown
        assert len(shown["subscriptions"]) == len(SUBJECTS) + 1, shown
    for client in clients:
        client.close()
    broker.stop()


@test("the monitor shows odd bodies, names and subjects harmlessly, and wholly in JSON",
      linux_only=SOCKETS)
def _():
    broker = Broker()
    shown = broker.ready("monitor", ">", "-n", str(len(SUBJECTS)))
    whole = broker.ready("monitor", ">", "-n", str(len(SUBJECTS)), "--json")
    clients = odd_clients(broker)
    done = end_of(shown)
    assert done.code == 0, done
    check_harmless(done.out, "monitor")
    records = [json.loads(line) for line in end_of(whole).out.splitlines()]
    assert [record["subject"] for record in records] == SUBJECTS, records
    assert {record["name"] for record in records} == {NAMES[0]}, records
    assert all(record["params"][0] == "\x1b[31mbody\n\u202e" for record in records), records
    assert all(record["to"] == len(NAMES) - 1 for record in records), records
    for client in clients:
        client.close()
    broker.stop()


@test("a program whose path is no text is told as text, to who asks and to itself",
      linux_only="paths of any bytes")
def _():
    broker = Broker()
    if len(PANPIPE) > 1:
        raise Skip("the program is more than one word")
    odd = os.fsencode(path("odd")) + b"\xff\xc3"
    shutil.copy(os.fsencode(shutil.which(PANPIPE[0])), odd)
    sub = start([odd, "-b", broker.name, "sub", "any"], stdout=subprocess.DEVNULL)
    told = eventually(
        lambda: [row for row in asks(broker, "ls", "clients") if row["name"] == "panpipe-sub"],
        "it is there",
    )
    assert told[0]["who"]["exe"] == odd.decode("ascii", "replace").replace("\ufffd", "?"), told
    raw = Raw(broker, "asker")  # its unpacker takes no other text
    eventually(lambda: len(raw.call("$sys.clients")) == 2, "all others have left")
    raw.close()
    sub.terminate()
    sub.wait(PATIENCE_S)
    broker.stop()


@test("kick finds a client by the oddest name", linux_only=SOCKETS)
def _():
    broker = Broker()
    clients = odd_clients(broker)
    for name in NAMES:
        done = broker.run("kick", "--text", "go\u202e \x9b31m", "--", name)
        assert done.code == 0, (name, done)
        check_harmless(done.out, "kick")
        again = broker.run("kick", "--", name)
        assert again.code == 11 and not again.out, again
        check_harmless(again.err.encode(), "kick again")
    check_harmless(broker.run("events", "--kind", "kick,close").out, "events")
    assert asks(broker, "stats")["kicked"] == len(NAMES)
    for client in clients:
        client.close()
    broker.stop()


# --- many -----------------------------------------------------------------------------------------


@test("a thousand clients with five thousand subscriptions: all are listed, with little work",
      linux_only=SOCKETS)
def _():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    broker = Broker()
    clients = [Raw(broker, f"client-{i:04}") for i in range(1000)]
    for i, client in enumerate(clients):
        for k in range(5):
            client.call("$sub", f"many.{i}.{k}")
    for i in range(0, 1000, 10):
        clients[i].publish(f"many.{i}.0", i)
        clients[i].call("$sync")
    rows = [row for row in asks(broker, "ls", "clients") if row["name"].startswith("client-")]
    assert sorted(row["name"] for row in rows) == [f"client-{i:04}" for i in range(1000)]
    assert all(row["subs"] == 5 for row in rows)
    subs = asks(broker, "ls", "subs")
    assert len(subs) == 5000 and len({sub["pattern"] for sub in subs}) == 5000
    assert len(asks(broker, "ls", "subjects")) == 100
    busy = asks(broker, "ls", "clients", "--where", "published>0", "--sort", "name", "-n", "3")
    assert [row["name"] for row in busy] == ["client-0000", "client-0010", "client-0020"], busy
    for words, lines in (
        (["ls", "clients"], 1001),
        (["ls", "subs"], 5001),
        (["top", "-n", "1", "--interval", "50ms"], 1000),
        (["show", "client", "client-0999"], 20),
    ):
        begin = cpu_seconds(broker)
        done = broker.run(*words)
        seconds = cpu_seconds(broker) - begin
        assert done.code == 0 and done.out.count(b"\n") >= lines, (words, done)
        assert seconds < 5, (words, seconds)
    comes_true(lambda: well(broker))
    for client in clients:
        client.close()
    eventually(lambda: asks(broker, "stats")["clients"] == 1, "they have left")
    broker.stop()


def cpu_seconds(broker):
    """What the broker and the programs that have ended took, however much else is going on."""
    with open(f"/proc/{broker.process.pid}/stat") as file:
        ticks = file.read().rsplit(")", 1)[1].split()[11:13]
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK") + ended.ru_utime + ended.ru_stime


def well(broker):
    done = broker.run("check")
    assert done.code == 0 and done.out.count(b"\n") == 4, done


def totals(subjects):
    names = "published published_bytes deliveries no_receiver refused calls".split()
    return {name: sum(row[name] for row in subjects) for name in names}


@test("more subjects than are remembered: with the others, the sums are those of stats",
      linux_only=SOCKETS)
def _():
    for workers in ("1", "4"):
        broker = Broker("--workers", workers)
        client = Raw(broker, "many")
        client.call("$sub", "sum.*.x")
        clients = [Raw(broker) for _ in range(4)]
        size = 0
        for i in range(6000):
            subject = f"sum.{i % 3000}.{'x' if i % 7 == 0 else 'y'}"
            clients[i % 4].publish(subject, i)
            size += len(msgpack.packb([2, subject, [i]]))
        for one in clients:
            one.call("$sync")
        answer = json.loads(broker.run("req", "$sys.subjects").out)
        stats = asks(broker, "stats")
        sums = totals(answer["subjects"] + [answer["others"]])
        assert sums["published"] == stats["published"] == 6000, (sums, stats)
        assert sums["deliveries"] == stats["deliveries"], (sums, stats)
        assert sums["no_receiver"] == stats["no_receiver"] == 6000 - stats["deliveries"], sums
        assert sums["published_bytes"] == size, (sums, size)
        client.close()
        broker.stop()


@test("bytes and frames of a connection are those that went through it", linux_only=SOCKETS)
def _():
    broker = Broker()
    client = Raw(broker)
    sent, frames = 0, 0
    for i in range(100):
        frame = msgpack.packb([2, "bytes.x", ["y" * i]])
        client.end.sendall(frame)
        sent, frames = sent + len(frame), frames + 1
    question = msgpack.packb([0, 1, "$sync", []])
    client.end.sendall(question)
    answer = client.end.recv(100)

    def told():
        rows = asks(broker, "ls", "clients")
        (row,) = [row for row in rows if row["who"]["pid"] == os.getpid()]
        assert row["bytes_in"] == sent + len(question) and row["frames_in"] == frames + 1, row
        assert row["bytes_out"] == len(answer) and row["published"] == 100, (row, answer)

    comes_true(told)  # bytes are counted as soon as the system says that it has taken them
    client.close()
    broker.stop()


# --- gone in the wrong moment ---------------------------------------------------------------------


@test("a client that comes and goes meanwhile: show and kick find it, or say that nobody is it",
      linux_only=SOCKETS)
def _():
    broker = Broker()
    over = threading.Event()

    def come_and_go():
        while not over.is_set():
            try:
                client = Raw(broker, "fleeting")
                client.call("$sub", "f.x")
            except (AssertionError, OSError):
                pass  # it was kicked
            client.close()

    thread = threading.Thread(target=come_and_go)
    thread.start()
    try:
        ends = set()
        for _ in range(60):
            for words in (["show", "client", "fleeting"], ["kick", "fleeting"], ["ls", "subs"]):
                done = broker.run(*words)
                twice = "clients are fleeting" in done.err
                assert done.code in (0, 11) or (done.code == 2 and twice), (words, done)
                assert done.code == 0 or "fleeting" in done.err, (words, done)
                ends.add((words[0], done.code))
        assert ("show", 0) in ends or ("kick", 0) in ends, ends
    finally:
        over.set()
        thread.join()
    broker.stop()


@test("who kicks itself is cut like anybody, and is told so; a second kick finds nobody")
def _():
    broker = Broker()
    sub = broker.ready("sub", "a", "--as", "victim")
    (row,) = [row for row in asks(broker, "ls", "clients") if row["name"] == "victim"]
    assert broker.run("kick", "victim", "--text", "enough").code == 0
    done = end_of(sub)
    assert done.code == 4 and "enough" in done.err, done
    for whom in ("victim", str(row["id"])):
        done = broker.run("kick", whom)
        assert done.code == 11 and whom in done.err, done
    begin = time.monotonic()
    done = broker.run("kick", "suicidal", "--as", "suicidal", "--timeout", "60s")
    assert done.code in (0, 4), done
    assert time.monotonic() - begin < 30, "it does not wait"
    assert asks(broker, "stats")["kicked"] in (1, 2)
    broker.stop()


# --- floods ---------------------------------------------------------------------------------------


@test("a million lines with two monitors and ten tops beside them: none lost, none out of order")
def _():
    broker = Broker()
    count = 200000 if ON_WINE else 1000000
    lines = path("lines")
    with open(lines, "wb") as file:
        file.writelines(b"%d %s\n" % (i, b"x" * (i % 60)) for i in range(count))
    seen = [open(path("seen"), "w+b") for _ in range(2)]
    monitors = [broker.ready("monitor", ">", "--json", stdout=file) for file in seen]
    tops = [broker.start("top", "--json", "-n", "100000", "--interval", "100ms",
                         stdout=subprocess.DEVNULL) for _ in range(3 if ON_WINE else 10)]
    got = path("got")
    with open(got, "wb") as out, open(lines, "rb") as data:
        sub = broker.ready("sub", "m.x", "-n", str(count), stdout=out)
        assert asks(broker, "stats")["taps"] == 2
        done = end_of(broker.start("pub", "m.x", stdin=data), patience_s=FLOOD_S)
        assert done.code == 0 and not done.err, done
        assert end_of(sub, patience_s=FLOOD_S).code == 0
    assert hashlib.sha256(contents(got)).digest() == hashlib.sha256(contents(lines)).digest()
    stats = asks(broker, "stats")
    assert (stats["published"], stats["deliveries"], stats["lost"]) == (count, count, 0), stats
    assert (stats["cut"], stats["refused"], stats["no_receiver"]) == (0, 0, 0), stats
    for process in monitors + tops:
        assert process.poll() is None, process.args
    shown = [check_seen(broker, file.name, count) for file in seen]
    print(f"# the monitors showed {shown} of {count}")
    for process in monitors + tops:
        process.kill()
        process.wait()
    broker.stop()


def all_seen(broker, name):
    """What a monitor, which writes to that file, has seen and missed of what was published before.
    It hears that with the next message that it sees, so some more follow, with numbers."""

    def at_the_end():
        broker.last = getattr(broker, "last", 0) + 1  # of all monitors together
        assert broker.run("pub", "m.last", str(broker.last)).code == 0
        return any(b'"m.last"' in line for line in whole_lines(name))

    eventually(at_the_end, "the monitor has come to the end")
    seen, missed = [], 0
    for line in whole_lines(name):
        record = json.loads(line)
        if "subject" not in record:
            missed += record["missed"]
        elif record["subject"] == "m.last":
            return seen, missed + 1 - int(record["params"][0])
        else:
            seen.append(record)


def check_seen(broker, name, count):
    """Each message was shown in its order, or counted as missed; how many were shown."""
    seen, missed = all_seen(broker, name)
    numbers = [int(record["params"][0].split()[0]) for record in seen]
    assert all(a < b for a, b in zip(numbers, numbers[1:]))
    assert len(seen) + missed == count, (len(seen), missed)
    return len(seen)


@test("monitor in front of head ends quietly while the flood goes on")
def _():
    broker = Broker()
    flood = broker.start("pub", "h.x", "x" * 100, "-n", "100000000", stdout=subprocess.DEVNULL)
    for words in (["monitor"], ["monitor", "--json"], ["monitor", "h.>", "--format", "{subject}"]):
        monitor = broker.start(*words)
        assert monitor.stdout.readline()
        monitor.stdout.close()
        assert monitor.wait(PATIENCE_S) == 0 and not error_of(monitor), words
    eventually(lambda: asks(broker, "stats")["taps"] == 0, "no tap is left")
    flood.kill()
    flood.wait()
    broker.stop()


def error_of(process):
    """What it said on standard error, but for the filter."""
    said = process.stderr.read().decode()
    return "" if said.startswith('{"filter"') or said.startswith("# ") else said


@test("a stopped monitor slows nobody, and tells what it missed when it goes on",
      linux_only="signals that stop a process")
def _():
    broker = Broker()
    seen = open(path("seen"), "w+b")
    monitor = broker.ready("monitor", ">", "--json", stdout=seen)
    os.kill(monitor.pid, 19)
    count = 300000
    sub = broker.ready("sub", "s.x", "-n", str(count), stdout=subprocess.DEVNULL)
    done = end_of(broker.start("pub", "s.x", "x" * 100, "-n", str(count)), patience_s=FLOOD_S)
    assert done.code == 0 and end_of(sub, patience_s=FLOOD_S).code == 0
    stats = asks(broker, "stats")
    assert stats["missed"] > 0 and stats["lost"] == 0 and stats["cut"] == 0, stats
    os.kill(monitor.pid, 18)
    shown, missed = all_seen(broker, seen.name)
    assert len(shown) + missed == count and missed > 0, (len(shown), missed)
    monitor.kill()
    broker.stop()


COUNT, KEPT = 2100, 4000  # clients, three events each; what the broker keeps of the usual ones


@test("events are told in full, one after the other, to who follows and to who asks later",
      linux_only=SOCKETS)
def _():
    broker = Broker()
    seen = open(path("events"), "w+b")
    follow = broker.ready("events", "-f", "--json", stdout=seen)

    def told():
        return [json.loads(line) for line in whole_lines(seen.name)]

    def gone():
        return [e for e in told() if e["event"] == "close" and e["name"].startswith("e-")]

    for i in range(COUNT):
        Raw(broker, f"e-{i}").close()
        if (i + 1) % 300 == 0:  # what it has not heard in time it asks for, as long as it is kept
            eventually(lambda i=i: len(gone()) == i + 1, "all have come and gone")
    numbers = [event["n"] for event in told()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers
    assert {e["why"] for e in gone()} == {"gone"}, gone()
    done = broker.run("events", "--json")
    later = [json.loads(line) for line in done.out.splitlines()]
    usual = [e["n"] for e in later if e["event"] != "close" or e["why"] == "goodbye"]
    assert len(usual) == KEPT, len(usual)
    assert [e for e in later if e["event"] == "close" and e["name"].startswith("e-")] == gone()
    numbers = [event["n"] for event in later if event["n"] >= usual[0]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers
    follow.kill()
    broker.stop()


run_tests()
