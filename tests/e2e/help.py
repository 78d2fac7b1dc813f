#!/usr/bin/python3
"""What is made of the table of commands: --help, suggestions, manual pages, and completions, which
run in the shells they are for. See support.py for where the program comes from."""

import functools
import os
import pty
import re
import select
import subprocess
import tempfile
import time

from support import (
    PANPIPE,
    PATIENCE_S,
    Broker,
    end_of,
    eventually,
    file_with,
    folder,
    run_tests,
    start,
    test,
)

SHELLS = "shells of Linux"
broker = Broker()


def run(*arguments):
    return broker.run(*arguments)


def printed(*arguments):
    done = end_of(start(PANPIPE + list(arguments)))
    assert done.code == 0 and not done.err, done
    return done.out.decode().replace("\r\n", "\n")


COMMANDS = re.search(r"^_panpipe_commands='(.*)'", printed("help", "--completion", "bash"), re.M)
COMMANDS = COMMANDS[1].split()


# --- help ----------------------------------------------------------------------------------------


@test("--help has every command in its group, and help and --help say the same")
def _():
    text = printed("--help")
    groups = re.split(r"\n(Talk|Look|Measure|Operate)\n", text)
    assert groups[1::2] == ["Talk", "Look", "Measure", "Operate"], text
    listed = [line.split()[0] for line in "\n".join(groups[2::2]).split("\nOptions")[0].split("\n")
              if line.startswith("  ")]
    assert sorted(listed) == sorted(COMMANDS) and len(COMMANDS) >= 19, (listed, COMMANDS)
    assert printed("help") == text
    for command in COMMANDS:
        about = printed("help", command)
        assert about == printed(command, "--help")
        assert "Examples:\n  " in about and f"panpipe {command}" in about.split("Examples:")[1]


@test("lines of --help fit into 100 columns")
def _():
    for arguments in [["--help"], *([command, "--help"] for command in COMMANDS)]:
        for line in printed(*arguments).split("\n"):
            assert len(line) <= 100, line


@test("examples name commands, words and options that there are")
def _():
    for command in COMMANDS:
        known = set(re.findall(r"--[a-z-]+", printed("--help") + printed(command, "--help")
                               .split("Examples:")[0]))
        for line in printed(command, "--help").split("Examples:\n")[1].splitlines():
            assert set(re.findall(r"(?<= )--[a-z-]+", line)) <= known, line


@test("what is mistyped gets a suggestion: command, word, option, field, sort key, code")
def _():
    for arguments, meant in (
        (["lss"], "ls?"),
        (["help", "kik"], "kick?"),
        (["ls", "client"], "clients?"),
        (["show", "clinet", "x"], "client?"),
        (["check", "memmory"], "memory?"),
        (["ls", "clients", "--srot", "id"], "--sort?"),
        (["ls", "clients", "--sort", "-publishd"], "published?"),
        (["ls", "clients", "--where", "nmae=x"], "name?"),
        (["ls", "clients", "--format", "{pid}"], "who.pid?"),
        (["stats", "--format", "{uptime}"], "uptime_ms?"),
        (["errors", "E_SLO"], "E_SLOW?"),
    ):
        done = run(*arguments)
        assert done.code in (2, 11) and f"did you mean {meant}" in done.err, done


# --- manual pages --------------------------------------------------------------------------------


@test("manual pages have no mistakes", SHELLS)
def _():
    for command in [None, *COMMANDS]:
        page = printed("help", "--man", *([command] if command else []))
        # not a file, from whose name mandoc reads a section
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=page, text=True,
                              stdout=subprocess.PIPE).stdout.splitlines()
        assert [line for line in lint if "missing date" not in line] == [], (command, lint)


@test("a manual page has the options, fields and examples of its command", SHELLS)
def _():
    for command in COMMANDS:
        name = file_with(printed("help", "--man", command).encode())
        text = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=200", name], check=True,
                              stdout=subprocess.PIPE).stdout.decode()
        text = re.sub(".\b", "", text)
        about = printed(command, "--help")
        for option in re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", about, re.M):
            assert re.search(rf"^ +(-\w, )?{option}\b", text, re.M), (command, option)
        for example in about.split("Examples:\n")[1].splitlines():
            assert example.strip() in text, (command, example)
    name = file_with(printed("help", "--man", "ls").encode())
    assert "queued_bytes (bytes)" in printed("help", "--man", "ls"), name


# --- completions ---------------------------------------------------------------------------------

PATIENCE = "--timeout 300ms"  # theirs with a broker; a busy one has longer here

ODD = "a $(touch pwned) 'b'"  # a client's name that must stay a name


@test("the scripts are ones that their shells read", SHELLS)
def _():
    for shell in ("bash", "zsh", "fish"):
        name = file_with(printed("help", "--completion", shell).encode())
        done = end_of(start([shell, "-n", name]))
        assert done.code == 0 and not done.err, done


def program():
    """What is typed for panpipe."""
    return os.path.abspath(PANPIPE[0])


def as_it_is(shell):
    return printed("help", "--completion", shell)


def patient(shell):
    """The script, which waits longer for a broker."""
    script = as_it_is(shell)
    assert PATIENCE in script, script
    return script.replace(PATIENCE, f"--timeout {PATIENCE_S}s")


def in_bash(*words, completions=as_it_is):
    """What bash offers behind these words; the last one is what the cursor is at."""
    script = file_with(completions("bash").encode())
    code = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _panpipe "$1"; '
            'printf "%s\\n" "${COMPREPLY[@]}"')
    done = end_of(start(["bash", "-c", code, "bash", script, program(), *words]))
    assert done.code == 0, done
    return [line for line in done.out.decode().splitlines() if line]


def in_fish(*words, completions=as_it_is):
    script = file_with(completions("fish").encode())
    os.makedirs(os.path.join(folder, "bin"), exist_ok=True)
    link = os.path.join(folder, "bin", "panpipe")
    if not os.path.exists(link):
        os.symlink(program(), link)
    line = " ".join(["panpipe", *words])
    code = f"set -x PATH {os.path.dirname(link)} $PATH; source {script}; complete -C '{line}'"
    environment = {**os.environ, "HOME": folder}
    done = end_of(start(["fish", "--no-config", "-c", code], env=environment))
    assert done.code == 0, done
    return [line.split("\t")[0] for line in done.out.decode().splitlines()]


def check_shell(offer):
    assert sorted(offer("")) == sorted(COMMANDS)
    assert sorted(offer("ls", "")) == ["clients", "subjects", "subs"]
    assert sorted(offer("show", "")) == ["broker", "client", "subject"]
    assert offer("ls", "clients", "--wh") == ["--where"]
    assert offer("--js") == ["--json"]
    assert sorted(offer("sub", "--policy", "")) == ["block", "cut"]
    assert sorted(offer("help", "--completion", "")) == ["bash", "fish", "zsh"]
    assert sorted(offer("help", "k")) == ["kick"]
    assert sorted(offer("sub", "-n", "3", "--pol")) == ["--policy"]


@test("bash completes commands, words, options and their words", SHELLS)
def _():
    check_shell(in_bash)


@test("fish completes commands, words, options and their words", SHELLS)
def _():
    check_shell(in_fish)


@test("names of clients and subjects come from the broker, and no shell expands them", SHELLS)
def _():
    subs = [broker.ready("sub", "c.x", "--as", name) for name in (ODD, "plain")]
    run("pub", "c.used", "x")
    others = ["ls", "clients", "--where", "name!=panpipe-ls", "--format", "{id}"]
    eventually(lambda: run(*others).out.count(b"\n") == 2, "all others have left")
    where = ["-b", broker.name]
    bash_offers = functools.partial(in_bash, *where, completions=patient)
    fish_offers = functools.partial(in_fish, *where, completions=patient)
    for words in (["kick", ""], ["show", "client", ""]):
        bash = bash_offers(*words)
        expanded = end_of(start(["bash", "-c", "printf '%s\\n' " + " ".join(bash)])).out.decode()
        assert sorted(expanded.splitlines()) == [ODD, "plain"], bash
        assert bash_offers(*words[:-1], "pl") == ["plain"]
        assert sorted(fish_offers(*words)) == [ODD, "plain"], words
    used = (["sub", "c."], ["sub", "x", "c."], ["show", "subject", ""], ["ls", "subjects", ""])
    for words in used:
        assert bash_offers(*words) == ["c.used"], words
        assert fish_offers(*words) == ["c.used"], words
    assert not os.path.exists("pwned")
    for sub in subs:
        sub.kill()


@test("without a broker nothing is offered, soon", SHELLS)
def _():
    begin = time.monotonic()
    assert in_bash("-b", "e2e-nobody", "kick", "") == []
    assert in_fish("-b", "e2e-nobody", "kick", "") == []
    assert time.monotonic() - begin < 20


class Zsh:
    """A zsh at a terminal, with the completions loaded."""

    def __init__(self):
        script = os.path.join(tempfile.mkdtemp(dir=folder), "_panpipe")
        with open(script, "w", encoding="utf-8") as file:
            file.write(patient("zsh"))
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.environ["HOME"] = folder
            os.execvp("zsh", ["zsh", "-f", "-i"])
        self.text = ""
        self.type("PS1='ready> '; unsetopt zle_bracketed_paste; LISTMAX=1000\n")
        self.type(f"fpath=({os.path.dirname(script)} $fpath); autoload -Uz compinit; "
                  f"compinit -u -d {os.path.dirname(script)}/dump; print loa''ded\n")
        self.until("loaded")
        self.type(f"path=({os.path.dirname(program())} $path); print a''gain\n")
        self.until("again")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def until(self, what):
        end = time.monotonic() + PATIENCE_S
        while what not in self.text:
            ready, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            assert ready, self.text
            self.text += os.read(self.terminal, 65536).decode(errors="replace")
        self.text = self.text.split(what, 1)[1]

    def close(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


@test("zsh completes commands, words, options and clients", SHELLS)
def _():
    sub = broker.ready("sub", "c.x", "--as", "zsh-worker")
    zsh = Zsh()
    for typed, completed in (
        ("panpipe desc\t", "ribe "),
        ("panpipe ls cli\t", "ents "),
        ("panpipe ls clients --whe\t", "re"),
        ("panpipe sub --policy cu\t", "t "),
        (f"panpipe -b {broker.name} kick zsh-w\t", "orker"),
        (f"panpipe -b {broker.name} show client zsh-w\t", "orker"),
    ):
        zsh.type(typed)
        zsh.until(typed.strip()[-2:])
        zsh.until(completed.strip())
        zsh.type("\x15")  # forget the line
    zsh.close()
    sub.kill()


run_tests()
