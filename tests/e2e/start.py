#!/usr/bin/python3
"""A user's broker that is started by whoever needs it first, and leaves when nobody does. See
support.py for where the programs come from."""

import fcntl
import glob
import json
import os
import random
import shlex
import signal
import subprocess
import threading
import time

from support import (
    ON_WINE,
    PANPIPE,
    PANPIPED,
    PATIENCE_S,
    contents,
    descriptors,
    end_of,
    eventually,
    file_with,
    native,
    path,
    run_tests,
    start,
    test,
    unique,
)

AT_ONCE = 10 if ON_WINE else 50
TIMED_OUT = 6  # the exit code
FRESH_S, PAUSE_S = 1.99, 0.49  # PPI_START_FRESH_MS and _PAUSE_MS, of clocks that tell milliseconds
os.environ.pop("PANPIPE_NO_START")
if not ON_WINE:
    os.environ["PANPIPED"] = os.path.abspath(PANPIPED[0])


class Place:
    """A name that no broker has yet, and what a broker there would leave. settings are its file's
    lines; program is started instead of panpiped. At the end a broker that is there is stopped."""

    def __init__(self, settings="", program=None, runtime=None):
        self.name = unique("place")
        self.environment = dict(os.environ)
        if settings:
            self.environment["PANPIPED_CONFIG"] = native(file_with(settings.encode()))
        if program:
            self.environment["PANPIPED"] = program
        if runtime:
            self.environment["XDG_RUNTIME_DIR"] = runtime
        self.folder = os.path.join(self.environment["XDG_RUNTIME_DIR"], "panpipe")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """What is there but does not answer at once is asked again."""
        eventually(lambda: self.run("stop", "--timeout", "100ms").code != TIMED_OUT, "it is asked")

    def start(self, *arguments, **options):
        options.setdefault("env", self.environment)
        return start(PANPIPE + ["-b", self.name, *arguments], **options)

    def run(self, *arguments, **options):
        if not ON_WINE:
            return end_of(self.start(*arguments, **options))
        # Wine lets a program that is started keep the Unix side's standard error
        with open(path("errors"), "w+b") as errors:
            done = end_of(self.start(*arguments, stderr=errors, **options))
            errors.seek(0)
            done.err = errors.read().decode()
        return done

    def needs(self, *arguments, **options):
        """Runs a command that starts the broker if need be, which must go well."""
        done = self.run("pub", "a", "b", "--timeout", "30s", *arguments, **options)
        assert done.code == 0, done
        return done

    def file(self, kind):
        return os.path.join(self.folder, f"{self.name}.{kind}")

    def log(self):
        name = self.file("log")
        if ON_WINE:
            pattern = "drive_c/users/*/AppData/Local/panpipe/" + self.name + ".log"
            (name,) = glob.glob(os.path.join(os.environ["WINEPREFIX"], pattern)) or [name]
        return contents(name).decode() if os.path.exists(name) else ""

    def starts(self):
        return self.log().count(" info listen ")

    def started(self, count):
        """The broker was started so often. Its log may be a moment late."""
        eventually(lambda: self.starts() >= count, f"started {count} times")
        assert self.starts() == count, self.log()

    def pid(self):
        """Of the broker, which the log has told last."""
        return int(self.log().rsplit(" info listen ", 1)[1].split("pid=")[1].split()[0])


def together(count, run):
    """Calls run(i) on as many threads at once; what each gave."""
    results = [None] * count
    gate = threading.Barrier(count)

    def one(i):
        gate.wait()
        results[i] = run(i)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def script(text):
    """A program for PANPIPED."""
    name = file_with(b"#!/bin/sh\n" + text.encode())
    os.chmod(name, 0o755)
    return name


# --- starting ------------------------------------------------------------------------------------


@test(f"{AT_ONCE} clients at once start exactly one broker, and all are served")
def _():
    with Place() as place:
        for done in together(AT_ONCE, lambda i: place.run("pub", "a", "b", "--timeout", "30s")):
            assert done.code == 0 and not done.err, done
        place.started(1)


@test("--verbose tells that a broker was started, and nothing else does")
def _():
    with Place() as place:
        assert "started one" in place.needs("--verbose").err
        assert not place.needs("--verbose").err
    with Place() as place:
        assert not place.needs().err


@test("pub, sub, req, serve, stdio and bench start one; who asks about what is there does not")
def _():
    for arguments in (
        ["pub", "a", "b"],
        ["sub", "a", "--for", "1ms"],
        ["req", "$ping"],
        ["stdio"],
        ["bench", "sub", "a", "--for", "10ms"],
    ):
        with Place() as place:
            done = place.run(*arguments)
            assert done.code == 0, (arguments, done)
            place.started(1)
    with Place() as place:
        mark = path("ready")
        serve = place.start("serve", "a", "b", "--ready", native(mark), stderr=subprocess.DEVNULL)
        eventually(lambda: os.path.exists(mark), "the service is ready")
        place.started(1)
    assert end_of(serve).code == 3  # the broker is leaving
    with Place() as place:
        for arguments in (["ping"], ["stats"], ["ls", "clients"], ["stop"]):
            done = place.run(*arguments, "--timeout", "50ms")
            assert done.code == 3 and "no broker is running" in done.err, (arguments, done)
        assert place.starts() == 0


@test("--no-start, PANPIPE_NO_START, --system and a path start none: exit code 3")
def _():
    with Place() as place:
        never = dict(place.environment, PANPIPE_NO_START="1")
        for done in (
            place.run("pub", "a", "b", "--no-start", "--timeout", "50ms"),
            place.run("pub", "a", "b", "--timeout", "50ms", env=never),
            place.run("pub", "a", "b", "--system", "--timeout", "50ms"),
        ):
            assert done.code == 3 and "no broker is running" in done.err, done
        place.needs(env=dict(place.environment, PANPIPE_NO_START="0"))
    where = "\\\\.\\pipe\\" + place.name if ON_WINE else path("at.sock")
    done = end_of(start(PANPIPE + ["-b", where, "--timeout", "50ms", "pub", "a", "b"]))
    assert done.code == 3 and not os.path.exists(where), done


@test("a broker that was started can be stopped, and is started again when it is needed")
def _():
    with Place() as place:
        for count in range(1, 4):
            place.needs()
            place.started(count)
            assert place.run("stop", "--wait").code == 0


@test(
    "the broker has its own session, no parent here, the usual signals, and / as its folder",
    linux_only="/proc",
)
def _():
    def strange():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

    with Place() as place:
        mark = path("ready")
        host = place.start("sub", "a", "--ready", mark, preexec_fn=strange)
        eventually(lambda: os.path.exists(mark), "the host is connected")
        place.started(1)
        pid = place.pid()
        parent, _, session = contents(f"/proc/{pid}/stat").decode().rsplit(")")[-1].split()[1:4]
        assert int(session) == pid and int(parent) not in (host.pid, os.getpid())
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        status = dict(
            line.split(":", 1) for line in contents(f"/proc/{pid}/status").decode().splitlines()
        )
        assert int(status["SigIgn"], 16) == 1 << signal.SIGPIPE - 1, status["SigIgn"]
        assert int(status["SigBlk"], 16) & 1 << signal.SIGUSR1 - 1 == 0, status["SigBlk"]
        children = contents(f"/proc/{host.pid}/task/{host.pid}/children")
        assert not children.strip(), children  # no zombie either
    assert end_of(host).code == 3


@test(
    "the broker has none of its starter's descriptors, and gives the lock back", linux_only="/proc"
)
def _():
    leak = os.open(file_with(b"leak"), os.O_RDONLY)
    high = fcntl.fcntl(leak, fcntl.F_DUPFD, 700)
    with Place() as place:
        place.needs(pass_fds=(leak, high))
        place.started(1)

        def held():
            return {fd: name for fd, (name, _) in descriptors(place.pid()).items()}

        # it serves a moment before
        eventually(lambda: ".start" not in " ".join(held().values()), "it gives the lock back")
        open_there = held()
        assert open_there[0] == open_there[1] == "/dev/null" and open_there[2] == place.file("log")
        others = " ".join(name for fd, name in open_there.items() if fd > 2)
        assert "leak" not in others and "pipe:" not in others, others
        with open(place.file("sock.start"), "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for kind in ("sock", "sock.start", "sock.lock", "log"):
            assert os.stat(place.file(kind)).st_mode & 0o777 == 0o600, kind
    os.close(leak)
    os.close(high)


@test("a broker that is killed before it listens is replaced", linux_only="a shell script")
def _():
    first, mark = path("first"), path("pid")
    slow = script(
        f"mkdir {first} 2>/dev/null && echo $$ >{mark}.new && mv {mark}.new {mark} && "
        f"exec sleep 1000\nexec {shlex.quote(os.environ['PANPIPED'])} \"$@\"\n"
    )
    with Place(program=slow) as place:
        clients = [place.start("pub", "a", "b", "--timeout", "30s") for _ in range(5)]
        eventually(lambda: os.path.exists(mark), "the first one has the lock")
        os.kill(int(contents(mark)), signal.SIGKILL)
        for client in clients:
            done = end_of(client)
            assert done.code == 0, done
        place.started(1)


# --- failing -------------------------------------------------------------------------------------


@test("a broker that cannot start says why to all who wait: exit code 3")
def _():
    with Place(settings="junk = 1;\n") as place:
        count, began = AT_ONCE // 2, time.monotonic()
        words = ("pub", "a", "b", "--json", "--timeout", "30s")
        for done in together(count, lambda i: place.run(*words)):
            error = json.loads(done.err)["error"]
            assert done.code == 3 and error["code"] == "E_NOBROKER", done
            assert "there is no setting junk" in error["text"], done
            assert place.name + ".log" in error["text"], done
        most = 1 + (time.monotonic() - began) / FRESH_S
        tries = eventually(lambda: place.log().count("no setting junk"), "it is logged")
        assert tries <= most, (most, place.log())
        assert "no setting junk" in place.run("stdio").err, place.log()


@test("after a failure's two seconds the next client tries again")
def _():
    with Place(settings="junk = 1;\n") as place:
        assert place.run("pub", "a", "b").code == 3
        good = dict(place.environment)
        del good["PANPIPED_CONFIG"]
        eventually(lambda: place.run("pub", "a", "b", env=good).code == 0, "it is started")


@test("a broker that ends without a word is given up after three times", linux_only="a script")
def _():
    count = path("count")
    began = time.monotonic()
    with Place(program=script(f"echo x >>{count}\nexit 1\n")) as place:
        for done in together(10, lambda i: place.run("pub", "a", "b", "--timeout", "30s")):
            assert done.code == 3 and "ended without a word" in done.err, done
        most = 1 + (time.monotonic() - began) / PAUSE_S
        assert 3 <= contents(count).count(b"x") <= most, (most, contents(count))


@test("a broker that never listens is waited for, and not started twice", linux_only="a script")
def _():
    mark = path("pids")
    with Place(program=script(f"echo $$ >>{mark}\nexec sleep 1000\n")) as place:
        for done in together(5, lambda i: place.run("pub", "a", "b", "--timeout", "300ms")):
            assert done.code == 3 and "does not listen" in done.err, done
        eventually(lambda: os.path.exists(mark) and contents(mark), "the script says who it is")
        (pid,) = contents(mark).split()
        os.kill(int(pid), signal.SIGKILL)


@test("a program that is not there, or cannot be executed, is named", linux_only="a script")
def _():
    broken = file_with(b"#!/nonexistent/interpreter\n")
    os.chmod(broken, 0o755)
    for program, words in (("/nonexistent/panpiped", "/nonexistent/panpiped"), (broken, broken)):
        with Place(program=program) as place:
            done = place.run("pub", "a", "b")
            assert done.code == 3 and words in done.err, done
    with Place(program=PANPIPE[0]) as place:  # which has no such option
        assert "ended without a word" in place.run("pub", "a", "b", "--timeout", "30s").err


@test("where there is no folder for it no broker is started: exit code 3", linux_only="folders")
def _():
    done = Place(runtime="/nonexistent").run("pub", "a", "b", "--json")
    error = json.loads(done.err)["error"]
    assert done.code == 3 and "/nonexistent/panpipe" in error["text"], done


@test(
    "a folder that is not this user's own, or is open to others, is refused: exit code 4",
    linux_only="modes of folders",
)
def _():
    def refused(spoil):
        runtime = path("runtime")
        os.makedirs(os.path.join(runtime, "elsewhere"), 0o700)
        spoil(os.path.join(runtime, "panpipe"))
        done = Place(runtime=runtime).run("pub", "a", "b", "--json")
        error = json.loads(done.err)["error"]
        assert done.code == 4 and error["code"] == "E_UNTRUSTED", done
        assert runtime in error["text"], done
        assert not os.listdir(os.path.join(runtime, "elsewhere"))

    def open_to_all(name):
        os.mkdir(name)
        os.chmod(name, 0o777)

    def others(name):
        os.mkdir(name, 0o700)
        os.chown(name, 65534, 65534)

    refused(lambda name: os.symlink("elsewhere", name))
    refused(open_to_all)
    if os.getuid() == 0:
        refused(others)


@test("a link in place of the lock, or of the log, is not followed", linux_only="links")
def _():
    with Place() as place:
        os.makedirs(place.folder, 0o700, exist_ok=True)
        target = file_with(b"precious")
        os.symlink(target, place.file("sock.start"))
        assert place.run("pub", "a", "b").code == 4
        os.unlink(place.file("sock.start"))
        os.symlink(target, place.file("log"))
        done = place.run("pub", "a", "b")
        assert done.code == 3 and place.file("log") in done.err, done
        os.unlink(place.file("log"))
        assert contents(target) == b"precious"


@test("--on-demand takes no descriptor but the lock", linux_only="descriptors")
def _():
    for handle in ("1", "2", "x", "-1", "77"):
        done = end_of(start(PANPIPED + ["-b", unique("x"), "--on-demand", handle]))
        assert done.code == 2, done


@test("the log is begun anew at 1 MiB, and the one before is kept", linux_only="the log's place")
def _():
    with Place() as place:
        os.makedirs(place.folder, 0o700, exist_ok=True)
        with open(place.file("log"), "wb") as log:
            log.write(b"x" * (1024 * 1024 - 10))
        place.needs()
        assert os.path.getsize(place.file("log.1")) == 1024 * 1024 - 10
        place.started(1)
        assert os.path.getsize(place.file("log")) < 10000


# --- leaving -------------------------------------------------------------------------------------


@test("a broker that nobody needs leaves; one that somebody is connected to does not")
def _():
    with Place(settings="idle_exit_ms = 50;\n") as place:
        mark = path("ready")
        sub = place.start(
            "sub", "a", "-n", "1", "--ready", native(mark), stderr=subprocess.DEVNULL
        )
        eventually(lambda: os.path.exists(mark), "sub is connected")
        pid = json.loads(place.run("stats", "--json").out)["pid"]
        time.sleep(0.3)  # six times as long as it waits when it is alone
        place.needs()
        assert end_of(sub).out == b"b\n"
        eventually(lambda: " info leave" in place.log(), "it has left")
        assert " info idle ms=50" in place.log() and place.pid() == pid, place.log()
        if not ON_WINE:
            eventually(lambda: not os.path.exists(place.file("sock")), "its socket is gone")


@test(
    "nobody gets an error while brokers leave and are started again",
    linux_only="a named pipe cannot refuse those who come and keep those who came",
)
def _():
    with Place(settings="idle_exit_ms = 1;\n") as place:
        begin = time.monotonic()

        def goes_on():  # how many brokers there are depends on the machine
            took_s = time.monotonic() - begin
            return took_s < 3 or (place.starts() <= 3 and took_s < PATIENCE_S)

        def storm(i):
            chance = random.Random(i)
            count = 0
            while goes_on():
                arguments = ["req", "$ping"] if count % 2 else ["pub", "a", "b"]
                done = place.run(*arguments, "--timeout", "30s")
                assert done.code == 0, done
                count += 1
                time.sleep(chance.random() * 0.02)
            return count

        counts = together(8, storm)
        assert all(counts), "a client failed, see above"
        eventually(lambda: place.log().count(" info leave") == place.starts(), "the last one left")
        assert place.starts() > 3, place.starts()
        stayed = place.log().count(" info stay ")
        print(f"# {sum(counts)} clients, {place.starts()} brokers, {stayed} stayed after all")


@test("a broker that was started by hand leaves too, if it is told to")
def _():
    settings = native(file_with(b"idle_exit_ms = 20;\n"))
    process = start(PANPIPED + ["-b", unique("hand"), "--config", settings])
    assert process.wait(PATIENCE_S) == 0
    assert b" info idle ms=20" in process.stderr.read()


run_tests()
