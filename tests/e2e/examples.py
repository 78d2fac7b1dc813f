#!/usr/bin/python3
"""The examples in C, with the output that their README promises; the programs lie beside panpiped,
in examples/. Those in other languages are in languages.py, copy_tree is in copying.py."""

import os
import re
import signal
import subprocess
import sys

from support import (
    ON_WINE,
    PATIENCE_S,
    Broker,
    contents,
    end_of,
    eventually,
    example,
    not_begun,
    path,
    run_tests,
    start,
    test,
)

SOURCES = os.path.join(os.path.dirname(__file__), "../../client-lib/examples")
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SOURCES, "python"))


def begin(broker, name, *words, **options):
    """Starts an example; broker may be a name."""
    name_of_broker = broker if isinstance(broker, str) else broker.name
    return start(example(name, *words), env={**os.environ, "PANPIPE": name_of_broker}, **options)


def run(broker, name, *words):
    """Runs an example to its end."""
    return end_of(begin(broker, name, *words))


class Running:
    """An example that runs until it is told to end; it has said that it is ready."""

    def __init__(self, broker, ready, name, *words):
        self.begin(broker, name, *words)
        eventually(lambda: self.lines() or self.process.poll() is not None, f"{name} is ready")
        code = self.process.poll()
        if code is not None and not_begun(code, self.lines() or self.process.stderr.read()):
            self.begin(broker, name, *words)
        self.prints(ready)

    def begin(self, broker, name, *words):
        self.file = path("out")
        with open(self.file, "wb") as out:
            self.process = begin(broker, name, *words, stdin=subprocess.PIPE, stdout=out)

    def lines(self):
        return contents(self.file).decode().splitlines()

    def prints(self, *lines):
        """Waits until these are the last lines."""

        def printed():
            return self.lines()[-len(lines) :] == list(lines) or self.process.poll() is not None

        eventually(printed, f"{lines} is printed")
        assert self.lines()[-len(lines) :] == list(lines), (self.lines(), end_of(self.process))

    def interrupt(self):
        """Ctrl-C; under Wine, where a signal is none, it is only ended."""
        if ON_WINE:
            self.process.kill()
            self.process.wait()
            return
        self.process.send_signal(signal.SIGINT)
        done = end_of(self.process)
        assert done.code == 0 and done.err == "", done


@test("the README of the examples counts their lines, and has them all")
def _():
    with open(os.path.join(SOURCES, "README.md"), encoding="utf-8") as file:
        told = dict(re.findall(r"^\| \[(\w+\.c)\].*?\| (\d+) \|", file.read(), re.M))
    counted = {}
    for name in os.listdir(SOURCES):
        if name.endswith(".c"):
            counted[name] = str(contents(os.path.join(SOURCES, name)).count(b"\n"))
    assert told == counted, (told, counted)


@test("the examples need nothing but the public headers")
def _():
    include = os.path.join(SOURCES, "../include")
    for name in os.listdir(SOURCES):
        if name.endswith(".c") and name != "native_loop.c":  # Windows has its headers
            strict = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
            done = end_of(start(strict + ["-I", include, os.path.join(SOURCES, name)]))
            assert done.code == 0, done


@test("hello.c hears what it publishes")
def _():
    broker = Broker()
    done = run(broker, "hello")
    assert done.code == 0 and done.out.split() == b"hello.world: 2 bytes".split(), done
    broker.stop()


@test("the examples say where they looked when there is no broker")
def _():
    names = "hello", "publisher", "subscriber", "service", "caller"
    for process in [begin("nobody-here", name, "a.subject") for name in names]:
        done = end_of(process)
        assert done.code == 1 and "nobody-here" in done.err and "running?" in done.err, done


@test("embedded_broker.c runs a broker, and two programs that talk through it")
def _():
    done = end_of(start(example("embedded_broker")))
    assert done.code == 0 and done.err == "", done
    assert done.out.decode().splitlines() == ["2 + 3 = 5", "all have ended"], done


@test("embedded_broker.c says it when its name is taken")
def _():
    broker = Broker(name="embedded-example")
    done = end_of(start(example("embedded_broker")))
    assert done.code == 1 and "PP_EINUSE" in done.err, done
    broker.stop()


@test("publisher.c and subscriber.c: every message, in order, until Ctrl-C")
def _():
    broker = Broker()
    subscriber = Running(broker, "subscribed", "subscriber", "ticks.>")
    done = run(broker, "publisher", "ticks.demo", "2000")
    assert done.code == 0 and done.out.split() == b"published 2000, the last to 1".split(), done
    subscriber.prints("subscribed", *[f"ticks.demo [{i}]" for i in range(1, 2001)])
    subscriber.interrupt()
    broker.stop()


@test("service.c and caller.c: results, errors by name, nobody there")
def _():
    broker = Broker()
    service = Running(broker, "serving svc.sum", "service")
    assert run(broker, "caller", "svc.sum", "1", "2", "-5").out.split() == [b"-2"]
    done = run(broker, "caller", "svc.sum", "1", "x")
    assert done.code == 1 and "PP_EARG" in done.err and "integers only" in done.err, done
    done = run(broker, "caller", "svc.nobody")
    assert done.code == 1 and "PP_ENORESP" in done.err, done
    assert run(broker, "caller").code == 2
    assert broker.run("req", "svc.sum", "--in", "json", "[1, 2, 3]").out == b"6\n"
    done = broker.run("req", "svc.sum", "--in", "json", '["x"]')
    assert done.code == 7 and "integers only" in done.err, done  # its complaint, not panpipe's
    service.interrupt()
    broker.stop()


@test("caller.c gives up at its deadline", "the sockets of Python are Linux's")
def _():
    from bus import Bus

    broker = Broker()
    os.environ["PANPIPE"] = broker.name
    service = Bus()
    del os.environ["PANPIPE"]
    service.serve("svc.never", print)  # it does not run: no answer
    done = run(broker, "caller", "svc.never")
    assert done.code == 1 and "PP_ETIMEDOUT" in done.err, done
    service.input.close()
    service.output.close()
    broker.stop()


@test("overlapped.c: calls, messages and a pipe end as packets of one loop")
def _():
    broker = Broker()
    always = ["pipe: hello"] + ["message: overlapped.tick"] * 3
    answers = [f"answer {i}: PP_ENORESP: nobody serves that subject" for i in range(4)]
    done = run(broker, "overlapped")
    assert done.code == 0 and sorted(done.out.decode().splitlines()) == answers + always[::-1], done
    service = Running(broker, "serving svc.sum", "service")
    answers = [f"answer {i}: {2 * i}" for i in range(4)]
    done = run(broker, "overlapped")
    assert done.code == 0 and sorted(done.out.decode().splitlines()) == answers + always[::-1], done
    service.interrupt()
    broker.stop()


@test("service.c is there again after its broker was")
def _():
    broker = Broker()
    service = Running(broker, "serving svc.sum", "service")
    broker.stop()
    broker = Broker(name=broker.name)
    words = "caller", "svc.sum", "1", "2"
    eventually(lambda: run(broker, *words).out.split() == [b"3"], "it answers")
    service.process.kill()
    assert "away" in end_of(service.process).err
    broker.stop()


@test("echo.c needs no broker")
def _():
    done = run("nobody-here", "echo", "20", "50")
    figures = r"20 connections, 50 round trips each: [\d.]+ s, \d+ round trips/s"
    assert done.code == 0 and re.fullmatch(figures, done.out.decode().strip()), done


@test("message_pump.c: everything that was sent was received, however few buffers there are")
def _():
    for pipes, messages, buffers in (64, 200, 8), (100, 50, 1), (1, 100, 3), (3, 10, 50):
        done = run("nobody-here", "message_pump", str(pipes), str(messages), str(buffers))
        total = pipes * messages * 1000
        assert done.code == 0 and done.err == "", done
        lines = done.out.decode().splitlines()
        what = f"{pipes} pipes, 4 workers: {total} bytes sent and received, "
        assert lines[0].startswith(what), done
        back = rf"{buffers} of {buffers} send buffers are back, (\d+) sends waited for one"
        waited = re.fullmatch(back, lines[1])
        assert waited and (int(waited[1]) > 0) == (buffers < pipes), done
        assert re.fullmatch(r"(\d+) of \1 receive buffers are back", lines[2]), done
        assert lines[3] == "everything that was sent was received", done
    assert run("nobody-here", "message_pump", "0").code == 2


@test("poll_loop.c, or native_loop.c: the client lives in the program's own loop")
def _():
    broker = Broker()
    loop = Running(broker, "subscribed", "native_loop" if ON_WINE else "poll_loop")
    for count in range(1, 4):
        assert broker.run("pub", "loop.hello", "42").code == 0
        loop.prints("subscribed", *["loop.hello: 4 bytes"] * count)
        reader = broker.ready("sub", "loop.lines", "-n", "1")
        loop.process.stdin.write(b"line %d\n" % count)
        loop.process.stdin.flush()
        assert b"line %d" % count in end_of(reader).out
    assert run(broker, "publisher", "loop.hello", "5000").code == 0
    eventually(lambda: len(loop.lines()) == 1 + 3 + 5000, "all of a burst arrive")
    loop.process.stdin.close()
    assert loop.process.wait(timeout=PATIENCE_S) == 0
    broker.stop()


run_tests()
