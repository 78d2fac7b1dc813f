#!/usr/bin/env python3
"""tests/bench/figures_cost.py [BIN]: what do the broker's figures cost, with nobody watching?

figures_cost and figures_cost_bare are the same flows through the same broker, but the second one
counts and times nothing that only an operator reads. valgrind counts the instructions of the
handlers of the broker's packets (not those of the simulated pipes, which stand for the system), so
every run is the same. What a message costs is the difference of a long flow and a short one. Prints
TAP; a ratio above 1.02 fails.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

BIN = sys.argv[1] if len(sys.argv) > 1 else "build/bin/tests"
FLOWS = {
    "stream": (100, "a message of a burst of 100"),
    "single": (1, "a message by itself"),
    "call": (1, "a call and its answer"),
}
SHORT, LONG, RATIO_MAX = 160, 1760, 1.02
HANDLERS = ("on_read", "on_write", "on_resume")


def instructions(program, flow, rounds):
    """What the handlers of packets execute, with all that they call, but for the simulator."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]
            + [f"--toggle-collect={handler}" for handler in HANDLERS]
            + [os.path.join(BIN, program), flow, str(rounds)],
            check=True,
            capture_output=True,
            timeout=120,
        )
        with open(out) as file:
            return without_simulator(file.read())


def without_simulator(profile):
    """The sum of a profile's costs, less those of the simulator, and of what that calls. What runs
    around the handlers is part of the profile, too, but costs nothing itself."""
    files, simulators = {}, {}  # functions of the simulator: [own cost, that of what it calls]
    total, current, callee_simulated, call = 0, None, False, False

    def is_simulator(text):
        """Names stand once, as "(12) name", and are "(12)" from then on."""
        number, name = re.match(r"\((\d+)\) ?(.*)", text).groups()
        if name:
            files[number] = name
        return files[number].endswith(("/sim/sim.c", "/sim/pipes.c"))

    simulated = False
    for line in profile.splitlines():
        key, _, value = line.partition("=")
        if key == "fl":
            simulated = is_simulator(value)
        elif key in ("fi", "fe"):
            is_simulator(value)  # inlined: still the function's
        elif key == "fn":
            number = re.match(r"\((\d+)\)", value)[1]
            current = simulators.setdefault(number, [0, 0]) if simulated else None
            callee_simulated = simulated
        elif key in ("cfi", "cfl"):
            callee_simulated = is_simulator(value)
        elif key == "calls":
            call = True
        elif re.match(r"[+*\-\d]", line):
            cost = int(line.split()[1])
            if call and current and not callee_simulated:
                current[1] += cost
            elif not call and current:
                current[0] += cost
            elif not call:
                total += cost
            if call:
                call, callee_simulated = False, simulated
    return total - sum(called for own, called in simulators.values() if own > 0)


def main():
    if shutil.which("valgrind") is None:
        print("1..1\nok 1 - # SKIP what figures cost: there is no valgrind")
        return 0
    failures = 0
    for number, (flow, (messages, words)) in enumerate(FLOWS.items(), 1):
        cost = {}
        for program in ("figures_cost", "figures_cost_bare"):
            difference = instructions(program, flow, LONG) - instructions(program, flow, SHORT)
            cost[program] = difference / (LONG - SHORT) / messages
        ratio = cost["figures_cost"] / cost["figures_cost_bare"]
        good = ratio <= RATIO_MAX
        failures += not good
        with_figures, bare = cost.values()
        print(f"# {words}: {with_figures:.1f} instructions, {ratio:.4f} times {bare:.1f}")
        print(f"{'' if good else 'not '}ok {number} - figures cost at most 2 % of {words}")
    print(f"1..{len(FLOWS)}")
    return failures > 0


sys.exit(main())
