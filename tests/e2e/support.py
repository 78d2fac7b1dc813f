"""What the end-to-end tests share: TAP, processes that all end, brokers of their own.

The programs come from the environment, each may be several words:
    PANPIPED   default build/bin/panpiped
    PANPIPE    default build/bin/panpipe
PANPIPE_ON_WINE=1 says that they are the Windows programs, under Wine: tests that only Linux can
show are skipped then, and paths are given as Wine wants them.
"""

import atexit
import contextlib
import fcntl
import itertools
import os
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

PANPIPED = shlex.split(os.environ.get("PANPIPED", "build/bin/panpiped"))
PANPIPE = shlex.split(os.environ.get("PANPIPE", "build/bin/panpipe"))
ON_WINE = os.environ.get("PANPIPE_ON_WINE") == "1"
PATIENCE_S = 60  # for anything that should happen; only a failing test waits so long
FLOOD_S = 300  # for a million messages, on a busy machine with a sanitizer
ALONE_S = 300  # for other tests to leave a folder that is there once

folder = tempfile.mkdtemp(prefix="panpipe-e2e-")
os.environ["XDG_RUNTIME_DIR"] = folder
os.environ.pop("PANPIPE", None)  # to the programs it names a broker
os.environ.pop("PANPIPED", None)  # to them it is one program, to start on demand
os.environ["PANPIPE_NO_START"] = "1"  # a test says which broker it means; see start.py
tests = []
processes = []
made = itertools.count(1)


class Skip(Exception):
    """The test cannot be shown here; the text says why."""


def test(sentence, linux_only=None):
    """Enters a test. linux_only: why it cannot be shown elsewhere."""

    def enter(function):
        tests.append((sentence, linux_only, function))
        return function

    return enter


def run_tests():
    """Runs them in order, prints TAP, ends the program. Words on the command line choose tests."""
    failed = 0
    for number, (sentence, linux_only, function) in enumerate(tests, 1):
        if sys.argv[1:] and not any(word in sentence for word in sys.argv[1:]):
            continue
        why = linux_only if ON_WINE else None
        problem = None
        try:
            if why is None:
                function()
        except Skip as skip:
            why = str(skip)
        except Exception:  # the next test may still have something to say
            problem = traceback.format_exc()
        forget_ended()
        if problem is None:
            print(f"ok {number} - {sentence}" + (f" # SKIP {why}" if why else ""), flush=True)
        else:
            failed += 1
            print(f"not ok {number} - {sentence}", flush=True)
            print("".join(f"# {line}\n" for line in problem.splitlines()), end="", flush=True)
    print(f"1..{len(tests)}")
    sys.exit(1 if failed else 0)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # too late: ended, but tidily, as below


def finish(process):
    """Ends a program, and closes the pipes to it."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with contextlib.suppress(OSError):  # what was not yet written to it
            if pipe is not None:
                pipe.close()


def forget_ended():
    """A file of tests starts hundreds of programs: of one that has ended no pipe stays open."""
    for process in [one for one in processes if one.poll() is not None]:
        finish(process)
        processes.remove(process)


@atexit.register
def clean_up():
    for process in processes:
        finish(process)
    shutil.rmtree(folder, ignore_errors=True)


def eventually(condition, what, patience_s=PATIENCE_S):
    """Waits until condition() is true, and returns what it gave."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.005)
    raise AssertionError(f"never: {what}")


def comes_true(check):
    """Calls check() until nothing that it asserts is wrong any more, and returns what it gave. For
    what is true for good, but not at once."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > end:
                raise
        time.sleep(0.005)


def whole_lines(name):
    """A file's lines, without one that somebody is still writing."""
    return contents(name).rpartition(b"\n")[0].splitlines()


def descriptors(pid):
    """What a process has open: {number: (name, flags)}; without what it just closes."""
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            name = os.readlink(f"/proc/{pid}/fd/{number}")
            with open(f"/proc/{pid}/fdinfo/{number}") as info:
                fields = dict(line.split(":", 1) for line in info.read().splitlines())
            found[int(number)] = (name, int(fields["flags"], 8))
    return found


def unique(word):
    """A name that nothing else has."""
    return f"e2e-{os.getpid()}-{next(made)}-{word}"


def path(word="file"):
    """A path in the tests' folder that nothing has used yet."""
    return os.path.join(folder, unique(word))


def example(name, *words):
    """The command line of an example; they lie beside panpiped."""
    bin_folder, panpiped = os.path.split(PANPIPED[-1])
    program = os.path.join(bin_folder, "examples", name + os.path.splitext(panpiped)[1])
    return PANPIPED[:-1] + [program, *words]


def native(name):
    """The path as the programs under test want it."""
    return "Z:" + name.replace("/", "\\") if ON_WINE else name


def command(*words):
    """A command line for the system's shell that runs panpipe."""
    if not ON_WINE:
        return "exec " + shlex.join(PANPIPE + list(words))
    program = native(os.path.abspath(PANPIPE[-1]))
    return " ".join(f'"{word}"' for word in (program, *words))


def file_with(data):
    name = path()
    with open(name, "wb") as file:
        file.write(data)
    return name


def contents(name):
    with open(name, "rb") as file:
        return file.read()


def start(words, **options):
    """Starts a program that is ended with the tests at the latest."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    process = subprocess.Popen(words, **options)
    process.options = options
    process.was_ready = False
    processes.append(process)
    return process


class Ended:
    """How a program ended: code, out (bytes), err (text)."""

    def __init__(self, process, stdin=None, patience_s=PATIENCE_S):
        out, err = process.communicate(stdin, timeout=patience_s)
        self.code = process.returncode
        self.out = out if out is not None else b""
        self.err = err.decode() if err is not None else ""

    def __repr__(self):
        return f"code {self.code}, out {self.out[-2000:]!r}, err {self.err[-2000:]!r}"


def not_begun(code, said):
    """Of some thousand programs Wine 8 does not begin one: it ends with 1, without a word."""
    return ON_WINE and code == 1 and not said


def end_of(process, stdin=None, patience_s=PATIENCE_S):
    done = Ended(process, stdin, patience_s)
    heard = process.stdout is not None and process.stderr is not None and not process.was_ready
    if heard and not_begun(done.code, done.out or done.err):
        done = Ended(start(process.args, **process.options), stdin, patience_s)
    return done


def interrupt(process):
    """Ctrl-C, until the program has ended. Wine now and then loses one; it is told, and sent
    again."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(PATIENCE_S / 4 if ON_WINE else PATIENCE_S)
    except subprocess.TimeoutExpired:
        if not ON_WINE:
            raise
        print(f"# Wine has lost a Ctrl-C: {process.args}", flush=True)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)


def at_once(function, items):
    """Calls it with each of them, several at a time; what it gave, in their order."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(function, items))


class Broker:
    """A broker with a name of its own. options are panpiped's, settings its file's lines; words
    start it, if it is not this user who should."""

    def __init__(self, *options, settings=None, name=None, words=None):
        self.name = name or unique("broker")
        if settings is not None:
            options += ("--config", native(file_with(settings.encode())))
        self.log = path("log")
        self.begin((words or PANPIPED) + ["-b", self.name, *options])
        if words is None:
            done = self.run("ping", "-n", "1", "--quiet", "--timeout", "30s")
            if ON_WINE and done.code != 0 and not contents(self.log):  # it was not begun
                self.begin(PANPIPED + ["-b", self.name, *options])
                done = self.run("ping", "-n", "1", "--quiet", "--timeout", "30s")
            assert done.code == 0, done

    def begin(self, words):
        with open(self.log, "wb") as log:
            self.process = start(words, stdout=log, stderr=log)

    def start(self, *arguments, **options):
        """Starts panpipe with this broker."""
        return start(PANPIPE + ["-b", self.name, *arguments], **options)

    def run(self, *arguments, stdin=None, **options):
        """Runs panpipe with this broker to its end."""
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        return end_of(self.start(*arguments, **options), stdin)

    def ready(self, *arguments, **options):
        """Starts panpipe sub or serve and waits until it is active."""
        mark = path("ready")

        def begin():
            process = self.start(*arguments, "--ready", native(mark), **options)
            eventually(
                lambda: os.path.exists(mark) or process.poll() is not None, f"{arguments} is ready"
            )
            return process

        process = begin()
        if not os.path.exists(mark):
            done = Ended(process)
            assert not_begun(done.code, done.out or done.err), done
            process = begin()
            assert os.path.exists(mark), Ended(process)
        process.was_ready = True
        return process

    def socket(self):
        if "/" in self.name:
            return self.name
        return os.path.join(folder, "panpipe", self.name + ".sock")

    def stop(self):
        """Ends it in good order."""
        assert self.run("stop").code == 0
        code = self.process.wait(timeout=PATIENCE_S)
        assert code == 0, said(self)[-4000:]


# --- looking at a broker from outside; Linux -------------------------------------------------


def connect(broker):
    """Waits where many come at once; not for ever."""
    end = socket.socket(socket.AF_UNIX)
    patience = struct.pack("ll", PATIENCE_S, 0)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
    end.connect(broker.socket())
    return end


def hear_all(end):
    """Everything up to the other side's end."""
    heard = b""
    while block := end.recv(65536):
        heard += block
    return heard


def said(broker):
    """The broker's log so far."""
    return contents(broker.log).decode()


def handles(broker):
    return len(os.listdir(f"/proc/{broker.process.pid}/fd"))


def memory_kib(broker):
    with open(f"/proc/{broker.process.pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise AssertionError("no VmRSS")


def serves(broker):
    """Others are served: a message goes from one program to another."""
    mark = unique("mark")
    sub = broker.ready("sub", "served." + mark, "-n", "1")
    done = broker.run("pub", "served." + mark, mark, "--need-receiver")
    assert done.code == 0, done
    done = end_of(sub)
    assert done.code == 0 and done.out.decode() == mark + "\n", done


def took(handle):
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextlib.contextmanager
def alone_in(place):
    """Other tests on this machine that want this folder, too, wait."""
    handle = os.open(place, os.O_RDONLY)
    try:
        eventually(lambda: took(handle), f"other tests have left {place}", ALONE_S)
        yield
    finally:
        os.close(handle)


class Stranger:
    """Another user: a folder that both can reach, copies of the programs there."""

    def __init__(self, uid=65534):
        if os.getuid() != 0:
            raise Skip("only root can start a program as another user")
        if not shutil.which("setpriv"):
            raise Skip("setpriv is not installed")
        self.uid = uid
        self.folder = tempfile.mkdtemp(prefix="panpipe-e2e-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.program = shutil.copy(PANPIPE[0], self.folder)
        self.panpiped = self.user() + [shutil.copy(PANPIPED[0], self.folder), *PANPIPED[1:]]
        self.panpipe = self.user() + [self.program, *PANPIPE[1:]]

    def user(self, uid=None, groups=None):
        """The words that run a command line as that user, or this one."""
        uid = uid or self.uid
        more = [f"--groups={groups}"] if groups else ["--clear-groups"]
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", *more]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)
