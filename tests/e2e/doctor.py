#!/usr/bin/python3
"""panpipe doctor: each thing that keeps a program from its broker is brought about, and must be
found, with what to do about it and the exit code. See support.py for the programs."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import msgpack
from support import (
    ON_WINE,
    PANPIPE,
    PANPIPED,
    PATIENCE_S,
    Broker,
    Skip,
    Stranger,
    alone_in,
    comes_true,
    connect,
    contents,
    end_of,
    eventually,
    file_with,
    folder,
    native,
    path,
    run_tests,
    start,
    test,
    unique,
)

SOCKETS = "sockets, folders and modes of Linux"
HIS, HERS = (20000 + (2 * os.getpid() + i) % 40000 for i in range(2))  # that nobody else is
CHECKS = (
    "place folder listener answer rights version others start settings starting log handles disk"
    " clock environment"
).split()


class Report:
    """What the doctor says, checked for its form."""

    def __init__(self, *arguments, words=None, **changes):
        environment = {**os.environ, **{k: v for k, v in changes.items() if v is not None}}
        for name in [k for k, v in changes.items() if v is None]:
            environment.pop(name, None)
        arguments = ["doctor", "--json", "--timeout", "30s", *arguments]  # the last of two counts
        done = end_of(start((words or PANPIPE) + arguments, env=environment))
        assert not done.err and done.out.count(b"\n") == 1, done
        report = json.loads(done.out)
        assert set(report) == {"state", "found", "do", "exit_code", "checks"}, report
        assert report["exit_code"] == done.code, (report, done.code)
        self.code, self.state, self.checks = done.code, report["state"], report["checks"]
        for check in self.checks:
            assert set(check) - {"lines"} == {"check", "state", "found", "do"}, check
            assert check["check"] in CHECKS and check["state"] in ("ok", "warn", "FAIL"), check
            assert check["found"] and (check["state"] == "ok") == (not check["do"]), check
        order = [CHECKS.index(check["check"]) for check in self.checks]
        assert order == sorted(order), "in the order in which one needs it"
        failed = [check for check in self.checks if check["state"] == "FAIL"]
        warned = [check for check in self.checks if check["state"] == "warn"]
        (self.worst,) = [
            check
            for check in failed or warned[:1] or [{"check": "", "found": "", "do": ""}]
            if (check["found"], check["do"]) == (report["found"], report["do"])
        ]
        state = "FAIL" if failed else "warn" if warned else "ok"
        assert self.state == state and (state == "FAIL") == (self.code != 0), report

    def line(self, check):
        (line,) = [one for one in self.checks if one["check"] == check]
        return line

    def expect(self, check, state, found="", do="", code=None):
        """The check has that state, and its words match the patterns."""
        line = self.line(check)
        assert line["state"] == state, line
        assert re.search(found, line["found"]), (found, line)
        assert re.search(do, line["do"]), (do, line)
        if code is not None:
            assert self.code == code, self.checks
        return self

    def matters(self, check):
        """It is this one that the report tells first, or last."""
        assert self.worst["check"] == check, self.worst

    def all_well(self):
        assert self.code == 0 and self.state == "ok", self.checks
        return self


@contextlib.contextmanager
def server(answer, name=None):
    """A program that listens and is no broker: answer(connection) for each that comes."""
    place = name or path("server.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(place)
    listener.listen()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                end, _ = listener.accept()
                with end:
                    answer(end)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield place
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE_S)


def folder_of(runtime):
    return os.path.join(runtime, "panpipe")


def runtime_folder(prepare=None):
    """A runtime folder of its own, in which prepare has readied the folder "panpipe"."""
    runtime = path("runtime")
    os.mkdir(runtime, 0o700)
    if prepare:
        prepare(folder_of(runtime))
    return runtime


# --- well, and nobody there ----------------------------------------------------------------------


@test("with a broker that is well nothing is wrong: exit code 0")
def _():
    broker = Broker()
    words = "may operate it; process [1-9][0-9]*, up [0-9]+ s, clients 1, denied 0"
    # who was there before may be counted for a moment
    report = comes_true(lambda: Report("-b", broker.name).expect("rights", "ok", words))
    report.all_well().expect("place", "ok", re.escape(f'"{broker.name}" (-b)'))
    report.expect("listener", "ok", "process [1-9][0-9]*, .*panpiped")
    report.expect("answer", "ok", "as a broker")
    report.expect("handles", "ok", "has [1-9][0-9]* open.*connections = 16384")
    report.expect("environment", "ok", r"^panpipe [0-9.]+; .*PANPIPE_NO_START=1")
    if not ON_WINE:
        report.expect("listener", "ok", f"process {broker.process.pid}, .*mode 0600")
        report.expect("folder", "ok", "mode 0700")
    Report(PANPIPE=broker.name).all_well().expect("place", "ok", r"\(PANPIPE\)")
    broker.stop()


@test("the text has a line for each check, and one at the end that says what is wrong")
def _():
    broker = Broker()
    report = Report("-b", broker.name)
    lines = broker.run("doctor").out.decode().splitlines()
    assert [line[:19].split() for line in lines[:-1]] == [
        [check["state"], check["check"]] for check in report.checks
    ], lines
    assert lines[-1] == "All is well.", lines
    broker.stop()
    done = broker.run("doctor")
    lines = done.out.decode().splitlines()
    (failed,) = [line for line in lines if line.startswith("FAIL")]
    assert done.code == 3 and lines[-1] == "What is wrong: " + failed[19:], lines
    assert " -> start one: panpiped -b " in failed, failed
    assert not broker.run("doctor", "--quiet").out


@test("no broker: what to start, exit code 3; nothing is started, nothing is made")
def _():
    name = unique("nobody")
    report = Report("-b", name, PANPIPE_NO_START="0")
    report.expect("listener", "FAIL", "no broker is running", f"panpiped -b {name}$", 3)
    report.matters("listener")
    report.expect("start", "ok", "when it is needed").expect("settings", "ok", "the defaults")
    assert not [check for check in report.checks if check["check"] in ("answer", "rights")]
    Report("-b", name).expect("start", "ok", "PANPIPE_NO_START")
    if not ON_WINE:
        runtime = runtime_folder()
        report = Report(XDG_RUNTIME_DIR=runtime)
        report.expect("folder", "ok", "panpiped makes it").expect("listener", "FAIL", code=3)
        assert not os.listdir(runtime)
        os.mkdir(folder_of(runtime), 0o700)
        Report(XDG_RUNTIME_DIR=runtime).expect("listener", "FAIL", code=3)
        assert not os.listdir(folder_of(runtime))


@test("a name that is none is wrong use: exit code 2")
def _():
    done = end_of(start(PANPIPE + ["doctor", "-b", "No Name", "--json"]))
    assert done.code == 2 and not done.out and "error" in json.loads(done.err), done
    assert end_of(start(PANPIPE + ["doctor", "operand"])).code == 2


@test("a name that is mistaken for one that runs: the right one is named")
def _():
    broker = Broker(name=unique("right"))
    if ON_WINE and "does not list" in Report().line("others")["found"]:
        broker.stop()
        raise Skip("Wine does not list pipes")
    report = Report("-b", broker.name.replace("right", "rihgt"))
    report.expect("listener", "FAIL", "", f"did you mean -b {broker.name}.*or start one", 3)
    report.matters("listener")
    report.expect("others", "ok", broker.name)
    broker.stop()


# --- what is left, or in the way -----------------------------------------------------------------


@test("a killed broker's socket is known as such, and the next broker replaces it", SOCKETS)
def _():
    broker = Broker()
    broker.process.kill()
    broker.process.wait()
    report = Report("-b", broker.name)
    left = "left from one that was killed"
    report.expect("listener", "FAIL", left, "which replaces it: panpiped", 3)
    again = Broker(name=broker.name)
    Report("-b", broker.name).all_well()
    again.stop()


@test("a broker whose socket somebody has removed is named by its process", linux_only=SOCKETS)
def _():
    broker = Broker()
    os.unlink(broker.socket())
    report = Report("-b", broker.name)
    process = f"process {broker.process.pid}"
    report.expect("listener", "FAIL", f"{process} runs .* removed", f"end {process}", 3)
    broker.process.terminate()
    assert broker.process.wait(PATIENCE_S) == 0


@test("what lies at the socket's place and is no socket has to go", linux_only=SOCKETS)
def _():
    report = Report("-b", file_with(b"notes"))
    report.expect("listener", "FAIL", "is no socket", "remove it", 3)
    report.expect("start", "ok", "not started on demand")
    place = path("folder")
    os.mkdir(place)
    Report("-b", place).expect("listener", "FAIL", "is no socket", "remove it", 3)


@test("where the folder is to be, there is none: exit code 3", linux_only=SOCKETS)
def _():
    report = Report(XDG_RUNTIME_DIR="/nonexistent")
    report.expect("folder", "FAIL", "/nonexistent/panpipe", "XDG_RUNTIME_DIR", 3)
    Report("-b", "/nonexistent/x.sock").expect("folder", "FAIL", "/nonexistent", "make it", 3)


@test("a folder that others could put a server in is not trusted: exit code 4", linux_only=SOCKETS)
def _():
    def open_to_all(place):
        os.mkdir(place)
        os.chmod(place, 0o777)

    def a_link(place):
        os.mkdir(place + "-ours", 0o700)
        os.symlink(place + "-ours", place)

    runtime = runtime_folder(open_to_all)
    report = Report(XDG_RUNTIME_DIR=runtime)
    report.expect("folder", "FAIL", "mode 777: others could put a server there", "chmod", 4)
    assert not [check for check in report.checks if check["check"] == "listener"]
    with server(lambda end: end.sendall(b"x"), folder_of(runtime) + "/default.sock"):
        report = Report(XDG_RUNTIME_DIR=runtime)
        report.expect("folder", "FAIL", "not trusted", "", 4)
        report.expect("listener", "FAIL", f"process {os.getpid()}.* is not trusted", "nothing was")
    Report(XDG_RUNTIME_DIR=runtime_folder(a_link)).expect("folder", "FAIL", "none", "", 4)


# --- who listens ---------------------------------------------------------------------------------


@test("who listens and is no broker is found out: exit codes 9 and 6", linux_only=SOCKETS)
def _():
    def answers(data):
        return lambda end: (end.recv(65536), end.sendall(data))

    strange = (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"Excuse me?\r\n",
        b"\xc1" * 100,
        msgpack.packb([1, 7, None, {}]),  # to what nobody has asked
        msgpack.packb([1, 1, None, 42]),
        msgpack.packb([1, 1, None]),
        msgpack.packb([1, 1, "E_METHOD hello?", None]),
    )
    for data in strange:
        with server(answers(data)) as name:
            report = Report("-b", name)
            report.expect("answer", "FAIL", "no broker", "another name", 9)
            report.expect("listener", "ok", f"process {os.getpid()}, .*python")
    with server(lambda end: end.sendall(end.recv(65536))) as name:  # an echo
        Report("-b", name).expect("answer", "FAIL", "no broker", "another name", 9)
    with server(answers(b"")) as name:
        Report("-b", name).expect("answer", "FAIL", "ended the connection", "log", 9)
    for half in (b"", b"E", b"\x94\x01\x01", msgpack.packb([2, "$note", []])):
        with server(lambda end: (end.sendall(half), hear_out(end))) as name:
            report = Report("-b", name, "--timeout", "100ms")
            report.expect("answer", "FAIL", "within 100 ms", "hangs", 6)
    with server(answers(msgpack.packb([1, 1, "E_VERSION this broker speaks v 2", None]))) as name:
        Report("-b", name).expect("answer", "FAIL", "speaks v 2", "one release", 9)


def hear_out(end):
    while end.recv(65536):
        pass


@test("a broker that takes no more clients says so: exit code 8")
def _():
    broker = Broker(settings="connections = 1;\n")
    sub = comes_true(lambda: broker.ready("sub", "a", "-n", "1"))  # as soon as the place is free
    report = Report("-b", broker.name)
    report.expect("answer", "FAIL", "E_QUOTA connections", "raise connections", 8)
    if not ON_WINE:
        report.expect("handles", "ok", "who listens has [1-9][0-9]* open")
    sub.kill()
    sub.wait()
    eventually(lambda: Report("-b", broker.name).code == 0, "it has gone")
    eventually(lambda: broker.run("stop").code == 0, "the doctor has gone")
    assert broker.process.wait(PATIENCE_S) == 0


@test("a broker of another release is a warning", linux_only=SOCKETS)
def _():
    answers = {"$hello": {"v": 1}, "$sys.stats": {"version": "99.0", "pid": 1}, "$bye": None}
    asked = []

    def serve(end):
        unpacker = msgpack.Unpacker()
        while data := end.recv(65536):
            unpacker.feed(data)
            for _, number, method, _ in unpacker:
                asked.append(method)
                end.sendall(msgpack.packb([2, "$note", ["STARTED", "not for you", {}]]))
                end.sendall(msgpack.packb([1, number, None, answers[method]]))

    with server(serve) as name:
        report = Report("-b", name)
    report.expect("version", "warn", "the broker is 99.0, panpipe is", "of this release", 0)
    report.matters("version")
    assert asked == list(answers), "and it takes its leave"


@test("a clock that was set back since the broker began is a warning", linux_only=SOCKETS)
def _():
    broker = Broker()
    soon = time.time() + 3600
    os.utime(broker.socket(), (soon, soon))  # as if it had been made by a clock that was ahead
    report = Report("-b", broker.name)
    report.expect("clock", "warn", "set back by 3[56][0-9]{2} s", "times", 0)
    broker.stop()


@test("who listens and lets nobody in is found out: exit code 6", linux_only=SOCKETS)
def _():
    name = path("full.sock")
    with contextlib.ExitStack() as all_ends:
        listener = all_ends.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(name)
        listener.listen(0)
        waiting = all_ends.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(name)
        report = Report("-b", name, "--timeout", "100ms")
        report.expect("listener", "FAIL", "let nobody in for 100 ms", "stopped", 6)


@test("a broker that is stopped listens, and does not answer: exit code 6", linux_only="SIGSTOP")
def _():
    broker = Broker()
    broker.process.send_signal(signal.SIGSTOP)
    report = Report("-b", broker.name, "--timeout", "200ms")
    report.expect("listener", "ok", f"process {broker.process.pid}")
    report.expect("answer", "FAIL", "did not answer within 200 ms", "stopped", 6)
    broker.process.send_signal(signal.SIGCONT)
    Report("-b", broker.name).all_well()
    broker.stop()


# --- other users ---------------------------------------------------------------------------------


@test("another user's program is named, and gets no byte: exit code 4", linux_only=SOCKETS)
def _():
    with Stranger(HIS) as stranger:
        os.chown(stranger.folder, HIS, HIS)
        name = os.path.join(stranger.folder, "his.sock")
        his = start(stranger.user() + [sys.executable, "-c", SQUATTER, name], text=True)
        assert his.stdout.readline() == "listens\n"
        report = Report("-b", name)
        report.expect("listener", "FAIL", f"process {his.pid}, .*uid {HIS}", "nothing was sent", 4)
        heard = [his.stdout.readline() for _ in range(2)]
        assert heard == ["heard 0\n"] * 2, heard
        his.kill()


SQUATTER = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
server.listen()
print("listens", flush=True)
while True:
    end, _ = server.accept()
    print("heard", len(end.recv(65536)), flush=True)
"""


@test("a folder that belongs to another user is not trusted: exit code 4", linux_only=SOCKETS)
def _():
    with Stranger(HIS):
        def his(place):
            os.mkdir(place, 0o755)
            os.chown(place, HIS, HIS)

        report = Report(XDG_RUNTIME_DIR=runtime_folder(his))
        report.expect("folder", "FAIL", f"uid {HIS} with mode 755", "yours alone", 4)


@test("who may not open the socket is told whose it is, and who he is: exit code 4", SOCKETS)
def _():
    with Stranger(HIS) as stranger:
        place = os.path.join(stranger.folder, "place")
        os.mkdir(place, 0o755)
        broker = Broker(name=os.path.join(place, "own.sock"))
        report = Report("-b", broker.name, words=stranger.panpipe)
        words = f"the socket .*own.sock belongs to .*mode 0600; you are uid {HIS}, group {HIS}"
        report.expect("listener", "FAIL", words, "--access", 4)
        os.chmod(broker.name, 0o666)
        report = Report("-b", broker.name, words=stranger.panpipe)
        report.expect("answer", "FAIL", f"uid {HIS} may not use this pipe", "--access", 4)
        os.chmod(place, 0o700)
        report = Report("-b", broker.name, words=stranger.panpipe)
        words = f"the folder {place} belongs to .*mode 0700; you are uid {HIS}"
        report.expect("listener", "FAIL", words, "--access", 4)
        broker.stop()


@test("who may talk and not operate is told so, and that is well", linux_only=SOCKETS)
def _():
    with Stranger(HIS) as stranger:
        name = os.path.join(stranger.folder, "all.sock")
        broker = Broker("--access", "local-users", name=name)
        report = Report("-b", name, words=stranger.panpipe).all_well()
        report.expect("rights", "ok", "not operate it .*E_PERM")
        broker.stop()


# --- two of them ---------------------------------------------------------------------------------


@contextlib.contextmanager
def brokers_for_all(name):
    """A broker for all users."""
    if not ON_WINE and os.getuid() != 0:
        raise Skip("only root can make a broker for all users")
    with contextlib.ExitStack() as machine:
        if not ON_WINE:
            machine.enter_context(alone_in("/run"))
        there, words = os.path.exists("/run/panpipe"), PANPIPE + ["--system", "-b", name]
        process = start(PANPIPED + ["--system", "-b", name], stderr=subprocess.DEVNULL)
        try:
            assert end_of(start(words + ["ping", "-n", "1", "--timeout", "30s"])).code == 0
            yield process
        finally:
            assert end_of(start(words + ["stop"])).code == 0
            process.wait(PATIENCE_S)
            for kind in (".sock", ".sock.lock"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"/run/panpipe/{name}{kind}")
            if not there:
                with contextlib.suppress(OSError):
                    os.rmdir("/run/panpipe")


@test("a broker for all users is well, too, and is not the user's of that name")
def _():
    name = unique("all")
    with brokers_for_all(name):
        report = Report("--system", "-b", name).all_well()
        report.expect("place", "ok", "everybody's")
        report.expect("start", "ok", "for all users is not started on demand")
        Report("-b", name).expect("listener", "FAIL", code=3)


@test("where --system is missing, or too much, is told", linux_only=SOCKETS)
def _():
    name = unique("all")
    with brokers_for_all(name) as process:
        report = Report("--system", "-b", name).all_well()
        report.expect("listener", "ok", f"process {process.pid}.*mode 0666")
        Report("-b", name).expect("listener", "FAIL", "", "for all users: add --system", 3)
    broker = Broker()
    report = Report("--system", "-b", broker.name)
    report.expect("listener", "FAIL", "/run/panpipe/", "leave out --system", 3)
    broker.stop()


@test("two brokers of one name, for a user and for all, are a warning", linux_only=SOCKETS)
def _():
    broker = Broker()
    with brokers_for_all(broker.name):
        report = Report("-b", broker.name)
        report.expect("others", "warn", broker.name + r" \(--system\)", "two of that name", 0)
        report = Report("-b", broker.name, "--system")
        report.expect("others", "warn", broker.name, re.escape(broker.socket()), 0)
    broker.stop()


@test("a broker that was started without XDG_RUNTIME_DIR is found from where it is set", SOCKETS)
def _():
    with Stranger(HERS) as stranger:
        name, without = unique("else"), ["env", "-u", "XDG_RUNTIME_DIR"]
        shutil.rmtree(f"/tmp/panpipe-{HERS}", ignore_errors=True)
        runtime = os.path.join(stranger.folder, "runtime")
        os.mkdir(runtime, 0o700)
        os.chown(runtime, HERS, HERS)
        broker = start(without + stranger.panpiped + ["-b", name])
        try:
            place = f"/tmp/panpipe-{HERS}/{name}.sock"
            eventually(lambda: os.path.exists(place), "it listens")
            report = Report("-b", name, words=stranger.panpipe, XDG_RUNTIME_DIR=runtime)
            report.expect("listener", "FAIL", "", place + ", with another XDG_RUNTIME_DIR", 3)
            words = stranger.panpipe
            report = Report("-b", name, words=words, XDG_RUNTIME_DIR=None).all_well()
            report.expect("place", "ok", place)
            report = Report("-b", name + "x", words=words, XDG_RUNTIME_DIR=None)
            report.expect("place", "warn", "", "XDG_RUNTIME_DIR is not set here", 3)
        finally:
            broker.terminate()
            broker.wait(PATIENCE_S)
            shutil.rmtree(f"/tmp/panpipe-{HERS}", ignore_errors=True)


# --- starting on demand --------------------------------------------------------------------------


def programs():
    """What makes panpipe start a broker, where it is not found by itself."""
    return {} if ON_WINE else {"PANPIPED": os.path.abspath(PANPIPED[0])}


@test("settings that keep panpiped from starting are named, with the last start and its log")
def _():
    name = unique("settings")
    settings = native(file_with(b"queue_high = 1;\n"))
    changes = {**programs(), "PANPIPED_CONFIG": settings, "PANPIPE_NO_START": "0"}
    words, environment = PANPIPE + ["-b", name], {**os.environ, **changes}
    done = end_of(start(words + ["pub", "a", "b"], env=environment, stderr=subprocess.DEVNULL))
    assert done.code == 3, done
    report = Report("-b", name, **changes)
    report.expect("listener", "FAIL", "no broker", "", 3)
    report.expect("settings", "FAIL", "queue_high", "PANPIPED_CONFIG")
    report.expect("starting", "FAIL", "last start, [0-9]+ s ago, failed: .*queue_high", "correct")
    report.matters("settings")
    lines = report.line("log")["lines"]
    assert [line for line in lines if "queue_high" in line], lines
    text = end_of(start(words + ["doctor"], env=environment))
    assert f"| {lines[-1]}\n" in text.out.decode(), text
    broker = Broker(name=name)
    report = Report("-b", name, **changes)  # nobody needs them now
    report.expect("settings", "warn", "queue_high", "", 0)
    broker.stop()


@test("a panpiped that is not there, or is none, is named")
def _():
    nowhere = native("/nonexistent/panpiped")
    report = Report("-b", unique("x"), PANPIPED=nowhere)
    words = "PANPIPED in the environment is no program"
    report.expect("start", "FAIL", words, "PANPIPED", 3)
    report = Report("-b", unique("x"), PANPIPED=native(os.path.abspath(PANPIPE[-1])))
    report.expect("start", "FAIL", "is no panpiped that works: panpipe [0-9]", "PANPIPED", 3)


@test("a program that hangs instead of saying its version is ended", linux_only="a script")
def _():
    mark = path("pid")
    script = file_with(f"#!/bin/sh\necho $$ >{mark}\nexec sleep 1000\n".encode())
    os.chmod(script, 0o755)

    def ended():
        report = Report("-b", unique("x"), PANPIPED=script)
        report.expect("start", "FAIL", "no panpiped that works", "", 3)
        assert os.path.exists(mark) and contents(mark), "it was ended before it began"

    comes_true(ended)
    assert not os.path.exists(f"/proc/{contents(mark).decode().strip()}")


@test("that somebody is starting a broker just now is told", linux_only="the lock is a file")
def _():
    name = unique("now")
    os.makedirs(folder_of(folder), 0o700, exist_ok=True)
    with open(os.path.join(folder_of(folder), name + ".sock.start"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Report("-b", name).expect("starting", "warn", "just now", "ask again", 3)
    assert not [c for c in Report("-b", name).checks if c["check"] == "starting"]


# --- what runs out -------------------------------------------------------------------------------


@test("few descriptors are a warning, none left a failure: exit code 8", linux_only="descriptors")
def _():
    limited = ["sh", "-c", 'ulimit -n 80; exec "$@"', "sh", *PANPIPED]
    broker = Broker(words=limited)
    eventually(lambda: os.path.exists(broker.socket()), "it listens")
    report = Report("-b", broker.name)
    report.expect("handles", "warn", "80 at most; connections = 16384", "about 16 clients.*-Hn", 0)
    with contextlib.ExitStack() as ends:
        for _ in range(60):
            ends.enter_context(connect(broker))
        report = Report("-b", broker.name)
        report.expect("handles", "FAIL", "7[0-9] open, 80 at most", "LimitNOFILE", 8)
        for _ in range(20):
            ends.enter_context(connect(broker))
        report = Report("-b", broker.name, "--timeout", "100ms")
        report.expect("answer", "FAIL", "did not answer", "", 6)
        report.expect("handles", "FAIL", "who listens has [78][0-9] open, 80 at most")
        report.matters("handles")
    eventually(lambda: Report("-b", broker.name).code == 0, "they have gone")
    broker.process.terminate()
    assert broker.process.wait(PATIENCE_S) == 0
    words = ["sh", "-c", 'ulimit -n 80; exec "$@"', "sh", *PANPIPE]
    report = Report("-b", broker.name, words=words)
    report.expect("handles", "warn", "could have: 80 at most", "connections", 3)


@test("a full disk is a failure before the start, a warning after it", linux_only="a file system")
def _():
    runtime = runtime_folder()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "none", runtime]
    if os.getuid() != 0 or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("a small file system cannot be mounted here")
    broker = start(PANPIPED + ["-b", "x"], env={**os.environ, "XDG_RUNTIME_DIR": runtime})
    try:
        eventually(lambda: os.path.exists(folder_of(runtime) + "/x.sock"), "it listens")
        with open(os.path.join(runtime, "big"), "wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(b"x" * 4096):
                    pass
        report = Report("-b", "x", XDG_RUNTIME_DIR=runtime)
        report.expect("answer", "ok").expect("disk", "warn", "only 0 bytes free", "make room", 0)
        broker.terminate()
        broker.wait(PATIENCE_S)
        report = Report("-b", "x", XDG_RUNTIME_DIR=runtime)
        report.expect("disk", "FAIL", "only 0 bytes free", "no broker can start", 3)
        report.matters("disk")
    finally:
        broker.kill()
        broker.wait()
        subprocess.run(["umount", runtime])


run_tests()
