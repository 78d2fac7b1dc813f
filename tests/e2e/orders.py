#!/usr/bin/python3
"""A small application, broker, service, worker and UI (member.c), started and killed in every
order: it works within a second of the last start. And after the broker's sudden end everybody is
back within a second and says what it could not confirm. How long they had to wait for a processor,
which others used, is not counted. See support.py for the programs."""

import contextlib
import glob
import itertools
import os
import re
import shlex
import subprocess
import threading
import time

from support import (
    ON_WINE,
    PANPIPED,
    PATIENCE_S,
    contents,
    eventually,
    run_tests,
    start,
    test,
    unique,
)

MEMBER = shlex.split(os.environ.get("MEMBER", "build/bin/tests/member"))
PARTS = ("broker", "service", "worker", "ui")
LIMIT_S = 1.0
WINE_S = 15
MANY = 5  # results: more than could have been on their way


def waited_s(*pids):
    """How long the threads of these processes, and of this one, have waited for a processor."""
    waited_ns = 0
    for pid in (os.getpid(), *pids):
        for file in glob.glob(f"/proc/{pid}/task/*/schedstat"):
            with contextlib.suppress(OSError):  # it has ended
                waited_ns += int(contents(file).split()[1])
    return waited_ns / 1e9


def wineservers():
    """The process that does Wine's work."""
    found = []
    for folder in glob.glob("/proc/[0-9]*") if ON_WINE else ():
        with contextlib.suppress(OSError):
            prefix = f"WINEPREFIX={os.environ['WINEPREFIX']}\0".encode()
            if contents(folder + "/comm") == b"wineserver\n" and prefix in contents(
                folder + "/environ"
            ):
                found.append(int(os.path.basename(folder)))
    return found


class Part:
    """A program of the application, and what it said, with the time it was heard."""

    def __init__(self, role, name):
        self.role = role
        self.words = PANPIPED + ["-b", name] if role == "broker" else MEMBER + [role]
        self.environment = {**os.environ, "PANPIPE": name}
        self.begin()
        if ON_WINE:  # what Wine needs to start a program is not ours
            self.started = self.begun()

    def begin(self):
        self.said = []
        self.started = time.monotonic()
        self.process = start(
            self.words,
            stdin=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
        )
        self.listening = threading.Thread(target=self.listen, daemon=True)
        self.listening.start()

    def begun(self):
        """When its main said its first word. After others were killed Wine now and then never gets
        so far with a program; it is started again then."""
        while time.monotonic() < self.started + WINE_S:
            if self.said:
                return self.said[0][0]
            time.sleep(0.005)
        print(f"# Wine did not begin {self.role} in {WINE_S} s", flush=True)
        self.kill()
        self.begin()
        return self.heard("up" if self.role != "broker" else "listen", 0)

    def listen(self):
        for line in self.process.stdout:
            self.said.append((time.monotonic(), line.decode().strip()))

    def heard(self, words, since, count=1):
        """When it said these words for the count-th time since then; waits for it."""

        def look():
            times = [at for at, line in list(self.said) if at >= since and words in line]
            return times[count - 1] if len(times) >= count else None

        try:
            return eventually(look, f"{self.role} says {words}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it said {self.said[-20:]}") from None

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)
        self.listening.join(PATIENCE_S)
        self.process.stdin.close()
        self.process.stdout.close()


class Application:
    def __init__(self):
        self.name = unique("order")
        self.parts = {}
        self.slowest = 0.0
        self.others = wineservers()

    def waited_s(self):
        return waited_s(*self.others, *[part.process.pid for part in self.parts.values()])

    def start(self, role):
        self.parts.pop(role, None)
        self.waited_before_s = self.waited_s()
        self.parts[role] = Part(role, self.name)

    def works(self, last):
        """Within a second of the start of the part that was started last."""
        since = self.parts[last].started
        took = self.parts["ui"].heard("done", since, MANY) - since
        waited = self.waited_s() - self.waited_before_s
        self.slowest = max(self.slowest, took - waited)
        text = f"{took:.2f} - {waited:.2f} s after the start of {last}"
        assert took - waited < LIMIT_S and took < 10 * LIMIT_S, text

    def end(self):
        for part in self.parts.values():
            part.kill()


def every_order(sentence):
    """A test for each of the 24 orders of the four parts."""

    def enter(function):
        for order in itertools.permutations(PARTS):
            test(f"{sentence}: {', '.join(order)}")(lambda order=order: function(order))

    return enter


@every_order("started, then killed and started again, in this order, all works within a second")
def _(order):
    application = Application()
    for role in order:
        application.start(role)
    application.works(order[-1])
    for role in order:  # one after the other, and the others live on
        application.parts[role].kill()
        application.start(role)
        application.works(role)
    for role in order:  # all of them
        application.parts[role].kill()
    for role in order:
        application.start(role)
    application.works(order[-1])
    application.end()
    print(f"# at most {application.slowest * 1000:.0f} ms", flush=True)


@test("after kill -9 of the broker all clients are back within a second, and tell what is unknown")
def _():
    application = Application()
    application.start("broker")
    uis, slowest, unknown = [], 0.0, 0
    for role in ("service", "worker"):
        application.start(role)
    for _ in range(10):
        uis.append(Part("ui", application.name))
    clients = uis + [application.parts["service"], application.parts["worker"]]
    for ui in uis:
        ui.heard("done", 0)
    for _ in range(3):
        killed = time.monotonic()
        application.parts["broker"].kill()
        before = [waited_s(*application.others, client.process.pid) for client in clients]
        application.start("broker")
        began, broker = application.parts["broker"].started, application.parts["broker"].process
        for client, waited in zip(clients, before):
            client.heard("away, unconfirmed", killed)
            took = client.heard("connected", killed) - began
            waited = waited_s(*application.others, client.process.pid, broker.pid) - waited
            slowest = max(slowest, took - waited)
        for ui in uis:
            ui.heard("done", began)
            away = [line for at, line in ui.said if at >= killed and line.startswith("away")]
            unknown += int(re.search(r"unconfirmed (\d+)", away[0]).group(1))
    assert slowest < LIMIT_S, f"{slowest:.2f} s"
    assert unknown > 0, "30 clients that publish every 10 ms, and nothing was unconfirmed"
    for client in uis:
        client.kill()
    application.end()
    print(f"# back after at most {slowest * 1000:.0f} ms, {unknown} publishes unconfirmed")


run_tests()
