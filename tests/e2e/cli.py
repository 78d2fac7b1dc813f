#!/usr/bin/python3
"""The program panpipe against a real broker: what each command prints, with and without --json,
and each of its exit codes. See support.py for where the programs come from."""

import base64
import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import msgpack
from support import (
    FLOOD_S,
    ON_WINE,
    PANPIPE,
    PANPIPED,
    PATIENCE_S,
    Broker,
    Skip,
    command,
    contents,
    end_of,
    eventually,
    file_with,
    interrupt,
    native,
    path,
    run_tests,
    start,
    test,
    unique,
)

COMMANDS = "pub sub req serve describe doctor ping stats ls stop stdio where bench".split()
broker = Broker()


def run(*arguments, **options):
    return broker.run(*arguments, **options)


def expect(done, code, error=None):
    """The exit code; and error is part of what was said, else nothing was."""
    assert done.code == code, done
    assert (error in done.err) if error else not done.err, done
    assert done.err.count("\n") <= 1, done
    return done


def expect_error(code, name, *arguments, **options):
    """A failure, once in words and once as JSON, with nothing on standard output."""
    done = run(*arguments, **options)
    assert done.code == code and done.err.startswith("panpipe: ") and not done.out, done
    done = run(*arguments, "--json", **options)
    assert done.code == code and not done.out, done
    error = json.loads(done.err)["error"]
    assert error["code"] == name and error["text"] and "hint" in error, done


def clients_of(command):
    clients = json.loads(run("ls", "clients", "--json").out)
    return [client for client in clients if client["name"] == f"panpipe-{command}"]


def lines_of_json(out):
    return [json.loads(line) for line in out.decode().splitlines()]


# --- the command line ----------------------------------------------------------------------------


@test("--help lists every command and every exit code")
def _():
    done = expect(run("--help"), 0)
    for word in COMMANDS + ["--timeout", "130"]:
        assert word in done.out.decode(), word


@test("each command's --help has its synopsis, its options and an example")
def _():
    for name in COMMANDS:
        text = expect(run(name, "--help"), 0).out.decode()
        assert text.startswith(f"usage: panpipe {name}"), text
        assert f"\nExamples:\n  panpipe {name}" in text, text
    assert "--need-receiver" in run("--help", "pub").out.decode()


@test("--version tells it")
def _():
    assert expect(run("--version"), 0).out.startswith(b"panpipe 0."), "version"


@test("a mistyped command or option gets a suggestion and exit code 2")
def _():
    expect(run("subb", "x"), 2, "did you mean sub?")
    expect(run("pub", "x", "y", "--confrim"), 2, "did you mean --confirm?")
    expect(run("--sytem", "ping"), 2, "did you mean --system?")
    expect(run("ls", "client"), 2, "did you mean clients?")
    expect(run("bench", "pup"), 2, "did you mean pub?")
    assert "did you mean" not in run("xyzzy").err


@test("wrong use ends with exit code 2 and says what is wrong")
def _():
    for arguments in (
        [],
        ["pub"],
        ["pub", "a", "b", "c"],
        ["pub", "a", "b", "-n"],
        ["pub", "a", "b", "-n", "0"],
        ["pub", "a", "b", "-n", "many"],
        ["pub", "a", "b", "--rate", "-1"],
        ["pub", "a", "b", "--in", "xml"],
        ["pub", "a", "b", "--confirm=yes"],
        ["pub", "a", "-n", "2"],
        ["sub", "a", "--for", "5"],
        ["sub", "a", "--policy", "drop"],
        ["serve", "a"],
        ["serve", "a", "b", "--echo"],
        ["ls", "everything"],
        ["ping", "--timeout", "soon"],
        ["bench", "sub"],
        ["bench", "pub", "--size", "3"],
        ["nonsense"],
    ):
        expect_error(2, "E_USAGE", *arguments)


@test("a count out of bounds is wrong use, and the bound is named")
def _():
    bound = "--count is a whole number from 1 to 1,000,000,000,000, not"
    for text in ("0", "-1", "+1", "1.5", "1000000000001", str(2**64), str(2**64 + 1)):
        expect(run("ping", "-n", text), 2, f'{bound} "{text}"')
    subscribing = run("sub", "a", "--count", "1000000000000", "--for", "1ms")
    expect(subscribing, 6, "0 of 1000000000000")
    for arguments in (
        ["pub", "a", "b", "--wait-subs"],
        ["serve", "a", "b", "--max-inflight"],
    ):
        expect(run(*arguments, str(2**32)), 2, f"{arguments[-1]} is below 2^32")
    expect(run("monitor", "--body", "65537"), 2, "--body is at most 65536")


@test("global options stand before or behind the command, values behind = or a space")
def _():
    for arguments in (
        ["ping", "-n", "1", "--json"],
        ["--json", "ping", "-n1"],
        ["ping", "--json", "--count=1"],
        ["--as", "x", "ping", "--count", "1", "--json", "--timeout=2s"],
    ):
        assert len(lines_of_json(expect(run(*arguments), 0).out)) == 2, arguments


@test("behind -- everything is an operand")
def _():
    sub = broker.ready("sub", "dash", "-n", "1")
    expect(run("pub", "--", "dash", "--confirm"), 0)
    assert end_of(sub).out == b"--confirm\n"


@test("--quiet prints nothing")
def _():
    for arguments in (["ping", "-n", "1"], ["stats"], ["ls", "clients"], ["req", "$ping"]):
        assert expect(run("--quiet", *arguments), 0).out == b""


# --- no broker, no access ------------------------------------------------------------------------

EVERY_CONNECT = (
    ["pub", "a", "b"],
    ["sub", "a"],
    ["req", "a"],
    ["serve", "a", "b"],
    ["ping"],
    ["stats"],
    ["ls", "clients"],
    ["stop"],
    ["stdio"],
    ["bench", "pub"],
)


@test("without a broker every command ends with exit code 3, in the time given")
def _():
    for arguments in EVERY_CONNECT:
        words = PANPIPE + ["-b", "e2e-nobody", "--timeout", "100ms", *arguments]
        begin = time.monotonic()
        done = end_of(start(words))
        assert done.code == 3 and "no broker is running" in done.err and not done.out, done
        done = end_of(start(words + ["--json"]))
        assert done.code == 3 and json.loads(done.err)["error"]["code"] == "E_NOBROKER", done
        assert time.monotonic() - begin < (20 if ON_WINE else 10), "else each waits for 5 s"


@test("a broker that is started second is waited for")
def _():
    name = unique("late")
    ping = start(PANPIPE + ["-b", name, "--timeout", "60s", "ping", "-n", "1"])
    late = Broker(name=name)
    assert end_of(ping).code == 0
    late.stop()


@test("a bad broker name is wrong use")
def _():
    for name in ("Has Spaces", "x" * 400):
        done = end_of(start(PANPIPE + ["-b", name, "ping"]))
        assert done.code == 2, done


class Stranger:
    """Another user, who can reach a folder of his own, and a copy of a program."""

    def __init__(self, program):
        if os.getuid() != 0:
            raise Skip("only root can start a program as another user")
        self.folder = tempfile.mkdtemp(prefix="panpipe-e2e-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        os.mkdir(os.path.join(self.folder, "own"))
        os.chown(os.path.join(self.folder, "own"), 65534, 65534)
        copy = shutil.copy(program[0], self.folder)
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        self.words = user + [copy, *program[1:]]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)


@test("who may not open the socket gets exit code 4, E_ACCESS", linux_only="modes of sockets")
def _():
    with Stranger(PANPIPE) as stranger:
        mine = Broker(name=os.path.join(stranger.folder, "mine.sock"))
        for word in ("ping", "stdio"):
            done = end_of(start(stranger.words + ["-b", mine.name, "--json", word]))
            assert done.code == 4 and json.loads(done.err)["error"]["code"] == "E_ACCESS", done
        mine.stop()


@test("another user's broker is not trusted: exit code 4", linux_only="users by number")
def _():
    with Stranger(PANPIPED) as stranger:
        name = os.path.join(stranger.folder, "own", "his.sock")
        his = Broker(name=name, words=stranger.words)
        eventually(lambda: os.path.exists(name), "the socket is there")
        for word in ("ping", "stdio"):
            done = his.run("--json", word)
            assert done.code == 4 and json.loads(done.err)["error"]["code"] == "E_UNTRUSTED", done
        his.process.terminate()
        his.process.wait(PATIENCE_S)


@test("only the broker's user may operate it: exit code 4, E_PERM", linux_only="users by number")
def _():
    with Stranger(PANPIPE) as stranger:
        open_to_all = Broker("--system", name=os.path.join(stranger.folder, "all.sock"))
        words = stranger.words + ["-b", open_to_all.name, "--json"]
        for those in (["stats"], ["ls", "clients"], ["stop"]):
            done = end_of(start(words + those))
            assert done.code == 4, done
        assert "E_UNTRUSTED" not in done.err
        open_to_all.stop()


# --- pub and sub ---------------------------------------------------------------------------------


def receive(publish, *patterns, count, options=()):
    """What sub prints of what publish() sends."""
    sub = broker.ready("sub", *patterns, "-n", str(count), *options)
    publish()
    done = end_of(sub)
    assert done.code == 0 and not done.err, done
    return done.out


@test("a body arrives as it is, a line each")
def _():
    def publish():
        expect(run("pub", "t.body", "hello"), 0)
        expect(run("pub", "t.body", "\u00e4\u20ac", "-n", "2"), 0)
        expect(run("pub", "t.body", ""), 0)

    assert receive(publish, "t.*", count=4).decode() == "hello\n\u00e4\u20ac\n\u00e4\u20ac\n\n"


@test("--subject puts the subject and a tab in front")
def _():
    got = receive(lambda: run("pub", "t.subject", "x"), ">", count=1, options=["--subject"])
    assert got == b"t.subject\tx\n", got


@test("sub --json prints an object a line, binary as base64")
def _():
    def publish():
        run("pub", "t.json", "text")
        run("pub", "t.json", "--in", "hex", "ff00")
        run("pub", "t.json", "--in", "json", '[1, -2.5, null, {"a": [true]}]')

    got = lines_of_json(receive(publish, "t.json", count=3, options=["--json"]))
    assert [line["subject"] for line in got] == ["t.json"] * 3
    assert got[0]["params"] == ["text"]
    assert got[1]["params"] == [{"$bin": base64.b64encode(b"\xff\0").decode()}]
    assert got[2]["params"] == [1, -2.5, None, {"a": [True]}]


@test("a number is printed with no more digits than it takes to read it back")
def _():
    numbers = [0.1, 0.1 + 0.2, 1 / 3, 2.5, 1e22, 1.5e300, 5e-324, -0.0, 100.0, 123456789.123]
    params = json.dumps([numbers, {"a \"\u00e4\"": 0.7, "b": ["\u20ac", 0.3, None]}])
    (line,) = receive(
        lambda: run("pub", "t.real", "--in", "json", params), "t.real", count=1, options=["--json"]
    ).splitlines()
    assert json.loads(line)["params"] == json.loads(params), line
    for text in (b"[0.1,0.30000000000000004,0.3333333333333333,2.5,", b"-0.0,100.0,123456789.123]",
                 '{"a \\"\u00e4\\"":0.7,"b":["\u20ac",0.3,null]}'.encode()):
        assert text in line, line


@test("what sub prints as JSON, pub --in json sends again byte for byte")
def _():
    params = [
        *(b"bin\xff", "text", 2**64 - 1, -(2**63), 1.5, float("inf"), None, True),
        {1: 2, "$bin": 3},
        {"$bin": "no base64"},
        {"a\0b": msgpack.ExtType(5, b"ext")},
        [[]],
        {},
    ]
    packed = msgpack.packb(params)
    first = receive(
        lambda: run("pub", "t.a", "--in", "msgpack", "@" + native(file_with(packed))),
        *("t.a",),
        count=1,
        options=["--json"],
    )
    again = json.dumps(json.loads(first)["params"])
    second = receive(
        lambda: run("pub", "t.b", "--in", "json", again), "t.b", count=1, options=["--json"]
    )
    assert json.loads(first)["params"] == json.loads(second)["params"], (first, second)


@test("@FILE is one message with all of the file's bytes")
def _():
    data = bytes(range(256)) * 1000 + b"\n\n"
    got = receive(lambda: run("pub", "t.file", "@" + native(file_with(data))), "t.file", count=1)
    assert got == data + b"\n"


@test("each line of standard input is a message: empty ones, and a last one without newline, too")
def _():
    data = b"one\n\nthree \xff\r\n" + b"x" * 300000 + b"\n\xe2\x82\xac\nlast"
    got = receive(lambda: expect(run("pub", "t.lines", stdin=data), 0), "t.lines", count=6)
    assert got == data + b"\n"
    got = receive(lambda: expect(run("pub", "t.lines", "-", stdin=data), 0), "t.lines", count=6)
    assert got == data + b"\n"


@test("lines may be JSON or hexadecimal; standard input may be MessagePack values")
def _():
    def publish():
        expect(run("pub", "t.in", "--in", "json", stdin=b'[1,2]\n"x"\n{"a":1}\n'), 0)
        expect(run("pub", "t.in", "--in", "hex", stdin=b"41 42\n43\n"), 0)
        values = b"".join(map(msgpack.packb, ([1], ["y" * 70000], [{"a": [2]}, b"z"])))
        expect(run("pub", "t.in", "--in", "msgpack", stdin=values), 0)

    got = receive(publish, "t.in", count=8).decode().splitlines()
    assert got[:5] == ["[1,2]", "x", '[{"a":1}]', "AB", "C"], got[:5]
    assert got[5:] == ["[1]", "y" * 70000, '[{"a":[2]},{"$bin":"eg=="}]'], got[5:]


@test("a body that is not what --in says is wrong use, and nothing is sent")
def _():
    for form, body in (("json", "{"), ("hex", "abc"), ("msgpack", "x"), ("json", '{"$bin":1}')):
        expect_error(2, "E_USAGE", "pub", "t.bad", "--in", form, body)
    for form, data in (("json", b"1\n{\n"), ("msgpack", b"\x91\x01\xc1"), ("msgpack", b"\x92\x01")):
        done = run("pub", "t.bad", "--in", form, stdin=data)
        assert done.code == 2, done


@test("a subject that is none, or a pattern, is wrong use")
def _():
    for subject in ("a..b", "a.*", ">", "", "a b", "x" * 300):
        expect_error(2, "E_USAGE", "pub", subject, "x")
    expect_error(2, "E_USAGE", "sub", "a.>.b")


@test("a file that cannot be read ends with exit code 1")
def _():
    expect_error(1, "E_IO", "pub", "t.file", "@" + native(path()))


@test("more than the protocol allows ends with exit code 8")
def _():
    large = native(file_with(bytes(17 << 20)))
    expect_error(8, "E_LIMIT", "pub", "t.large", "@" + large)
    fits_not_quite = native(file_with(bytes((16 << 20) - 100)))
    expect_error(8, "E_LIMIT", "pub", "t.large", "@" + fits_not_quite)
    done = run("pub", "t.large", stdin=bytes(17 << 20))
    assert done.code == 8, done
    deep = native(file_with(b"\x91" * 30 + b"\x01"))
    expect_error(8, "E_LIMIT", "pub", "t.large", "--in", "msgpack", "@" + deep)


@test("--confirm prints what became of each message")
def _():
    assert expect(run("pub", "t.c", "x", "--confirm"), 0).out == b"matched 0  queued 0  refused 0\n"
    sub = broker.ready("sub", "t.c", "-n", "3")
    got = expect(run("pub", "t.c", "x", "-n", "2", "--confirm", "--json"), 0).out
    assert lines_of_json(got) == [{"matched": 1, "queued": 1, "refused": 0}] * 2
    assert expect(run("pub", "t.c", "--confirm", stdin=b"y\n"), 0).out.startswith(b"matched 1")
    assert end_of(sub).out == b"x\nx\ny\n"


@test("--need-receiver ends with exit code 5 when nobody gets it")
def _():
    expect_error(5, "E_NORECEIVER", "pub", "t.nobody", "x", "--need-receiver")
    sub = broker.ready("sub", "t.somebody", "-n", "1")
    expect(run("pub", "t.somebody", "x", "--need-receiver"), 0)
    assert end_of(sub).code == 0


@test("--rate holds the pace")
def _():
    begin = time.monotonic()
    expect(run("pub", "t.rate", "x", "-n", "21", "--rate", "100"), 0)
    assert time.monotonic() - begin >= 0.2


@test("what the broker refuses is an error also without --confirm")
def _():
    expect_error(9, "E_METHOD", "pub", "$sys.nothing", "x")


@test("members of a group share the messages, others get all of them")
def _():
    members = [broker.ready("sub", "t.group", "-g", "g", "--for", "60s") for _ in range(2)]
    everybody = broker.ready("sub", "t.group", "-n", "100")
    run("pub", "t.group", "x", "-n", "100")
    assert end_of(everybody).out == b"x\n" * 100
    table = {row["client"]: row for row in json.loads(run("ls", "subs", "--json").out)}
    shares = [row["accepted"] for row in table.values() if row["group"] == "g"]
    assert len(shares) == 2 and sum(shares) == 100 and min(shares) > 0, shares
    for member in members:
        member.kill()


@test("several subjects keep the order in which they were published")
def _():
    def publish():
        for i in range(20):
            run("pub", f"t.order.{i % 3}", str(i))

    got = receive(publish, "t.order.0", "t.order.1", "t.order.2", count=20)
    assert got.split() == [str(i).encode() for i in range(20)], got


@test("--for ends after its time, with exit code 6 if --count was not reached")
def _():
    assert expect(run("sub", "t.silence", "--for", "50ms"), 0).out == b""
    expect_error(6, "E_TIMEOUT", "sub", "t.silence", "--for", "50ms", "-n", "1")


@test("--verbose tells on standard error when it is ready")
def _():
    expect(run("-v", "sub", "t.silence", "--for", "10ms"), 0, "panpipe: sub: ready")


@test("--policy and --echo are passed on")
def _():
    sub = broker.ready("sub", "t.policy", "--policy", "cut", "--echo", "-n", "1")
    rows = json.loads(run("ls", "subs", "--json").out)
    assert [row["policy"] for row in rows if row["pattern"] == "t.policy"] == ["cut"], rows
    run("pub", "t.policy", "x")
    assert end_of(sub).code == 0


# --- req and serve -------------------------------------------------------------------------------


@test("serve answers with a body, req prints it")
def _():
    service = broker.ready("serve", "s.body", "-n", "3", "the answer")
    assert expect(run("req", "s.body"), 0).out == b"the answer\n"
    assert expect(run("req", "s.body", "ignored"), 0).out == b"the answer\n"
    told = expect(run("req", "s.body", "--json"), 0).out
    assert lines_of_json(told) == [{"result": "the answer"}]
    assert end_of(service).code == 0


@test("serve --echo answers with the first param, whatever it is")
def _():
    service = broker.ready("serve", "s.echo", "--echo")
    assert run("req", "s.echo", "text").out == b"text\n"
    assert run("req", "s.echo", "-", stdin=b"a\n\xff").out == b"a\n\xff\n"
    assert run("req", "s.echo", "--in", "json", '[{"a":[1,null]},2]').out == b'{"a":[1,null]}\n'
    assert run("req", "s.echo").out == b"null\n"
    data = bytes(range(256)) * 8000
    assert run("req", "s.echo", "@" + native(file_with(data))).out == data + b"\n"
    service.kill()


@test("serve --in says what the answer is")
def _():
    service = broker.ready("serve", "s.json", "--in", "json", '{"a": [1, 2]}')
    assert run("req", "s.json").out == b'{"a":[1,2]}\n'
    service.kill()
    expect_error(2, "E_USAGE", "serve", "s.json", "--in", "json", "{")


@test("req --wait waits for a service that is started later, and no longer than that")
def _():
    call = broker.start("req", "s.later", "hello", "--wait", "60s")
    eventually(lambda: any(c["calls_open"] == 1 for c in clients_of("req")), "the call waits")
    service = broker.ready("serve", "s.later", "--echo", "-n", "1")
    assert end_of(call).out == b"hello\n"
    assert end_of(service).code == 0
    expect_error(5, "E_NORESP", "req", "s.never", "x", "--wait", "50ms")
    expect_error(6, "E_TIMEOUT", "req", "s.never", "x", "--wait", "60s", "--timeout", "1s")
    expect_error(2, "E_USAGE", "req", "s.never", "x", "--wait", "2h")


@test("pub --wait-subs loses nothing on a subscriber that is started later")
def _():
    wait = ["--wait-subs", "2", "--timeout", "60s"]
    first = broker.start("pub", "t.later", "x", *wait)
    lines = broker.start("pub", "t.later", *wait, stdin=subprocess.PIPE)
    eventually(lambda: sum(c["calls_open"] for c in clients_of("pub")) == 2, "both wait")
    subs = [broker.start("sub", "t.*", "-n", "2") for _ in range(2)]
    assert end_of(first).code == 0
    assert end_of(lines, b"x\n").code == 0
    assert [end_of(sub).out for sub in subs] == [b"x\nx\n"] * 2
    expect_error(6, "E_TIMEOUT", "pub", "t.never", "x", "--wait-subs", "1", "--timeout", "1s")


DOC = {
    "text": "adds\nnumbers",
    "params": [["a", "int"], ["base", "number", "or more"]],
    "result": "int",
    "errors": ["E_ARG no number", "E_LIMIT too many"],
}


@test("describe tells what is served, by whom, and how to call it")
def _():
    options = ["--exclusive", "--max-inflight", "3", "--as", "adder"]
    services = [
        broker.ready("serve", "d.sum", "--echo", "--doc-json", json.dumps(DOC), *options),
        broker.ready("serve", "d.longer", "--echo", "--doc", "a text", "--as", "other"),
        broker.ready("serve", "d.none", "--echo", "--as", "other"),
    ]
    text = expect(run("describe", "d.>"), 0).out.decode()
    clients = {c["name"]: c["id"] for c in json.loads(run("ls", "clients", "--json").out)}
    assert text.startswith(
        f"""\
d.sum     by adder (client {clients["adder"]}), exclusive, at most 3 calls at once
  adds
  numbers
  params  a     int
          base  number  or more
  result  int
  errors  E_ARG no number
          E_LIMIT too many
d.longer  by other (client """
    ), text
    assert text.splitlines()[-2] == "  a text", text
    told = json.loads(expect(run("describe", "d.*", "--json"), 0).out)
    assert [s["doc"] for s in told] == [DOC, "a text", None], told
    assert told[0]["exclusive"] and told[0]["max_inflight"] == 3, told
    assert len(json.loads(expect(run("describe", "--json"), 0).out)) >= 3
    for service in services:
        service.kill()


@test("describe shows a doc of one long line, whole")
def _():
    doc = "long " * 200 + "end"
    service = broker.ready("serve", "d.long", "--echo", "--doc", doc)
    lines = expect(run("describe", "d.long"), 0).out.decode().splitlines()
    assert lines[1:] == ["  " + doc], lines
    service.kill()


@test("describe of what nobody serves ends with exit code 5, of a bad pattern with 2")
def _():
    expect_error(5, "E_NORESP", "describe", "d.nobody")
    expect_error(2, "E_ARG", "describe", "d..x")


@test("serve takes a doc from a file, and tells what is wrong with one")
def _():
    name = native(file_with(json.dumps(DOC).encode()))
    service = broker.ready("serve", "d.file", "--echo", "--doc-json", "@" + name)
    assert json.loads(run("describe", "d.file", "--json").out)[0]["doc"] == DOC
    service.kill()
    serve = ["serve", "d.bad", "--echo"]
    expect_error(2, "E_USAGE", *serve, "--doc-json", "{")
    expect_error(2, "E_USAGE", *serve, "--doc-json", "{}", "--doc", "x")
    expect_error(2, "E_ARG", *serve, "--doc-json", '{"param": []}')
    expect_error(8, "E_LIMIT", *serve, "--doc", "x" * 5000)
    expect_error(1, "E_IO", *serve, "--doc-json", "@" + native(path()))


SHELL = "commands of the shell that Windows has not"


@test("serve --exec answers with what a command makes of the body")
def _():
    echo = broker.ready("serve", "s.inner", "--echo")
    inner = command("-b", broker.name, "req", "s.inner", "-")
    service = broker.ready("serve", "s.exec", "--exec", inner)
    assert run("req", "s.exec", "hello").out == b"hello\n"
    assert run("req", "s.exec", "--in", "json", '{"a":1}').out == b'[{"a":1}]\n'
    data = b"x" * 3000000
    assert run("req", "s.exec", "-", stdin=data).out == data + b"\n"
    service.kill()
    echo.kill()


@test("serve --exec uses the shell", linux_only=SHELL)
def _():
    service = broker.ready("serve", "s.shell", "--exec", "tr a-z A-Z; echo")
    assert run("req", "s.shell", "hello").out == b"HELLO\n"
    service.kill()


@test("a command that fails is the server's error: exit code 7")
def _():
    service = broker.ready("serve", "s.fails", "--exec", "exit 3")
    expect_error(7, "E_FAILED", "req", "s.fails", "x")
    assert "exit code 3" in run("req", "s.fails", "x").err
    service.kill()


@test("a command that a signal ends is the server's error", linux_only=SHELL)
def _():
    service = broker.ready("serve", "s.killed", "--exec", "kill -9 $$")
    assert "signal 9" in run("req", "s.killed", "x").err
    service.kill()


@test("a call that nobody serves ends with exit code 5")
def _():
    expect_error(5, "E_NORESP", "req", "s.nobody", "x")


def busy_service(subject, mark, *options):
    """Serves a subject and is busy with its first call, which makes the file, for a long time."""
    inner = command("-b", broker.name, "sub", "s.silence", "--for", "10m", "--ready", native(mark))
    options += ("--exec", inner)
    return broker.ready("serve", subject, *options, start_new_session=True)


def kill_all(service):
    os.killpg(service.pid, signal.SIGKILL)


@test("a call whose server goes away ends with exit code 5")
def _():
    for options in ([], ["--json"]):
        began = path()
        service = busy_service("s.gone", began)
        call = broker.start("req", "s.gone", "x", *options)
        eventually(lambda: os.path.exists(began), "the call has arrived")
        kill_all(service)
        done = end_of(call)
        assert done.code == 5, done
        assert not options or json.loads(done.err)["error"]["code"] == "E_GONE", done


@test("serve that is interrupted answers what it was asked: callers who wait see no gap",
      linux_only="there nobody can interrupt it from outside")
def _():
    failed = []

    def call_on():
        while not over.is_set():
            done = run("req", "s.restarted", "--wait", "30s")
            if done.code != 0:
                failed.append(done)

    over = threading.Event()
    callers = [threading.Thread(target=call_on) for _ in range(4)]
    for caller in callers:
        caller.start()
    for _ in range(20):
        service = broker.ready("serve", "s.restarted", "x")
        service.send_signal(signal.SIGTERM)
        assert service.wait(timeout=60) == 130
    service = broker.ready("serve", "s.restarted", "x")
    over.set()
    for caller in callers:
        caller.join()
    service.kill()
    assert failed == [], failed


@test("a call that takes too long ends with exit code 6")
def _():
    service = busy_service("s.slow", path())
    expect_error(6, "E_TIMEOUT", "req", "s.slow", "x", "--timeout", "100ms")
    kill_all(service)


@test("a call over a server's limit ends with exit code 8")
def _():
    began = path()
    service = busy_service("s.busy", began, "--max-inflight", "1")
    first = broker.start("req", "s.busy", "x")
    eventually(lambda: os.path.exists(began), "the first call has arrived")
    expect_error(8, "E_BUSY", "req", "s.busy", "x")
    kill_all(service)
    assert end_of(first).code == 5


@test("serve --exclusive keeps others out: exit code 1, E_NAMETAKEN")
def _():
    service = broker.ready("serve", "s.mine", "x", "--exclusive")
    expect_error(1, "E_NAMETAKEN", "serve", "s.mine", "y")
    service.kill()


@test("req asks the broker itself, whose errors have their exit codes")
def _():
    assert expect(run("req", "$ping"), 0).out == b"null\n"
    expect_error(9, "E_METHOD", "req", "$nothing")
    expect_error(11, "E_NOTFOUND", "req", "$unsub", "--in", "json", "[99]")
    expect_error(2, "E_ARG", "req", "$sub", "--in", "json", "[1]")


# --- ping, stats, ls, stop, stdio ----------------------------------------------------------------


@test("ping prints each round trip and what they come to")
def _():
    text = expect(run("ping", "-n", "3", "--interval", "1ms"), 0).out.decode().splitlines()
    assert len(text) == 4 and text[0].startswith("trip 1  time ") and "avg" in text[3], text
    events = lines_of_json(expect(run("ping", "-n", "3", "--interval", "1ms", "--json"), 0).out)
    assert [event.get("trip") for event in events] == [1, 2, 3, None], events
    total = events[3]
    assert total["trips"] == 3 and total["min_us"] <= total["avg_us"] <= total["max_us"], total


@test("stats prints a line for each counter, as JSON one object")
def _():
    stats = json.loads(expect(run("stats", "--json"), 0).out)
    lines = expect(run("stats"), 0).out.decode().splitlines()
    assert stats.pop("times") is not None  # a list is for programs
    assert len(lines) == len(stats) >= 20 and stats["pid"] > 0, stats
    assert len({line.index(line.split()[1], len(line.split()[0])) for line in lines}) == 1, lines


@test("ls prints tables, as JSON one array of all fields")
def _():
    sub = broker.ready("sub", "l.x", "--as", "lister \u00e4", "-g", "grp")
    rows = json.loads(expect(run("ls", "clients", "--json"), 0).out)
    (row,) = [row for row in rows if row["name"] == "lister \u00e4"]
    assert row["subs"] == 1 and row["state"] == "ok" and row["who"]["pid"] > 0, row
    rows = json.loads(expect(run("ls", "subs", "--json"), 0).out)
    assert [r["group"] for r in rows if r["client"] == row["id"]] == ["grp"], rows
    for what, title in (("clients", "NAME"), ("subs", "PATTERN")):
        lines = expect(run("ls", what), 0).out.decode().splitlines()
        assert title in lines[0] and any("lister \u00e4" in line for line in lines[1:]), lines
    sub.kill()


@test("stop ends the broker, which ends well; its clients end with exit code 3")
def _():
    other = Broker()
    sub = other.ready("sub", "x", "--json")
    other.stop()
    done = end_of(sub)
    assert done.code == 3 and json.loads(done.err)["error"]["code"] == "E_SHUTDOWN", done


@test("a broker that dies ends its clients with exit code 3 and words")
def _():
    other = Broker()
    clients = [other.ready("sub", "x"), other.ready("serve", "y", "z")]
    clients.append(other.start("pub", "x", stdin=subprocess.PIPE))
    clients[2].stdin.write(b"it is connected\n")
    clients[2].stdin.flush()
    assert clients[0].stdout.readline() == b"it is connected\n"
    other.process.kill()
    for client in clients:
        client.wait(PATIENCE_S)
        assert client.returncode == 3 and b"broker went away" in client.stderr.read(), client.args


@test("stdio carries MessagePack-RPC as it is, both ways")
def _():
    pipe = broker.start("stdio", stdin=subprocess.PIPE)
    pipe.stdin.write(msgpack.packb([0, 7, "$sub", ["st.x"]]) + msgpack.packb([0, 8, "$ping", []]))
    pipe.stdin.flush()
    unpacker = msgpack.Unpacker()

    def next_message():
        while True:
            for message in unpacker:
                return message
            block = os.read(pipe.stdout.fileno(), 65536)
            assert block, end_of(pipe)
            unpacker.feed(block)

    assert next_message()[:3] == [1, 7, None]
    assert next_message() == [1, 8, None, None]
    run("pub", "st.x", "@" + native(file_with(b"y" * 100000)))
    assert next_message() == [2, "st.x", ["y" * 100000]]
    pipe.stdin.write(msgpack.packb([2, "st.y", ["z" * 500000]]))
    sub = broker.ready("sub", "st.y", "-n", "1")
    pipe.stdin.write(msgpack.packb([2, "st.y", ["last"]]))
    pipe.stdin.close()
    assert pipe.wait(PATIENCE_S) == 0 and not pipe.stderr.read()
    assert end_of(sub).out in (b"last\n", b"z" * 500000 + b"\n")


@test("where prints what a client connects to, also while nobody is there")
def _():
    place = run("where").out.decode().strip()
    if not ON_WINE:
        assert place == broker.socket(), place
    assert json.loads(run("where", "--json").out) == {"path": place}
    done = end_of(start(PANPIPE + ["-b", place, "ping", "-n", "1"]))
    assert done.code == 0, done
    there = unique("nobody")
    assert there.encode() in end_of(start(PANPIPE + ["-b", there, "where"])).out
    expect_error(2, "E_USAGE", "where", "-b", "Has Spaces")


@test("stdio ends when the broker does")
def _():
    other = Broker()
    pipe = other.start("stdio", stdin=subprocess.PIPE)
    silent = ["ls", "clients", "--where", "hello=no", "--format", "{id}"]
    eventually(lambda: other.run(*silent).out, "connected")
    other.stop()
    assert pipe.wait(PATIENCE_S) == 0
    pipe.stdin.close()


# --- bench ---------------------------------------------------------------------------------------


@test("bench loses nothing, and reports one object")
def _():
    for arguments, received in (
        (["pub", "-n", "20000"], 20000),
        (["pub", "-n", "50", "--rate", "1000", "--size", "100000"], 50),
        (["fan", "-n", "2000", "--clients", "3"], 6000),
        (["req", "-n", "500"], 500),
        (["req", "-n", "2000", "--outstanding", "8", "--size", "16"], 2000),
    ):
        report = json.loads(expect(run("bench", *arguments, "--json"), 0).out)
        assert report["received"] == received and report["lost"] == 0, (arguments, report)
        assert report["p50_us"] <= report["p999_us"] and report["messages_per_s"] > 0, report
    text = expect(run("bench", "pub", "--for", "50ms"), 0).out.decode()
    assert "p99 " in text and "broker_cpu_per_message" in text, text


@test("bench sub counts what others publish")
def _():
    bench = broker.start("bench", "sub", "b.x", "-n", "1000", "--json")
    eventually(lambda: run("pub", "b.x", "x", "--need-receiver").code == 0, "it has subscribed")
    run("pub", "b.x", "x", "-n", "1000")
    done = end_of(bench)
    assert done.code == 0 and json.loads(done.out)["received"] >= 1000, done


# --- streams -------------------------------------------------------------------------------------


def checksum(name):
    return hashlib.sha256(contents(name)).hexdigest()


def million_lines():
    name = path("lines")
    with open(name, "wb") as file:
        for i in range(1000000):
            file.write(b"%d %s\n" % (i, b"\xff\0x"[: i % 4] * (i % 11)))
    return name


def pass_lines(at, lines, count):
    """Through pub and sub; the name of what came."""
    got = path("got")
    with open(got, "wb") as out, open(lines, "rb") as data:
        sub = at.ready("sub", "m.x", "-n", str(count), stdout=out)
        pub = at.start("pub", "m.x", stdin=data)
        for process in (pub, sub):
            done = end_of(process, patience_s=FLOOD_S)
            assert done.code == 0 and not done.err, done
    return got


@test("a million lines arrive byte for byte in order, with 1, 2 and 4 workers")
def _():
    lines = million_lines()
    for workers in ("1", "2", "4"):
        other = Broker("--workers", workers)
        assert checksum(pass_lines(other, lines, 1000000)) == checksum(lines), workers
        stats = json.loads(other.run("stats", "--json").out)
        assert stats["lost"] == 0 and stats["published"] == 1000000, stats
        other.stop()


@test("a slow reader of sub's output slows pub, and nothing is lost")
def _():
    data = b"".join(b"%d %s\n" % (i, b"x" * 1000) for i in range(30000))
    sub = broker.ready("sub", "m.slow", "-n", "30000")
    pub = broker.start("pub", "m.slow", stdin=subprocess.PIPE)
    writer = threading.Thread(target=lambda: (pub.stdin.write(data), pub.stdin.close()))
    writer.start()
    eventually(lambda: blocked("panpipe-pub"), "pub is held up")
    got = b""
    while chunk := os.read(sub.stdout.fileno(), 65536):
        got += chunk
    writer.join()
    assert pub.wait(PATIENCE_S) == 0 and sub.wait(PATIENCE_S) == 0
    assert got == data


def blocked(name):
    rows = json.loads(run("ls", "clients", "--json").out)
    return any(row["name"] == name and row["state"] == "blocked" for row in rows)


@test("a message is printed at once when nothing follows it")
def _():
    sub = broker.ready("sub", "m.once")
    for i in range(5):
        run("pub", "m.once", str(i))
        assert os.read(sub.stdout.fileno(), 100) == b"%d\n" % i
    sub.kill()


@test("a command without standard streams works", linux_only="a shell that closes streams")
def _():
    words = " ".join(shlex.quote(word) for word in PANPIPE + ["-b", broker.name, "ping"])
    done = end_of(start(["sh", "-c", f"{words} -n 1 <&- >&- 2>&-"]))
    assert done.code == 0, done


@test("closed standard output ends a command quietly with exit code 0")
def _():
    sub = broker.ready("sub", "m.closed")
    run("pub", "m.closed", "x")
    assert os.read(sub.stdout.fileno(), 100) == b"x\n"
    sub.stdout.close()
    eventually(
        lambda: run("pub", "m.closed", "x").code or sub.poll() is not None, "sub has noticed"
    )
    assert sub.returncode == 0 and not sub.stderr.read()
    for arguments in (["stats"], ["ping", "-n", "100", "--interval", "1ms"], ["--help"]):
        done = broker.start(*arguments)
        done.stdout.close()
        assert done.wait(PATIENCE_S) == 0 and not done.stderr.read(), arguments


@test("a full disk is an error", linux_only="/dev/full")
def _():
    with open("/dev/full", "wb") as full:
        done = run("stats", "--json", stdout=full)
    assert done.code == 1 and json.loads(done.err)["error"]["code"] == "E_IO", done


# --- Ctrl-C --------------------------------------------------------------------------------------

def is_interrupted(process):
    interrupt(process)
    assert process.returncode == 130 and not process.stderr.read(), process.args


@test("Ctrl-C ends every command that waits with exit code 130, quietly")
def _():
    service = busy_service("i.slow", path())
    is_interrupted(broker.ready("sub", "i.x"))
    is_interrupted(broker.ready("serve", "i.y", "z"))
    for arguments in (
        ["req", "i.slow", "x"],
        ["ping", "-n", "1000"],
        ["bench", "pub", "--for", "60s"],
        ["bench", "sub", "i.z", "--for", "60s"],
        ["pub", "i.x"],
        ["stdio"],
        ["pub", "i.x", "y", "-n", "100000", "--rate", "10"],
    ):
        name = unique("client")
        process = broker.start("--as", name, *arguments, stdin=subprocess.PIPE)
        eventually(lambda: connected(name, process), f"{arguments} is connected")
        is_interrupted(process)
    kill_all(service)
    if not ON_WINE:  # there nobody can see when the program is ready for it
        is_interrupted(waits_for_broker())


class LateAnswers:
    """Stands between a program and the broker, and holds the broker's words back from the moment
    the program has said a certain one."""

    def __init__(self, until):
        self.path, self.until = path("between.sock"), until
        self.said, self.go_on = threading.Event(), threading.Event()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        threading.Thread(target=self.between, daemon=True).start()

    def between(self):
        client, _ = self.listener.accept()
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(run("where").out.decode().strip())
            threading.Thread(target=self.back, args=(server, client), daemon=True).start()
            while words := client.recv(65536):
                if self.until in words:
                    self.said.set()
                server.sendall(words)

    def back(self, server, client):
        with contextlib.suppress(OSError):  # the program has ended
            while words := server.recv(65536):
                if self.said.is_set():
                    self.go_on.wait(PATIENCE_S)
                client.sendall(words)


@test("Ctrl-C before a subscription is confirmed: what comes after it does no harm",
      linux_only="stands between two sockets")
def _():
    for words in (["sub", "i.x"], ["bench", "sub", "i.x"]):
        late = LateAnswers(b"$sub")
        process = start(PANPIPE + ["-b", late.path, *words])
        assert late.said.wait(PATIENCE_S), words
        process.send_signal(signal.SIGINT)
        eventually(lambda: handled(process), "it has heard of it")
        late.go_on.set()
        done = end_of(process)
        assert done.code == 130 and not done.err, done


def handled(process):
    """Is the signal not pending any more?"""
    status = contents(f"/proc/{process.pid}/status").decode()
    pending = re.findall(r"(?:Shd|Sig)Pnd:\s+(\w+)", status)
    return not any(int(mask, 16) & 1 << (signal.SIGINT - 1) for mask in pending)


def connected(name, process):
    rows = json.loads(run("ls", "clients", "--json").out)
    return any(
        row["name"] == name
        or row["who"]["pid"] == process.pid
        or (ON_WINE and row["name"].startswith("pid-"))  # which has another number there
        for row in rows
    )


def waits_for_broker():
    """A process that tries to connect, and has blocked the signal by then."""
    process = start(PANPIPE + ["-b", "e2e-nobody", "ping", "--timeout", "60s"])
    status = f"/proc/{process.pid}/status"
    eventually(
        lambda: any(
            line.startswith("SigBlk") and int(line.split()[1], 16) & 1 << signal.SIGINT - 1
            for line in open(status)
        ),
        "the signal is blocked",
    )
    return process


@test("Ctrl-C loses nothing that pub had read")
def _():
    sub = broker.ready("sub", "i.kept", "-n", "3")
    pub = broker.start("pub", "i.kept", stdin=subprocess.PIPE)
    pub.stdin.write(b"one\ntwo\n")
    pub.stdin.flush()
    assert sub.stdout.readline() == b"one\n"
    is_interrupted(pub)
    assert sub.stdout.readline() == b"two\n"
    run("pub", "i.kept", "three")
    assert end_of(sub).code == 0


@test("Ctrl-C ends sub also while its output is stuck")
def _():
    sub = broker.ready("sub", "i.stuck")
    run("pub", "i.stuck", "x" * 1000, "-n", "1000")
    is_interrupted(sub)
    sub.stdout.close()


# --- who listens is no broker --------------------------------------------------------------------


class Impostor:
    """Listens, and says one thing to whoever connects."""

    def __init__(self, words):
        self.path = path("impostor.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.connections = []
        threading.Thread(target=self.answer, args=(words,), daemon=True).start()

    def answer(self, words):
        while True:
            connection, _ = self.listener.accept()
            self.connections.append(connection)
            connection.sendall(words)

    def ping(self, timeout):
        return end_of(start(PANPIPE + ["-b", self.path, "--timeout", timeout, "--json", "ping"]))


@test("who does not answer is given up: exit code 6", linux_only="a Unix socket of our own")
def _():
    done = Impostor(b"").ping("100ms")
    assert done.code == 6 and json.loads(done.err)["error"]["code"] == "E_TIMEOUT", done


@test("who speaks another protocol is told: exit code 9", linux_only="a Unix socket of our own")
def _():
    done = Impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n").ping("60s")
    assert done.code == 9 and json.loads(done.err)["error"]["code"] == "E_PROTO", done


def a_broker_with_a_deaf_log():
    """A broker that has written more to its standard error than the pipe takes, unread."""
    name = unique("deaf")
    process = start(PANPIPED + ["-b", name, "--log-level", "debug"])
    where = os.path.join(os.environ["XDG_RUNTIME_DIR"], "panpipe", name + ".sock")

    def connected():
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE_S)
        try:
            connection.connect(where)
        except OSError:
            connection.close()
            return None
        return connection

    for _ in range(1500):  # two lines each
        eventually(connected, "the broker listens").close()
    with eventually(connected, "the broker listens") as connection:
        connection.sendall(msgpack.packb([0, 1, "$ping", []]))
        assert msgpack.unpackb(connection.recv(100)) == [1, 1, None, None]
    return process


@test(
    "a log that nobody reads holds nobody up, and tells what it lost",
    linux_only="a Unix socket of our own",
)
def _():
    process, said = a_broker_with_a_deaf_log(), b""
    while b" warn log lost=" not in said:
        said += os.read(process.stderr.fileno(), 64 * 1024)
    process.terminate()
    done = end_of(process)
    assert done.code == 0, done
    assert " info leave\n" in done.err, done


@test("a log that nobody reads does not keep the broker", linux_only="a Unix socket of our own")
def _():
    process = a_broker_with_a_deaf_log()
    process.terminate()
    assert process.wait(timeout=PATIENCE_S) == 0


@test("the broker has lost nothing in all this, and ends well")
def _():
    assert json.loads(run("stats", "--json").out)["late_answers"] >= 0
    broker.stop()


run_tests()
