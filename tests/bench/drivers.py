#!/usr/bin/env python3
"""tests/bench/drivers.py [BUILD [PAIRS]]: the io_uring driver beside epoll's, in pairs of runs that
alternate. For each load: the median of both, and the median of the pairs' ratios (io_uring's time
divided by epoll's: below 1 it is faster) with a 95 % interval; then the system calls of a message.

    pipe    a port at each end, two threads of one process; "single": PP_PORT_SINGLE_CONSUMER
    broker  panpiped and panpipe bench, all with the driver
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import pairs

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
PAIRS = int(sys.argv[2]) if len(sys.argv) > 2 else 20
PROGRAM = os.path.join(BUILD, "bin", "tests", "bench_drivers")
DRIVERS = ("epoll", "io_uring")
scratch = tempfile.TemporaryDirectory(prefix="panpipe-drivers-")
os.environ["XDG_RUNTIME_DIR"] = scratch.name


def environment(driver):
    return {**os.environ, "PANPIPE_DRIVER": driver, "PANPIPE_NO_START": "1"}


def run(driver, *words):
    done = subprocess.run(
        words, env=environment(driver), stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    return done.stdout


def pipe(load, count, *single):
    def measure(driver):
        name, time_us = run(driver, PROGRAM, load, str(count), *single).split()
        assert name == driver, f"{driver} is refused here"
        return float(time_us)

    return measure


class Broker:
    def __init__(self, driver):
        self.name = f"bench-{driver}"
        daemon = os.path.join(BUILD, "bin", "panpiped")
        self.process = subprocess.Popen(
            [daemon, "-b", self.name], env=environment(driver), stderr=subprocess.DEVNULL
        )
        self.panpipe = [os.path.join(BUILD, "bin", "panpipe"), "-b", self.name]
        for _ in range(100):
            ping = subprocess.run([*self.panpipe, "ping", "-n", "1"], capture_output=True,
                                  env=environment(driver))
            if ping.returncode == 0:
                return
            time.sleep(0.05)
        raise SystemExit(f"no broker with {driver}")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def broker(brokers, *words):
    """Microseconds for a message, or for a call: one is on its way at a time."""

    def measure(driver):
        said = run(driver, *brokers[driver].panpipe, "bench", *words, "--for", "500ms")
        return 1e6 / float(re.search(r"messages_per_s +(\d+)", said)[1])

    return measure


def compare(name, measure):
    times = {driver: [] for driver in DRIVERS}
    for pair in range(PAIRS):
        for driver in DRIVERS if pair % 2 == 0 else reversed(DRIVERS):
            times[driver].append(measure(driver))
    ratios = [ring / epoll for epoll, ring in zip(*times.values())]
    low, high = pairs.interval(ratios)
    medians = [f"{statistics.median(times[driver]):9.2f}" for driver in DRIVERS]
    print(f"{name:28} {medians[0]} {medians[1]}   {statistics.median(ratios):.2f} "
          f"({low:.2f} to {high:.2f})", flush=True)


def calls_a_message(load, single, messages):
    """Of a message: the difference of two runs, so that what is done once does not count."""
    for driver in DRIVERS:
        words = pairs.calls_a_message([PROGRAM, load], single, messages, environment(driver))
        print(f"{load + ' ' + ' '.join(single):14} {driver:9} {words}", flush=True)


def main():
    print(f"{'microseconds':28} {'epoll':>9} {'io_uring':>9}   ratio (95 %), {PAIRS} pairs")
    for single in ((), ("single",)):
        compare(f"pipe, ping 64 B {''.join(single)}", pipe("ping", 10000, *single))
        compare(f"pipe, 64 KiB {''.join(single)}", pipe("stream", 5000, *single))
    brokers = {driver: Broker(driver) for driver in DRIVERS}
    compare("broker, call", broker(brokers, "req"))
    compare("broker, message 128 B", broker(brokers, "pub"))
    compare("broker, message 16 KiB", broker(brokers, "pub", "--size", "16384"))
    for each in brokers.values():
        each.stop()
    print("system calls of a message")
    for single in ((), ("single",)):
        calls_a_message("ping", single, 2)
        calls_a_message("stream", single, 1)


if __name__ == "__main__":
    main()
