#!/usr/bin/python3
"""panpiped under systemd: what systemd passes and is told, played by this test; and the units,
where systemd-analyze is there to judge them. See support.py for where the programs come from."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

from support import (
    PANPIPE,
    PANPIPED,
    PATIENCE_S,
    Skip,
    alone_in,
    end_of,
    eventually,
    file_with,
    folder,
    path,
    run_tests,
    start,
    test,
    unique,
)

UNITS = os.path.join(os.path.dirname(os.path.dirname(PANPIPED[0])), "systemd")

# Passes descriptors on as 3, 4 ..., with LISTEN_PID as it must be, and becomes the program.
EXEC = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
high = [os.dup2(fd, 100 + i, inheritable=True) for i, fd in enumerate(fds)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
    os.close(fd)
if fds:
    os.environ.setdefault("LISTEN_PID", str(os.getpid()))
    os.environ["LISTEN_FDS"] = str(len(fds))
    os.environ["LISTEN_FDNAMES"] = ":".join(["panpiped"] * len(fds))
os.execvp(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """What systemd is to one service: a listening socket, and somebody who is told things."""

    def __init__(self, abstract=False):
        self.name = unique("unit")
        self.path = os.path.join(folder, "panpipe", self.name + ".sock")
        os.makedirs(os.path.dirname(self.path), 0o700, exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o600)
        self.listener.listen(100)
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.settimeout(PATIENCE_S)
        self.address = "\0" + unique("notify") if abstract else path("notify")
        self.told.bind(self.address)

    def start(self, *options, fds=None, words=None, **environment):
        fds = [self.listener.fileno()] if fds is None else fds
        environment.setdefault("NOTIFY_SOCKET", self.address.replace("\0", "@"))
        return start(
            [sys.executable, "-c", EXEC, ",".join(map(str, fds))]
            + (words or PANPIPED)
            + ["-b", self.name, *options],
            pass_fds=fds,
            env=dict(os.environ, **environment),
        )

    def hear(self):
        return self.told.recv(4096).decode().splitlines()

    def run(self, *arguments):
        return end_of(start(PANPIPE + ["-b", self.name, "--timeout", "30s", *arguments]))

    def hear_of(self, word):
        """The next thing that is told of that kind."""
        lines = self.hear()
        while lines[0] != word:
            lines = self.hear()
        return lines

    def ready(self):
        lines = self.hear_of("READY=1")
        assert lines[1].startswith("STATUS=listens at "), lines

    def stop(self, process):
        process.terminate()
        assert self.hear_of("STOPPING=1")[1].startswith("STATUS=")
        assert process.wait(PATIENCE_S) == 0, process.stderr.read()

    def is_whole(self):
        """The socket is where it was, and connections to it wait."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(self.path)
        self.listener.accept()[0].close()


@test("a client that came before the broker is served; both ends of its life are told")
def _():
    manager = Manager()
    early = start(PANPIPE + ["-b", manager.name, "ping", "-n", "1"])
    process = manager.start()
    assert end_of(early).code == 0
    manager.ready()
    assert manager.run("ping", "-n", "3").code == 0
    manager.stop(process)


@test("the socket is systemd's: it stays when the broker leaves, and the next one takes it")
def _():
    manager = Manager()
    inode = os.stat(manager.path).st_ino
    for _ in range(3):
        process = manager.start()
        manager.ready()
        assert manager.run("ping", "-n", "1").code == 0
        assert manager.run("stop").code == 0
        assert process.wait(PATIENCE_S) == 0
        manager.hear_of("STOPPING=1")
        assert os.stat(manager.path).st_ino == inode
        manager.is_whole()


@test("there is one broker: a second one with the same socket finds the lock taken")
def _():
    manager = Manager()
    process = manager.start()
    manager.ready()
    done = end_of(manager.start())
    assert done.code == 1 and "is served by process" in done.err, done
    manager.stop(process)


@test("a broker that leaves when idle loses nobody: who comes then waits for the next one")
def _():
    manager = Manager()
    settings = file_with(b"idle_exit_ms = 20;\n")
    for _ in range(5):
        process = manager.start("--config", settings)
        client = start(PANPIPE + ["-b", manager.name, "--timeout", "30s", "ping", "-n", "1"])
        assert process.wait(PATIENCE_S) == 0
        late = start(PANPIPE + ["-b", manager.name, "--timeout", "30s", "ping", "-n", "1"])
        while client.poll() is None or late.poll() is None:  # one may be gone before he comes
            assert manager.start("--config", settings).wait(PATIENCE_S) == 0
        assert end_of(client).code == 0 and end_of(late).code == 0


@test("what is passed to another process is not taken")
def _():
    manager = Manager()
    manager.listener.close()
    os.unlink(manager.path)
    with socket.socket(socket.AF_UNIX) as other:
        process = manager.start(fds=[other.fileno()], LISTEN_PID="1")
        manager.ready()
        assert manager.run("ping", "-n", "1").code == 0
        manager.stop(process)
        assert not os.path.exists(manager.path)  # it was its own


@test("of several sockets it takes the one of its name")
def _():
    manager, other = Manager(), Manager()
    process = manager.start(fds=[other.listener.fileno(), manager.listener.fileno()])
    manager.ready()
    assert manager.run("ping", "-n", "1").code == 0
    manager.stop(process)


@test("a socket that is none of its, or no listening Unix socket, is refused in words")
def _():
    manager, other = Manager(), Manager()
    done = end_of(manager.start(fds=[other.listener.fileno()]))
    assert done.code == 2 and "must agree" in done.err and other.path in done.err, done
    with socket.socket(socket.AF_UNIX) as idle, socket.socket(socket.AF_INET) as network:
        network.listen()
        for wrong in (idle, network, manager.told):
            done = end_of(manager.start(fds=[wrong.fileno()]))
            assert done.code == 2 and "not a listening Unix stream socket" in done.err, done
    with open(os.devnull) as null:
        assert end_of(manager.start(fds=[null.fileno()])).code == 2
    manager.is_whole()


@test("the socket for notifications may be an abstract one, or nobody's, or nonsense")
def _():
    manager = Manager(abstract=True)
    process = manager.start()
    manager.ready()
    manager.stop(process)
    for address in ("/nonexistent/notify", "@", "", "vsock:2:1", "@" + "x" * 200):
        process = manager.start(NOTIFY_SOCKET=address)
        assert manager.run("ping", "-n", "1").code == 0
        assert manager.run("stop").code == 0
        assert process.wait(PATIENCE_S) == 0


@test("the watchdog hears of it in half its time; not if it watches another process")
def _():
    manager = Manager()
    process = manager.start(WATCHDOG_USEC="200000")
    manager.ready()
    for _ in range(5):
        assert manager.hear() == ["WATCHDOG=1"]
    process.send_signal(signal.SIGSTOP)
    manager.told.settimeout(0.5)
    try:
        while True:
            manager.hear()
    except socket.timeout:
        pass
    manager.told.settimeout(PATIENCE_S)
    process.send_signal(signal.SIGCONT)
    assert manager.hear() == ["WATCHDOG=1"]
    manager.stop(process)
    process = manager.start(WATCHDOG_USEC="10000", WATCHDOG_PID="1")
    manager.ready()
    assert manager.run("ping", "-n", "20", "--interval", "5ms").code == 0
    manager.stop(process)


def journal_lines(told_inode):
    manager = Manager()
    log = open(path("journal"), "w+b")
    info = os.fstat(log.fileno())
    stream = f"{info.st_dev}:{info.st_ino if told_inode else 1}"
    process = start(
        PANPIPED + ["-b", unique("journal")],
        stderr=log,
        env=dict(os.environ, JOURNAL_STREAM=stream),
    )
    eventually(lambda: os.path.getsize(log.name) > 0, "it has logged")
    process.terminate()
    process.wait(PATIENCE_S)
    log.seek(0)
    manager.told.close()
    return log.read().decode().splitlines()


@test("the journal's lines have priorities and no time; others as ever")
def _():
    lines = journal_lines(True)
    assert lines and all(re.match(r"<6>info \w+", line) for line in lines), lines
    lines = journal_lines(False)
    assert lines and all(re.match(r"20\d\d-\S+Z info \w+", line) for line in lines), lines


@test("as a user of its own, with a socket that root has made, it is trusted by everybody")
def _():
    if os.getuid() != 0:
        raise Skip("only root can start a program as another user")
    manager = Manager()
    outside = tempfile.mkdtemp(prefix="panpipe-e2e-", dir="/tmp")  # where others may go
    os.chmod(outside, 0o755)
    runtime = os.path.join(outside, "for-all")
    os.mkdir(runtime, 0o755)
    try:
        os.chown(runtime, 65534, 65534)
        programs = [
            shutil.copy(program[0], runtime + word)
            for program, word in ((PANPIPED, ".broker"), (PANPIPE, ".client"))
        ]
        manager.listener = socket.socket(socket.AF_UNIX)
        manager.name = manager.path = os.path.join(runtime, "all.sock")
        manager.listener.bind(manager.path)
        os.chmod(manager.path, 0o666)
        manager.listener.listen(10)
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
        # setpriv executes the program in the process that LISTEN_PID names
        process = manager.start("--system", words=user + [programs[0]], NOTIFY_SOCKET="")
        other = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", programs[1]]
        for words in (other, PANPIPE):
            done = end_of(start(words + ["-b", manager.name, "ping", "-n", "1"]))
            assert done.code == 0, done
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        manager.is_whole()
    finally:
        shutil.rmtree(outside)


@test("in the system's own folder, which stays root's, everybody finds it by its name")
def _():
    system = "/run/panpipe"
    if os.getuid() != 0:
        raise Skip("only root can make a folder in /run")
    with alone_in("/run"):  # doctor.py has brokers there, too
        serve_in(system)


def serve_in(system):
    made = not os.path.exists(system)
    manager = Manager()
    manager.path = os.path.join(system, manager.name + ".sock")
    lock = manager.path + ".lock"
    outside = tempfile.mkdtemp(prefix="panpipe-e2e-", dir="/tmp")  # where others may go
    os.chmod(outside, 0o755)
    try:
        if made:
            os.mkdir(system, 0o755)
        panpiped = shutil.copy(PANPIPED[0], outside)
        panpipe = shutil.copy(PANPIPE[0], outside)
        manager.listener = socket.socket(socket.AF_UNIX)
        manager.listener.bind(manager.path)
        os.chmod(manager.path, 0o666)
        manager.listener.listen(10)
        open(lock, "w").close()  # as panpiped-system.socket has it made
        os.chown(lock, 65534, 65534)
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
        process = manager.start("--system", words=user + [panpiped], NOTIFY_SOCKET="")
        other = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", panpipe]
        for words in (other, [panpipe]):
            done = end_of(start(words + ["--system", "-b", manager.name, "ping", "-n", "1"]))
            assert done.code == 0, done
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert os.path.exists(manager.path), "the socket is not the broker's"
    finally:
        shutil.rmtree(outside)
        for file in (manager.path, lock):
            if os.path.exists(file):
                os.unlink(file)
        if made:
            os.rmdir(system)


# --- the units -----------------------------------------------------------------------------------


def units():
    """The units, with this build's panpiped in them, in a folder."""
    if shutil.which("systemd-analyze") is None:
        raise Skip("systemd-analyze is not installed")
    where = path("units")
    os.mkdir(where)
    for name in os.listdir(UNITS):
        with open(os.path.join(UNITS, name)) as unit:
            text = re.sub(r"(?<=ExecStart=)\S+", os.path.abspath(PANPIPED[0]), unit.read())
        with open(os.path.join(where, name), "w") as unit:
            unit.write(text)
    return where


@test("systemd-analyze has nothing against the units")
def _():
    where = units()
    for options, prefix in ((["--user"], "panpiped"), ([], "panpiped-system")):
        for kind in ("service", "socket"):
            unit = os.path.join(where, f"{prefix}.{kind}")
            done = subprocess.run(
                ["systemd-analyze", *options, "verify", unit], capture_output=True, text=True
            )
            assert done.returncode == 0 and prefix not in done.stderr, (unit, done)


@test("systemd-analyze calls the system's service safe")
def _():
    where = units()
    for prefix, limit in (("panpiped", 6.0), ("panpiped-system", 1.0)):
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", f"{where}/{prefix}.service"],
            capture_output=True,
            text=True,
        )
        found = re.search(r"Overall exposure level for \S+: ([\d.]+) (\w+)", done.stdout)
        assert found, done
        print(f"# {prefix}.service: exposure {found[1]} of 10, {found[2]}")
        assert float(found[1]) <= limit, done.stdout


@test("the system calls that the broker makes are those that its unit allows")
def _():
    where = units()
    if shutil.which("strace") is None:
        raise Skip("strace is not installed")
    listed = groups_of(
        subprocess.run(
            ["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True
        ).stdout
    )
    unit = open(os.path.join(where, "panpiped-system.service")).read()
    allowed = set()
    for words in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
        calls = set().union(*(members(listed, word) for word in words.lstrip("~").split()))
        allowed = allowed - calls if words.startswith("~") else allowed | calls
    manager, trace = Manager(), path("trace")
    process = manager.start(words=["strace", "-f", "-qq", "-o", trace, *PANPIPED], fds=[])
    manager.listener.close()
    assert manager.run("pub", "a", "b").code == 0
    assert manager.run("ls", "clients").code == 0 and manager.run("stop").code == 0
    process.wait(PATIENCE_S)
    made = set(re.findall(r"^\d+ +(\w+)\(", open(trace).read(), re.M))
    assert {"accept4", "sendto", "flock"} <= made, made
    # refused, which the broker takes well: the unit's LimitNOFILE= stands for it
    assert made - allowed <= {"prlimit64"}, made - allowed


def groups_of(text):
    """The groups of system calls that systemd-analyze lists."""
    groups, current = {}, None
    for line in text.splitlines():
        line = re.sub(r"\x1b\[[\d;]*m", "", line)
        if line.startswith("@"):
            current = groups.setdefault(line.strip(), set())
        elif line.startswith("    ") and current is not None and not line.strip().startswith("#"):
            current.add(line.strip())
    return groups


def members(groups, word):
    if not word.startswith("@"):
        return {word}
    return set().union(*(members(groups, each) for each in groups[word]))


run_tests()
