#!/usr/bin/python3
"""The examples: the one in C, and the client in one page of Python (python_client.py)."""

import os
import subprocess
import threading

from python_client import Client
from support import PANPIPED, Broker, end_of, eventually, native, run_tests, start, test

HELLO = os.environ.get(
    "HELLO", os.path.join(os.path.dirname(PANPIPED[-1]), "examples", "hello")
).split()
EMBEDDED = HELLO[:-1] + [HELLO[-1].replace("hello", "embedded_broker")]
WHY = "sockets of this kind are Python's on Linux only"


@test("hello.c hears what it publishes")
def _():
    broker = Broker()
    done = end_of(start(HELLO, env={**os.environ, "PANPIPE": broker.name}))
    assert done.code == 0 and done.out.split() == b"hello.world: 2 bytes".split(), done
    broker.stop()


@test("hello.c says where it looked when there is no broker")
def _():
    done = end_of(start(HELLO, env={**os.environ, "PANPIPE": "nobody-here"}))
    assert done.code == 1 and "nobody-here" in done.err and "running?" in done.err, done


@test("embedded_broker.c runs a broker, and two programs that talk through it")
def _():
    done = end_of(start(EMBEDDED))
    assert done.code == 0 and done.err == "", done
    assert done.out.decode().splitlines() == ["2 + 3 = 5", "all have ended"], done


@test("embedded_broker.c says it when its name is taken")
def _():
    broker = Broker(name="embedded-example")
    done = end_of(start(EMBEDDED))
    assert done.code == 1 and "PP_EINUSE" in done.err, done
    broker.stop()


@test("a page of Python calls, and hears of errors", WHY)
def _():
    broker = Broker()
    service = broker.ready("serve", "echo", "--echo")
    client = Client(broker.socket())
    assert client.call("echo", {"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}
    assert client.call("$sys.stats")["clients"] == 2
    try:
        client.call("nobody")
        raise AssertionError("somebody answered")
    except RuntimeError as error:
        assert "E_NORESP" in str(error), error
    client.socket.close()
    service.terminate()
    broker.stop()


@test("a page of Python serves", WHY)
def _():
    broker = Broker()
    client = Client(broker.socket())
    client.serve("sum", lambda *numbers: sum(numbers))
    threading.Thread(target=run, args=(client,), daemon=True).start()
    assert broker.run("req", "sum", "--in", "json", "[1, 2, 3]").out == b"6\n"
    done = broker.run("req", "sum", "--in", "json", '["a"]')
    assert done.code != 0 and "unsupported operand" in done.err, done
    broker.stop()


@test("a page of Python publishes and subscribes", WHY)
def _():
    broker = Broker()
    client = Client(broker.socket())
    heard = []
    client.subscribe("news", lambda *params: heard.append(params))
    other = broker.ready("sub", "from.python", "-n", "1")
    client.publish("from.python", 1, "two")
    assert b"two" in end_of(other).out
    threading.Thread(target=run, args=(client,), daemon=True).start()
    assert broker.run("pub", "news", "--in", "json", '[1, "two"]').code == 0
    eventually(lambda: heard == [(1, "two")], "the news arrive")
    broker.stop()


def run(client):
    try:
        client.run()
    except EOFError:
        pass


run_tests()
