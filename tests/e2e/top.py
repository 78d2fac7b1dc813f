#!/usr/bin/python3
"""`panpipe top` on a real terminal, tmux's: what its screens show, what its keys do, and that the
terminal is as it was however it ends. The screens it is compared with are in golden/, figures
masked; UPDATE=1 writes them anew."""

import atexit
import difflib
import getpass
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import termios

from support import (
    ON_WINE,
    PANPIPE,
    PATIENCE_S,
    Broker,
    Skip,
    comes_true,
    descriptors,
    end_of,
    eventually,
    folder,
    path,
    run_tests,
    test,
    unique,
)

TMUX = "tmux is a terminal of Linux; Wine's console has none to look at from outside"
HERE = os.path.dirname(os.path.abspath(__file__))
UPDATE = os.environ.get("UPDATE") == "1"
os.environ.update(LC_ALL="C.UTF-8", TERM="screen-256color")
os.environ.pop("NO_COLOR", None)

# --- a terminal ----------------------------------------------------------------------------------


class Terminal:
    """A terminal with a shell, of a tmux server of its own."""

    def __init__(self, columns=80, lines=24, **environment):
        if not shutil.which("tmux"):
            raise Skip("tmux is not installed")
        self.socket = os.path.join(folder, unique("tmux")[-24:])
        self.pid_file = path("pid")
        size = ["-x", str(columns), "-y", str(lines)]
        words = ["tmux", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", *size, "sh"]
        atexit.register(self.close)
        subprocess.run(words, check=True, env={**os.environ, "PS1": "$ ", **environment})
        self.tty = self.ask("#{pane_tty}")
        eventually(lambda: self.screen().strip(), "the shell's prompt")
        self.type("echo what was before")
        self.shows("\nwhat was before\n")
        self.before = self.modes()

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True)
        return done.stdout

    def close(self):
        self.tmux("kill-server")

    def ask(self, what):
        return self.tmux("display-message", "-p", what).strip()

    def press(self, *keys):
        self.tmux("send-keys", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", text)
        self.press("Enter")

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def shows(self, *texts):
        """Waits until all of these are on the screen, and returns it."""
        try:
            return eventually(
                lambda: (lambda s: all(text in s for text in texts) and s)(self.screen()), texts
            )
        except AssertionError:
            raise AssertionError(f"never {texts}, but:\n{self.screen()}") from None

    def modes(self):
        """How the terminal is: its modes, and what is drawn where."""
        fd = os.open(self.tty, os.O_RDWR | os.O_NOCTTY)
        try:
            modes = termios.tcgetattr(fd)
        finally:
            os.close(fd)
        return modes, self.ask("#{alternate_on} #{cursor_flag} #{wrap_flag}")

    def run(self, broker, *words):
        """Runs top, and waits until it has the screen."""
        line = shlex.join([*PANPIPE, "-b", broker.name, "top", *words])
        self.type(f"sh -c 'ulimit -c 0; echo $$ >{self.pid_file}; exec {line}'; echo code=$?")
        eventually(lambda: self.ask("#{alternate_on}") == "1", "top has the screen")
        with open(self.pid_file) as file:
            self.pid = int(file.read())
        return self

    @staticmethod
    def has_ended(pid):
        """Also if nobody has asked for its exit code yet."""
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except (OSError, ProcessLookupError):
            return True

    def guardian(self):
        """The process that stands by, if it is there."""
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat") as file:
                    if int(file.read().rsplit(")", 1)[1].split()[1]) == self.pid:
                        return int(name)
            except (OSError, ProcessLookupError):
                continue
        return None

    def ended(self, code=None, history=()):
        """The shell has its terminal again, as it was, and the code."""
        eventually(lambda: self.modes() == self.before, "the terminal is as it was")
        eventually(lambda: "what was before" in self.screen(*history), "what was before")
        if code is not None:
            eventually(lambda: f"\ncode={code}\n" in self.screen(), f"it ended with {code}")


# --- screens -------------------------------------------------------------------------------------

FIGURE = (
    r"(?<![^\s(])(?:-|\d[\d.]*(?:[kMGT%]|us|ms|s|m\d\ds|h\d\dm|d\d\dh)?(?:/\d+)?)"
    r"(?: (?:[KMGT]i)?B(?:/s)?)?(?![^\s),;])"
)
USER_WIDTH = 6


def masked(screen):
    """Figures become #, at the right end of their place in tables."""
    lines = []
    for number, line in enumerate(screen.rstrip("\n").split("\n")):
        line = re.sub("[\u2581-\u2588]", " ", line)
        line = line.replace(getpass.getuser().ljust(USER_WIDTH), "USER".ljust(USER_WIDTH))
        line = re.sub(r"  (handles|workers|panpiped) \S+", "", line)  # as many as fit
        line = re.sub(r"^\S+ \(user\)", "NAME (user)", line)
        if number < 4 or line.startswith(("!!", "every")):
            line = re.sub(r" +#", " #", re.sub(FIGURE, "#", line))
        else:
            line = re.sub(" *" + FIGURE, lambda figure: "#".rjust(len(figure[0])), line)
        lines.append(line.rstrip())
    return "\n".join(lines) + "\n"


def golden(terminal, name, *texts):
    """The screen, as soon as it shows the texts, is the one in the file."""
    file_name = os.path.join(HERE, "golden", name + ".txt")
    screen = terminal.shows(*texts)
    if UPDATE:
        with open(file_name, "w", encoding="utf-8") as file:
            file.write(masked(screen))
        return
    with open(file_name, encoding="utf-8") as file:
        wanted = file.read()
    try:  # somebody who has ended may be there for a moment
        eventually(lambda: masked(terminal.screen()) == wanted, name)
    except AssertionError:
        found = masked(terminal.screen()).splitlines()
        lines = difflib.unified_diff(wanted.splitlines(), found, lineterm="")
        raise AssertionError("\n".join(lines)) from None


# --- a scene -------------------------------------------------------------------------------------


class Scene:
    """A broker with clients that have names; some need not be well."""

    def __init__(self, word="scene"):
        patient = "stall_ms = 600000;\n"
        self.broker = Broker(settings=patient, name=unique(word)[-6:].replace("-", "_"))
        self.logger = self.broker.ready("--as", "logger", "sub", "ui.>", "-q")
        self.worker = self.broker.ready("--as", "worker-1", "serve", "svc.sum", "3")
        self.ui = self.publish("ui", "ui.tick", "42", 100)
        clients = self.broker.run
        eventually(lambda: b'"ui"' in clients("ls", "clients", "--json").out, "ui is there")

    def publish(self, name, subject, body, rate):
        rate = ["--rate", str(rate)] if rate else []
        return self.broker.start("--as", name, "pub", subject, body, "-n", "1000000000", *rate)

    def stop_logger(self):
        """It reads no more; so somebody who publishes much has to wait for it."""
        self.logger.send_signal(signal.SIGSTOP)
        self.flood = self.publish("flood", "ui.flood", "x" * 4000, None)

    def end(self):
        self.logger.send_signal(signal.SIGCONT)
        for process in (self.flood, self.ui, self.logger, self.worker):
            process.terminate()


scene = Scene("golden") if not ON_WINE and shutil.which("tmux") else None
BUSY = ("ui.tick", "logger", "worker-1", "ui ", "max ")


def known(terminal):
    """Waits for the first rates."""
    eventually(lambda: re.search(r"ui +\d+ .*\d+ +\d+ +0 B", terminal.screen()), "there are rates")
    return terminal


# --- what it shows -------------------------------------------------------------------------------


@test("a screen of 80x24", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker, "--sort", "name"))
    golden(terminal, "80x24", *BUSY)
    terminal.press("q")
    terminal.ended(0)


@test("a screen of 160x50, which one of 80x24 becomes when it grows, and back", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker, "--sort", "name"))
    terminal.tmux("resize-window", "-x", "160", "-y", "50")
    terminal.shows("EXE", "USER")
    golden(terminal, "160x50", *BUSY)
    terminal.tmux("resize-window", "-x", "80", "-y", "24")
    eventually(lambda: "EXE" not in terminal.screen(), "it is small again")
    golden(terminal, "80x24", *BUSY)
    terminal.tmux("resize-window", "-x", "30", "-y", "8")
    terminal.shows("NAME")
    assert len(terminal.screen("-J").rstrip("\n").split("\n")) <= 8, terminal.screen("-J")
    terminal.press("q")


@test("a filter leaves what it names, clients and subjects; Escape drops it", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker, "--sort", "name"))
    terminal.press("/")
    terminal.shows("filter: _")
    terminal.press("l", "o", "g", "x", "BSpace")
    terminal.shows("filter: log_")
    eventually(lambda: "worker-1" not in terminal.screen(), "the others are gone")
    terminal.press("Enter")
    golden(terminal, "filter", "filter log", "logger", "ui.tick")
    terminal.press("f", "Escape")
    terminal.shows("worker-1")
    terminal.press("q")


@test("s sorts by one column after the other, S the other way round", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker))

    def names():
        return re.findall(r"(?m)^ *\d+ (\S+)", terminal.screen())

    terminal.press("s")
    terminal.shows("sort id")
    terminal.press("s")
    terminal.shows("sort name")
    sorted_names = ["logger", "panpipe-top", "ui", "worker-1"]
    eventually(lambda: names() == sorted_names, "sorted by name, not " + str(names()))
    terminal.press("S")
    terminal.shows("sort name (reverse)")
    eventually(lambda: names() == sorted_names[::-1], "the other way round")
    terminal.press("q")


@test("help is there, and goes with any key", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker))
    terminal.press("?")
    golden(terminal, "help", "Any key goes back.")
    terminal.press("x")
    terminal.shows("NAME")
    terminal.press("q")


@test("a pause keeps the figures as they are", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker, "--interval", "100ms"))
    terminal.press("p")
    terminal.shows("PAUSED")
    late = scene.publish("late", "late.x", "1", 1)
    scene.broker.run("pub", "late.y", "1")  # the broker has seen both
    assert "late" not in terminal.screen()
    terminal.press("Space")
    terminal.shows("late")
    late.terminate()
    terminal.press("q")


@test("the last events take the place of the subjects", TMUX)
def _():
    terminal = known(Terminal(100, 30).run(scene.broker))
    terminal.press("e")
    terminal.shows("EVENTS", "connect")
    scene.broker.run("--as", "visitor", "pub", "a.b", "1")
    terminal.shows("visitor", "goodbye")
    for _ in range(40):  # more events than it asks for
        assert scene.broker.run("ping", "-n", "1", "--as", "pinger").code == 0
    scene.broker.run("--as", "latest", "pub", "a.b", "1")
    terminal.shows("latest", "goodbye")
    terminal.press("e")
    terminal.shows("SUBJECT")
    terminal.press("q")


@test("without UTF-8 all is ASCII", TMUX)
def _():
    terminal = known(Terminal(LC_ALL="C").run(scene.broker))
    screen = terminal.shows("@ max")
    assert screen.isascii(), screen
    terminal.press("q")


@test("who is slow is told by name, and whom that blocks; NO_COLOR is respected", TMUX)
def _():
    slow = Scene("slow")
    try:
        slow.stop_logger()
        terminal = Terminal(100, 24).run(slow.broker)
        terminal.shows("BLOCKED by logger", "SLOW", "ui  ", "blocks ui, flood")

        def whole_screen():  # it may be half drawn
            screen = terminal.screen()
            warning = r"(?m)^!! logger \(pid \d+\) is SLOW: queue [\d.]+ MiB, oldest "
            assert re.search(warning, screen), screen
            rows = re.findall(r"(?m)^ *\d+ (\S+) .* (SLOW|BLOCKED by logger|ok)$", screen)
            assert rows[0] == ("logger", "SLOW"), rows
            blocked = [(name, "BLOCKED by logger") for name in ("flood", "ui")]
            assert sorted(rows[1:3]) == blocked, rows

        comes_true(whole_screen)
        golden(terminal, "blocked", "blocks ui, flood", "out 0 msg/s")
        assert "\033[1m\033[31m!! logger" in terminal.screen("-e"), terminal.screen("-e")
        terminal.press("q")
        plain = Terminal(100, 24, NO_COLOR="1").run(slow.broker)
        plain.shows("BLOCKED by logger")
        assert not re.search("\033\\[(\\d+;)*3[0-7]m", plain.screen("-e")), plain.screen("-e")
        plain.press("q")
    finally:
        slow.end()


@test("k kicks the selected client, after a y", TMUX)
def _():
    victim = scene.broker.ready("--as", "victim", "sub", "victim.>")
    terminal = Terminal().run(scene.broker, "--filter", "victim")
    terminal.shows(" victim ")
    terminal.press("k")
    terminal.shows("select a client first")
    terminal.press("Down", "k")
    terminal.shows(f"kick victim (pid {victim.pid})? y/n")
    terminal.press("n")
    terminal.shows("q quit")
    assert victim.poll() is None
    terminal.press("k")
    terminal.shows("kick victim")
    terminal.press("y")
    terminal.shows("victim was kicked")
    done = end_of(victim)
    assert done.code == 4 and "panpipe top" in done.err, done
    terminal.press("q")


@test("arrows and their like select a client, Escape none", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker, "--sort", "name"))

    def selected():
        """The client whose row is inverse. Codes hold until others come, over lines too."""
        inverse = False
        for line in terminal.screen("-e").split("\n"):
            first = None  # is the first letter inverse?
            for part in re.split(r"(\x1b\[[\d;]*m)", line):
                if part.startswith("\x1b"):
                    codes = part[2:-1].split(";")
                    inverse = "7" in codes or (inverse and "0" not in codes)
                elif part and first is None:
                    first = inverse
            row = re.match(r" *\d+ (\S+)", re.sub(r"\x1b\[[\d;]*m", "", line))
            if row and first:
                return row[1]
        return None

    for key, name in (
        ("Down", "logger"),
        ("Down", "panpipe-top"),
        ("Up", "logger"),
        ("End", "worker-1"),
        ("PageUp", "logger"),
        ("NPage", "worker-1"),
        ("Home", "logger"),
        ("Escape", None),
    ):
        terminal.press(key)
        eventually(lambda name=name: selected() == name, f"{key} selects {name}")
    terminal.press("q")


# --- without a broker ----------------------------------------------------------------------------


@test("without a broker it says so and leaves the terminal alone", TMUX)
def _():
    terminal = Terminal()
    words = [*PANPIPE, "-b", unique("nobody"), "--timeout", "100ms", "top"]
    terminal.type(shlex.join(words) + "; echo code=$?")
    terminal.ended(3)
    assert "no broker is running" in terminal.screen("-J").replace("\n", " "), terminal.screen()


@test("a broker that dies is told, with how long ago, and the next one is found", TMUX)
def _():
    first = Scene("mortal")
    terminal = known(Terminal().run(first.broker, "--interval", "200ms"))
    first.broker.process.kill()
    terminal.shows("the broker is gone since", "waiting for one at", "logger")
    terminal.shows("gone since 1")  # it counts
    second = Broker(name=first.broker.name)
    client = second.ready("--as", "survivor", "sub", "a.>")
    terminal.shows("survivor")
    eventually(lambda: "gone since" not in terminal.screen(), "all is well")
    second.process.send_signal(signal.SIGSTOP)  # nothing answers
    terminal.shows("has not answered since")
    second.process.send_signal(signal.SIGCONT)
    eventually(lambda: "not answered" not in terminal.screen(), "all is well again")
    second.process.kill()
    terminal.shows("the broker is gone since")
    terminal.press("q")
    terminal.ended(0)
    client.wait(PATIENCE_S)


# --- the terminal --------------------------------------------------------------------------------


def ends_well(how, code, history=()):
    terminal = known(Terminal().run(scene.broker))
    guardian = terminal.guardian()
    assert guardian and terminal.modes() != terminal.before

    def has_three():
        files = [name for name, _ in descriptors(guardian).values()]
        assert len(files) == 3 and files.count(terminal.tty) == 2, files

    comes_true(has_three)
    os.kill(guardian, signal.SIGTERM)  # it does not care
    how(terminal)
    terminal.ended(code, history)
    eventually(lambda: terminal.has_ended(guardian), "nobody stands by any more")


def by_signal(number):
    return lambda terminal: os.kill(terminal.pid, number)


# The shell hears of a kill no later than who stands by: what it says may be on the other screen.
ENDS = {"TERM": 130, "KILL": None, "HUP": 129, "QUIT": 131, "ABRT": 134}
for number, code in ENDS.items():

    @test(f"the terminal is as it was after SIG{number}", TMUX)
    def _(number=number, code=code):
        ends_well(by_signal(getattr(signal, "SIG" + number)), code)


@test("the terminal is as it was after a crash", TMUX)
def _():
    # a sanitizer's build has its own code, and tells of it at length
    ends_well(by_signal(signal.SIGSEGV), None, history=("-S", "-"))


@test("the terminal is as it was after q and after Ctrl-C", TMUX)
def _():
    ends_well(lambda terminal: terminal.press("q"), 0)
    ends_well(lambda terminal: terminal.press("C-c"), 130)


@test("a terminal that is closed ends it, and who stands by", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker))
    guardian = terminal.guardian()
    terminal.close()
    for pid in (terminal.pid, guardian):
        eventually(lambda pid=pid: terminal.has_ended(pid), "it has ended")


@test("Ctrl-Z gives the terminal back until fg", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker))
    terminal.press("C-z")
    eventually(lambda: terminal.modes() == terminal.before, "the shell has it")
    terminal.shows("Stopped")
    terminal.type("echo meanwhile")
    terminal.shows("\nmeanwhile\n", "what was before")
    terminal.type("fg")
    terminal.shows("NAME", "logger")
    assert terminal.modes() != terminal.before
    terminal.press("q")
    terminal.ended()


@test("who is killed while suspended leaves the shell alone", TMUX)
def _():
    terminal = known(Terminal().run(scene.broker))
    terminal.press("C-z")
    eventually(lambda: terminal.modes() == terminal.before, "the shell has it")
    terminal.shows("Stopped")
    guardian = terminal.guardian()
    terminal.type("stty -echo")
    eventually(lambda: terminal.modes() != terminal.before, "the shell changes it")
    mine = terminal.modes()
    os.kill(terminal.pid, signal.SIGKILL)
    eventually(lambda: terminal.has_ended(guardian), "nobody stands by any more")
    assert terminal.modes() == mine


# --- without a screen ----------------------------------------------------------------------------


@test("into a pipe it prints one interval, without sequences and colors, and ends")
def _():
    own = Broker()
    client = own.ready("--as", "reader", "sub", "a.>")
    done = own.run("top", "--interval", "100ms")
    assert done.code == 0 and not done.err and b"\033" not in done.out, done
    text = done.out.decode()
    assert re.search(r"(?m)^ +\d+ +reader +\d+ +panpipe.* ok$", text), text
    assert "SUBJECT" in text and "q quit" not in text, text
    assert done.out.count(b"IN/s") == 1
    done = own.run("top", "--interval", "100ms", "-n", "3", "--filter", "nobody-is-called-so")
    assert done.out.count(b"IN/s") == 3 and b"reader" not in done.out, done
    client.terminate()
    own.stop()


@test("--json is an object for each interval, with rates")
def _():
    own = Broker()
    own.ready("--as", "reader", "sub", "a.>")
    publisher = own.start("--as", "writer", "pub", "a.b", "1", "-n", "100000", "--rate", "1000")
    eventually(lambda: b"writer" in own.run("ls", "clients").out, "it is there")
    comes_true(lambda: check_rates(own))  # the writer may have been held up meanwhile
    done = own.run("top", "--interval", "100ms", "--format", "{stats.clients} {interval_ms}")
    assert re.fullmatch(rb"\d+ [^\n]+\n", done.out), done
    publisher.terminate()


def check_rates(own):
    done = own.run("top", "--json", "--interval", "300ms", "-n", "2")
    assert done.code == 0 and not done.err, done
    reports = [json.loads(line) for line in done.out.splitlines()]
    assert len(reports) == 2, reports
    for report in reports:
        assert 200 < report["interval_ms"] < 60000, report
        assert {"reader", "panpipe-top"} <= {client["name"] for client in report["clients"]}
        for client in report["clients"]:
            assert client["in_per_s"] >= 0 and client["slow"] is False, client
    (before,), (writer,) = [
        [client for client in report["clients"] if client["name"] == "writer"] for report in reports
    ]
    more = writer["published"] - before["published"]
    assert abs(writer["in_per_s"] * reports[1]["interval_ms"] / 1000 - more) <= 1 + more / 100
    assert more > 0, (before, writer)


@test("top ends quietly when nobody reads it, and says what is wrong otherwise")
def _():
    own = Broker()
    read, write = os.pipe()
    os.close(read)
    done = end_of(own.start("top", "--interval", "50ms", "-n", "5", stdout=write))
    os.close(write)
    assert done.code == 0 and not done.err, done
    done = own.run("top", "--sort", "nonsense")
    assert done.code == 2 and not done.out, done
    done = own.run("top", "something")
    assert done.code == 2 and not done.out, done
    own.stop()
    done = own.run("top", "--timeout", "100ms")
    assert done.code == 3 and not done.out and "no broker" in done.err, done


@test("a broker that ends ends a top without a screen")
def _():
    own = Broker()
    top = own.start("top", "--interval", "100ms", "-n", "100000")
    assert top.stdout.read(1)
    own.process.kill()
    done = end_of(top)
    assert done.code == 3 and "the broker went away" in done.err, done


run_tests()
