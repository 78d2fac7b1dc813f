#!/usr/bin/python3
"""The examples in C. Those in other languages are in languages.py."""

import os

from support import PANPIPED, Broker, end_of, run_tests, start, test

HELLO = os.environ.get(
    "HELLO", os.path.join(os.path.dirname(PANPIPED[-1]), "examples", "hello")
).split()


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


run_tests()
