#!/usr/bin/python3
"""Five users' stories, each in a folder of stories/: what they write, at most 30 lines of code in
all, with what README.md tells them, in at most five minutes.

    stories.py [BUILD]      the build folder; by default build

The build is installed into a scratch folder; programs are built against that as README.md says, and
run with nothing else of this machine. With PANPIPE_ON_WINE=1 it is a build for Windows.
"""

import ast
import glob
import io
import os
import re
import shutil
import subprocess
import sys
import time
import tokenize

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build"))
del sys.argv[1:2]
os.environ.pop("PANPIPE_NO_START", None)
from support import (  # noqa: E402, after the command line was read
    ON_WINE,
    contents,
    end_of,
    eventually,
    native,
    not_begun,
    path,
    run_tests,
    start,
    test,
)

LINES, SECONDS = 30, 300
WINE_S = 15  # for a program to begin
PYTHON_PAGE = os.path.join(ROOT, "client-lib/examples/python/bus.py")
TREE = path("installed")
COMMENTS = {"C": r"/\*.*?\*/|//[^\n]*", "sh": r"^\s*#.*?$", "vim": r'^\s*".*?$'}
KINDS = {".c": "C", ".h": "C", ".sh": "sh", ".vim": "vim"}


# --- counting ------------------------------------------------------------------------------------


def python_lines(text):
    """Lines with code: neither blank, nor comments, nor docstrings."""
    blank = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in blank and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        has_one = isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
        if has_one and ast.get_docstring(node):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def code_lines(name):
    with open(name, encoding="utf-8") as file:
        text = file.read()
    end = os.path.splitext(name)[1]
    if end == ".py":
        return python_lines(text)
    text = re.sub(COMMENTS[KINDS[end]], "", text, flags=re.S | re.M)
    return sum(line.strip() != "" for line in text.splitlines())


@test("lines are counted: code, but no comments, docstrings and blank lines")
def _():
    for end, text in {
        ".c": '/* a\n * b */\n\nint a; /* c */\n// d\nchar *b = "#";\n',
        ".sh": "#!/bin/sh\n# a\na # b\n\n  b\n",
        ".vim": '" a\nlet a = "b"\n\nlet b = 1\n',
        ".py": '"""a\nb"""\n\n\ndef a():\n    """c"""\n    # d\n    return """e"""\n',
    }.items():
        name = path("counted") + end
        with open(name, "w", encoding="utf-8") as file:
            file.write(text)
        assert code_lines(name) == 2, (end, code_lines(name))


# --- a user's machine ----------------------------------------------------------------------------


def install():
    """Once: as README.md says. Under Wine a script of the programs' name stands for each."""
    if os.path.exists(TREE):
        return
    done = end_of(start(["cmake", "--install", BUILD, "--prefix", TREE]))
    assert done.code == 0, done
    for program in glob.glob(f"{TREE}/bin/*.exe"):
        with open(program[:-4], "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\nexec wine {program} "$@"\n')
        os.chmod(program[:-4], 0o755)


def readme_line(package):
    """What README.md says to type, for a program mine.c."""
    with open(f"{ROOT}/README.md", encoding="utf-8") as file:
        found = re.findall(r"^    (cc .*mine\.c \$\(pkg-config.*?\))", file.read(), flags=re.M)
    shared, static = found
    return (static if ON_WINE else shared).replace("panpipe)", package + ")")


class Story:
    """A folder with the user's files, and an environment with nothing but what was installed. At
    its end all that was started is gone, and it took neither too many lines nor too long."""

    def __init__(self, name):
        install()
        self.name, self.folder, self.runtime = name, path(name), path("run")
        self.begun = time.monotonic()
        shutil.copytree(f"{ROOT}/tests/e2e/stories/{name}", self.folder)
        self.lines = sum(map(code_lines, glob.glob(f"{self.folder}/*")))
        os.mkdir(self.runtime, 0o700)
        self.environment = {
            "PATH": f"{TREE}/bin:/usr/bin:/bin",
            "HOME": self.folder,
            "TMPDIR": self.runtime,
            "XDG_RUNTIME_DIR": self.runtime,
            "PKG_CONFIG_PATH": f"{TREE}/lib/pkgconfig",
            "LD_LIBRARY_PATH": f"{TREE}/lib",
            "PYTHONDONTWRITEBYTECODE": "1",
            "WINEPATH": native(f"{TREE}/bin"),  # a Windows program's PATH
        }
        for name, value in os.environ.items():
            if name.startswith("WINE"):
                self.environment[name] = value

    def __enter__(self):
        return self

    def start(self, command, **options):
        """Starts a shell's command line in the story's folder; its output goes to a file."""
        out = path("out")
        with open(out, "wb") as file:
            options.setdefault("stdout", file)
            process = start(
                ["sh", "-c", "exec " + command],
                cwd=self.folder,
                env=self.environment,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **options,
            )
        process.said = lambda: contents(out).decode().replace("\r\n", "\n")
        return process

    def run(self, command):
        """Runs a command line that must succeed; what it printed."""
        process = self.start(command)
        code = process.wait(timeout=100)
        if not_begun(code, process.said()):
            process = self.start(command)
            code = process.wait(timeout=100)
        assert code == 0, (command, code, process.said())
        return process.said()

    def build(self, source, package):
        """The README's line; Windows' compiler, and where its libconfig is, are that user's."""
        program = source[:-2]
        line = readme_line(package).replace("mine.c", f"{source} -o {program} -Wall -Wextra", 1)
        if ON_WINE:
            with open(f"{BUILD}/CMakeCache.txt", encoding="utf-8") as file:
                found = re.search(r"^LIBCONFIG_LIBRARY:\w+=(.*)/[^/]*$", file.read(), flags=re.M)
            line = line.replace("cc ", "x86_64-w64-mingw32-gcc-posix ", 1) + f" -L{found[1]}"
        self.run(line)
        return f"wine ./{program}.exe" if ON_WINE else f"./{program}"

    def left(self):
        """The processes that have this story's environment: {pid: what it is}."""
        mark = f"XDG_RUNTIME_DIR={self.runtime}\0".encode()
        found = {}
        for folder in glob.glob("/proc/[0-9]*"):
            try:
                if mark in contents(folder + "/environ"):
                    found[int(folder[6:])] = contents(folder + "/cmdline").replace(b"\0", b" ")
            except OSError:  # it has ended, or is somebody else's
                pass
        return found

    def brokers(self):
        return [pid for pid, words in self.left().items() if b"panpiped" in words]

    def knows(self, pattern):
        """Does the broker, if there is one, know a service, or a subscription?"""
        process = self.start("panpipe ls subs --json --timeout 1s")
        return process.wait(timeout=100) == 0 and f'"{pattern}"' in process.said()

    def serves(self, pattern):
        eventually(lambda: self.knows(pattern), pattern)

    def __exit__(self, kind, *_):
        if kind is None:
            eventually(lambda: not self.left(), f"nothing is left: {self.left()}")
        for pid in self.left():
            os.kill(pid, 9)
        seconds = time.monotonic() - self.begun
        print(f"# {self.name}: {self.lines} lines, {seconds:.1f} s", flush=True)
        if kind is None:
            assert self.lines <= LINES and seconds <= SECONDS, (self.lines, seconds)


# --- the stories ---------------------------------------------------------------------------------


@test("desktop: updates restart the service, and the window, with its broker inside, sees no error")
def _():
    with Story("desktop") as story:
        shutil.copy(PYTHON_PAGE, story.folder)
        window = story.start(story.build("app.c", "panpipe-broker"))
        story.run("panpipe -b desktop ping -n 1 --quiet --no-start --timeout 60s")
        if not ON_WINE:
            socket = os.stat(f"{story.runtime}/panpipe/desktop.sock")
            assert socket.st_mode & 0o777 == 0o600, "root is the only administrator here"
        with open(f"{story.folder}/service.py", encoding="utf-8") as file:
            text = file.read()
        before = None
        for version in (1, 2, 3):
            new = f"new-{version}.py"
            with open(f"{story.folder}/{new}", "w", encoding="utf-8") as file:
                file.write(text.replace("lambda subject: 1", f"lambda subject: {version}"))
            service = story.start(f"./updater.sh {new}")
            eventually(lambda: f"version {version}\n" in window.said(), f"version {version}")
            if before is not None:
                assert before.wait(timeout=60) == 0, before.said()
            before = service
        story.run("panpipe -b desktop stop")
        assert window.wait(timeout=60) == 0, window.said()[-2000:]
        shown = window.said().split("\n")
        steps = [line for line, last in zip(shown, [None, *shown]) if line != last]
        assert steps[:3] == ["version 1", "version 2", "version 3"], steps
        ended = ("PP_ESHUTDOWN: the broker is leaving", "PP_ECLOSED")  # in a call; between two
        assert steps[3].startswith(ended) and steps[4:] == [""], steps
        print(f"# {len(shown) - 2} calls, all answered")
        service.wait(timeout=60)


class Daemons:
    """The ten of them."""

    def __init__(self, story, program):
        self.story, self.program = story, program
        self.all = [self.start(number) for number in range(10)]
        self.begun(range(10))

    def start(self, number):
        return self.story.start(f"{self.program} {number}")

    def begun(self, numbers):
        """After others were killed Wine now and then never gets to a program's main; it is started
        again then."""
        end = time.monotonic() + WINE_S
        for number in numbers if ON_WINE else ():
            while not self.story.knows(f"daemon.{number}") and time.monotonic() < end:
                time.sleep(0.05)
            if not self.story.knows(f"daemon.{number}"):
                print(f"# Wine did not begin daemon {number} in {WINE_S} s", flush=True)
                self.all[number].kill()
                self.all[number] = self.start(number)

    def answers(self, number):
        """What daemon N has printed: its neighbour's counts, or an error's number."""
        lines = self.all[number].said().split("\n")[:-1]
        assert all(line.startswith(f"daemon.{(number + 1) % 10}: ") for line in lines), lines
        return [int(line.split()[1]) for line in lines]

    def go_on(self, what):
        """All of them get answers from now on."""
        before = [len(self.answers(number)) for number in range(10)]
        for number in range(10):
            daemon = self.all[number]
            eventually(
                lambda: daemon.poll() is not None
                or [a for a in self.answers(number)[before[number] :] if a > 0][2:],
                f"{what}: {number}",
            )
            assert daemon.poll() is None, (what, number, daemon.returncode, daemon.said())


@test("daemons: ten of them, without a broker at first, talk; one dies and comes back, then the "
      "broker")
def _():
    with Story("daemons") as story:
        ten = Daemons(story, story.build("daemon.c", "panpipe"))
        ten.go_on("all are there")
        assert len(story.brokers()) == 1, story.left()
        ten.all[5].kill()
        ten.all[5].wait()
        before = ten.answers(4)
        ten.all[5] = ten.start(5)
        ten.begun([5])
        ten.go_on("five is back")

        def answers():
            return [answer for answer in ten.answers(4)[len(before) :] if answer > 0]

        eventually(lambda: len(answers()) > 3, "five answers")
        late = answers()[0] == max(before) + 1  # the old one's last answer, told only now
        new = answers()[late : late + 3]
        assert new == [1, 2, 3], ("a new one counts from 1", before, answers())
        for number in range(10):
            errors = [answer for answer in ten.answers(number) if answer < 0]
            assert errors in ([], [-37]) and (errors == [] or number == 4), (number, errors)
        (broker,) = story.brokers()
        os.kill(broker, 9)
        ten.go_on("all are back")
        assert len(story.brokers()) == 1 and broker not in story.brokers(), story.left()
        for daemon in ten.all:
            assert daemon.poll() is None, daemon.said()
            daemon.kill()
        story.run("panpipe stop")


@test("editor: Neovim tells what it saves, a shell script fills its list of errors; nobody starts "
      "a daemon")
def _():
    with Story("editor") as story:
        editor = story.start("nvim --headless --clean -S init.vim", stdin=subprocess.PIPE)
        check = story.start("./check.sh")
        ask = "panpipe req --wait 30s "
        lines = ask + """nvim_eval "map(filter(getqflist(), 'v:val.valid'), 'v:val.lnum')" """
        story.serves("editor.saved")
        with open(f"{story.folder}/new.c", "w", encoding="utf-8") as file:
            file.write("int a;\nint b;\nint c\nint d;\n")
        story.run(ask + "nvim_command 'edit new.c | write'")
        eventually(lambda: story.run(lines) == "[3]\n", "the error's line")
        story.run(ask + "nvim_command '3delete | write'")
        eventually(lambda: story.run(lines) == "[]\n", "no error")
        assert len(story.brokers()) == 1, story.left()
        editor.kill()
        story.run("panpipe stop")
        assert check.wait(timeout=60) == 0, check.said()


@test("loop: a program with a loop of its own answers calls beside its other work",
      linux_only="pp_port_pollable is Linux's; there a loop is a completion port: native_loop.c")
def _():
    with Story("loop") as story:
        keys = story.start(story.build("keys.c", "panpipe"), stdin=subprocess.PIPE)
        ask = "panpipe req --wait 30s keys.last"
        assert story.run(ask) == "?\n"
        for key in "abc":
            keys.stdin.write(key.encode())
            keys.stdin.flush()
            eventually(lambda: story.run(ask) == key + "\n", f"key {key}")
        assert len(story.brokers()) == 1, story.left()
        keys.stdin.close()
        assert keys.wait(timeout=60) == 0, keys.said()
        story.run("panpipe stop")


@test("team: a service, callers and a subscriber in Python, with a page that they copied")
def _():
    with Story("team") as story:
        shutil.copy(PYTHON_PAGE, story.folder)
        service = story.start("python3 service.py")
        story.serves("notes.all")
        subscriber = story.start("python3 subscriber.py")
        story.serves("notes.new")
        assert story.run("python3 caller.py Ada 'buy bread'") == "Ada: buy bread\n"
        assert story.run("python3 caller.py Bob zwölf") == "Ada: buy bread\nBob: zwölf\n"
        news = "new, by Ada: buy bread\nnew, by Bob: zwölf\n"
        eventually(lambda: subscriber.said() == news, "the news")
        assert len(story.brokers()) == 1, story.left()
        story.run("panpipe stop")
        for process in (service, subscriber):
            assert process.wait(timeout=60) != 0 and "EOFError" in process.said(), process.said()


run_tests()
