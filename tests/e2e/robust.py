#!/usr/bin/python3
"""panpiped and panpipe when the world is unkind: strangers, crowds, kills, full disks, limits,
other users. What one party does must not be noticed by the others. See support.py for the
programs."""

import os
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import msgpack
from support import (
    PANPIPED,
    PATIENCE_S,
    Broker,
    Stranger,
    connect,
    end_of,
    eventually,
    file_with,
    handles,
    hear_all,
    memory_kib,
    path,
    run_tests,
    said,
    serves,
    start,
    test,
    unique,
)

LINUX = "sockets, signals and limits of Linux"


class Crowd:
    """A second pair, publisher and receiver, whose stream must not falter meanwhile."""

    LINES = 2000

    def __init__(self, broker):
        self.expected = b"".join(b"line %d\n" % i for i in range(self.LINES))
        self.sub = broker.ready("sub", "crowd", "-n", str(self.LINES))
        self.broker = broker

    def run(self):
        done = self.broker.run("pub", "crowd", "-", stdin=self.expected)
        assert done.code == 0, done
        done = end_of(self.sub)
        assert done.code == 0 and done.out == self.expected, done.err


# --- strangers and crowds ------------------------------------------------------------------------


@test("HTTP and a human on netcat are told what this is, in one line", linux_only=LINUX)
def _():
    broker = Broker()
    for words in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"hello?\n", b"\x16\x03\x01\x02"):
        with connect(broker) as end:
            end.sendall(words)
            heard = hear_all(end)
        assert heard.startswith(b"This is panpiped") and heard.count(b"\n") == 1, heard
    if shutil.which("nc"):
        done = end_of(start(["nc", "-U", broker.socket()], stdin=subprocess.PIPE), b"help\n")
        assert done.out.startswith(b"This is panpiped"), done
    serves(broker)
    broker.stop()


@test("a thousand that say nothing cost 16 KiB each at most, and others are served", LINUX)
def _():
    broker = Broker()
    serves(broker)
    memory, before = memory_kib(broker), handles(broker)
    silent = [connect(broker) for _ in range(1000)]
    eventually(lambda: handles(broker) > 1000, "all are accepted")
    serves(broker)
    assert memory_kib(broker) - memory < 1000 * 16, (memory, memory_kib(broker))
    for end in silent:
        end.close()
    eventually(lambda: handles(broker) <= before, "their handles are closed")
    serves(broker)
    broker.stop()


@test("100,000 that connect and leave at once leave nothing behind", linux_only=LINUX)
def _():
    broker = Broker("--log-level", "warn")

    done = []

    def come_and_go(count, manner):
        for i in range(count):
            with connect(broker) as end:
                if (i + manner) % 4 == 1:
                    end.sendall(b"\x93\x02")  # half a message
                elif (i + manner) % 4 == 2:
                    end.sendall(msgpack.packb([2, "touch", [i]]))
            done.append(1)

    def storm(count):
        threads = [threading.Thread(target=come_and_go, args=(count // 4, n)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    serves(broker)
    before = handles(broker)
    storm(4000)  # whatever is made once is made now
    eventually(lambda: handles(broker) <= before, "the first have left")
    memory = memory_kib(broker)
    storm(96000)
    assert len(done) == 100000
    eventually(lambda: handles(broker) <= before, "all have left")
    assert memory_kib(broker) - memory < 2048, (memory, memory_kib(broker))
    serves(broker)
    broker.stop()


# --- readers that stop ---------------------------------------------------------------------------

STALL = "stall_ms = 4000;\nqueue_high = 65536;\nqueue_low = 16384;\nqueue_hard = 1048576;\n"
LIMITS = STALL + "frame_max = 65536;\n"
LOAD = b"".join(b"%06d %s\n" % (i, b"x" * 1000) for i in range(2000))  # more than all queues hold


def stopped_reader(policy):
    """A publisher, a receiver that is stopped, and one that is not: how they fared, how long the
    publisher took, and the broker."""
    broker = Broker(settings=LIMITS)
    crowd = Crowd(broker)
    stuck = broker.ready("sub", "load", "--policy", policy)
    good = broker.ready("sub", "load", "-n", "2000")
    taken = []
    reader = threading.Thread(target=lambda: taken.append(end_of(good)))
    reader.start()
    stuck.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    publisher = broker.start("pub", "load", "-", stdin=subprocess.PIPE)
    published = []
    writer = threading.Thread(target=lambda: published.append(end_of(publisher, LOAD)))
    writer.start()
    crowd.run()
    writer.join()
    took_s = time.monotonic() - begin
    reader.join()
    assert published[0].code == 0, published[0]
    assert taken[0].code == 0 and taken[0].out == LOAD, taken[0].err
    stuck.send_signal(signal.SIGCONT)
    done = end_of(stuck)
    assert done.code in (3, 8), (done.code, done.err)  # it may be too late to tell it why
    eventually(lambda: "ESLOW" in said(broker), "it is logged")
    assert LOAD.startswith(done.out), "it got the beginning, in order"
    serves(broker)
    broker.stop()
    return took_s


@test("a reader that has stopped holds its publisher up for the stall time only", LINUX)
def _():
    took_s = stopped_reader("block")
    assert 3.9 < took_s < 30, took_s


@test("a reader that would rather be cut holds nobody up", linux_only=LINUX)
def _():
    stopped_reader("cut")


# --- kills ---------------------------------------------------------------------------------------


@test("a broker that has stood still for long does not blame its clients for it", LINUX)
def _():
    broker = Broker(settings="half_frame_ms = 5000;\nsilent_ms = 5000;\n")
    message = msgpack.packb([0, 1, "$ping", []])
    halves = [connect(broker) for _ in range(200)]
    for end in halves:
        end.sendall(message[:5])
    eventually(lambda: said(broker).count(" connect ") > len(halves), "all are in")
    broker.process.send_signal(signal.SIGSTOP)
    late = [connect(broker) for _ in range(50)]
    time.sleep(7)  # longer than any of them may take
    for end in halves + late:
        end.sendall(message[5:] if end in halves else message)
    broker.process.send_signal(signal.SIGCONT)
    for end in halves + late:
        assert msgpack.unpackb(end.recv(100)) == [1, 1, None, None]
        end.close()
    broker.stop()


@test("a broker killed in the middle of a stream ends its clients, and the next takes over", LINUX)
def _():
    broker = Broker()
    sub = broker.ready("sub", "stream", stdout=subprocess.DEVNULL)
    pub = broker.start("pub", "stream", "-", stdin=subprocess.PIPE)
    for i in range(1000):
        pub.stdin.write(b"%d %s\n" % (i, b"x" * 200))
    pub.stdin.flush()
    broker.process.kill()
    broker.process.wait()
    assert os.path.exists(broker.socket()), "a killed broker cannot remove its socket"
    for process in (sub, pub):
        assert process.wait(PATIENCE_S) == 3, process.args
    pub.stdin.close()
    following = Broker(name=broker.name)
    serves(following)
    following.stop()
    assert not os.path.exists(broker.socket())


@test("publisher, receiver and server killed in the middle of a message are forgotten", LINUX)
def _():
    broker = Broker()
    watcher = broker.ready("sub", "kill.>", "-n", "1")
    before = handles(broker)
    message = msgpack.packb([2, "kill.half", [b"x" * 500000]])
    half = connect(broker)
    half.sendall(message[:300000])

    deaf = connect(broker)  # is sent more than the socket holds, and dies before it has read it
    deaf.sendall(msgpack.packb([0, 1, "$sub", ["big"]]))
    deaf.recv(100)
    serve = broker.ready("serve", "hang", "--exec", "kill -9 $PPID; sleep 60")
    call = broker.start("req", "hang", "x")
    pub = broker.start("pub", "big", "-", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    for _ in range(300):
        pub.stdin.write(b"y" * 10000 + b"\n")
    pub.stdin.flush()
    pub.kill()
    half.close()
    deaf.close()
    done = end_of(call)
    assert done.code == 5 and "server" in done.err, done
    assert serve.wait(PATIENCE_S) == -signal.SIGKILL
    eventually(lambda: handles(broker) <= before, "their connections are gone")
    assert broker.run("pub", "kill.whole", "whole").code == 0
    done = end_of(watcher)
    assert done.out == b"whole\n", "half a message is no message"
    broker.stop()


# --- other users ---------------------------------------------------------------------------------


@test("a broker for all users serves another user too", linux_only=LINUX)
def _():
    with Stranger() as stranger:
        broker = Broker("--system", name=os.path.join(stranger.folder, "all.sock"))
        his = stranger.panpipe + ["-b", broker.name]
        sub = broker.ready("sub", "greeting", "-n", "1")
        done = end_of(start(his + ["pub", "greeting", "from another user"]))
        assert done.code == 0, done
        assert end_of(sub).out == b"from another user\n"
        broker.stop()


@test("a broker that may not use its folder says so: exit code 4", linux_only=LINUX)
def _():
    with Stranger() as stranger:
        closed = os.path.join(stranger.folder, "closed")
        os.mkdir(closed, 0o700)
        for name in (os.path.join(closed, "x.sock"), os.path.join(stranger.folder, "x.sock")):
            done = end_of(start(stranger.panpiped + ["-b", name]))
            assert done.code == 4 and "denied" in done.err and stranger.folder in done.err, done
        others = {**os.environ, "XDG_RUNTIME_DIR": closed}
        done = end_of(start(stranger.panpiped + ["-b", "x"], env=others))
        assert done.code == 4 and "denied" in done.err, done
        os.chmod(stranger.folder, 0o777)
        assert os.listdir(closed) == []


@test("settings that cannot be read are told by name", linux_only=LINUX)
def _():
    for name in ("/no/such/settings", tempfile.gettempdir()):
        done = end_of(start(PANPIPED + ["--config", name]))
        assert done.code == 2 and f"{name} cannot be read" in done.err, done
    with Stranger() as stranger:
        mine = os.path.join(stranger.folder, "mine.conf")
        shutil.copy(file_with(b"workers = 1;\n"), mine)
        os.chmod(mine, 0o600)
        done = end_of(start(stranger.panpiped + ["--config", mine]))
        assert done.code == 2 and f"{mine} cannot be read" in done.err, done


# --- the system's limits -------------------------------------------------------------------------


@test("a full disk under the log does not end the broker", linux_only="/dev/full")
def _():
    with open("/dev/full", "wb") as full:
        name = unique("full")
        process = start(PANPIPED + ["-b", name, "--log-level", "debug"], stderr=full, stdout=full)
    broker = client_of(name, process)
    for _ in range(50):
        connect(broker).close()
    serves(broker)
    assert broker.run("stop").code == 0
    assert process.wait(PATIENCE_S) == 0


@test("a log that nobody reads any more, or that was never open, harms nobody", LINUX)
def _():
    for close_all in (False, True):
        name = unique("log")
        read_end, write_end = os.pipe()
        process = start(
            PANPIPED + ["-b", name, "--log-level", "debug"],
            stdin=None,
            stdout=write_end,
            stderr=write_end,
            preexec_fn=(lambda: [os.close(n) for n in (0, 1, 2)]) if close_all else None,
        )
        os.close(read_end)
        os.close(write_end)
        broker = client_of(name, process)
        serves(broker)
        if close_all:
            for number in (0, 1, 2):
                assert os.readlink(f"/proc/{process.pid}/fd/{number}") == "/dev/null"
        assert broker.run("stop").code == 0
        assert process.wait(PATIENCE_S) == 0


def client_of(name, process):
    """A Broker for a process that was started otherwise, once it listens."""
    broker = Broker.__new__(Broker)
    broker.name, broker.process = name, process
    done = broker.run("ping", "-n", "1", "--quiet", "--timeout", "30s")
    assert done.code == 0, done
    return broker


@test("out of handles, the broker says so, waits, and goes on", linux_only=LINUX)
def _():
    log = open(path("log"), "w+b")
    name = unique("handles")
    process = start(
        PANPIPED + ["-b", name],
        stderr=log,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
    )
    broker = client_of(name, process)
    broker.log = log.name
    ready = broker.ready("sub", "early", "-n", "1")  # who is connected stays served
    many = [connect(broker) for _ in range(100)]
    eventually(lambda: "os_error=24" in said(broker), "it is logged")
    time.sleep(1)  # several pauses: it is not logged each time
    assert said(broker).count("os_error=24") <= 2, said(broker)
    for end in many[:90]:
        end.close()
    serves(broker)
    assert broker.run("pub", "early", "x").code == 0
    assert end_of(ready).out == b"x\n"
    eventually(lambda: "goes on" in said(broker), "it is logged")
    for end in many:
        end.close()
    assert broker.run("stop").code == 0
    assert process.wait(PATIENCE_S) == 0


if __name__ == "__main__":
    run_tests()
