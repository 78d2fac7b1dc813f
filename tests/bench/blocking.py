#!/usr/bin/env python3
"""tests/bench/blocking.py [BLOCKED [ROUNDS [MS [BUILD]]]]: do handlers that block hold up the
others? Of three ports with two slots each, pinged by turns, one has BLOCKED (1) handlers that block
for MS (5000) in brackets, one as many without, and one has none. 20 rounds take two minutes. Prints
p50 and p99 of the answers, medians of the rounds, and the median of the ratios to the quiet port of
the same round, with a 95 % interval. Ends with 0 if the p99 beside handlers in brackets is at most
1.10 of that where nobody blocks.
"""

import os
import statistics
import subprocess
import sys
import tempfile

import pairs

GIVEN = dict(enumerate(sys.argv[1:]))
BLOCKED = int(GIVEN.get(0, 1))
ROUNDS = int(GIVEN.get(1, 20))
MS = int(GIVEN.get(2, 5000))
PROGRAM = os.path.join(GIVEN.get(3, "build"), "bin", "tests", "bench_blocking")
WORDS = {"quiet": "nobody blocks", "brackets": "in brackets", "bare": "without brackets"}
BAR = 1.10


def run():
    """p50 and p99 in microseconds, by port."""
    done = subprocess.run(
        [PROGRAM, str(BLOCKED), str(MS)], stdout=subprocess.PIPE, text=True, check=True,
        timeout=60 + (BLOCKED + 1) * MS / 1000,
    )
    return {how: (float(p50), float(p99))
            for how, p50, p99, _ in map(str.split, done.stdout.splitlines())}


def column(values, quiet):
    """The median, and of the ratios to quiet: the median with its interval."""
    ratios = [value / base for value, base in zip(values, quiet)]
    low, high = pairs.interval(ratios)
    ratio = statistics.median(ratios)
    middle = statistics.median(values)
    return ratio, f"{middle:11.1f} {ratio:9.2f} ({low:.2f} to {high:.2f})"


def main():
    print(f"{BLOCKED} blocked for {MS} ms; microseconds and ratios (95 %) of {ROUNDS} rounds "
          f"(load of the machine before: {os.getloadavg()[0]:.1f})", flush=True)
    with tempfile.TemporaryDirectory(prefix="panpipe-blocking-") as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        rounds = [run() for _ in range(ROUNDS)]
    times = {how: [one[how] for one in rounds] for how in WORDS}
    ratios = {}
    for how, words in WORDS.items():
        p50, p99 = (
            column([run[which] for run in times[how]], [run[which] for run in times["quiet"]])
            for which in (0, 1)
        )
        ratios[how] = p99[0]
        print(f"{words:17} p50 {p50[1]}   p99 {p99[1]}")
    met = ratios["brackets"] <= BAR
    print(f"p99 in brackets beside nobody's: {ratios['brackets']:.2f}, bar {BAR:.2f}: "
          + ("met" if met else "MISSED"))
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
