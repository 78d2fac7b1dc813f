"""Pairs of runs that alternate, and system calls: what the comparisons of this folder share."""

import os
import re
import subprocess
import tempfile


def interval(values):
    """Of the median, 95 %, by order statistics."""
    ordered = sorted(values)
    count = len(ordered)
    step = int(0.98 * count**0.5)
    return ordered[max(0, count // 2 - step - 1)], ordered[min(count - 1, (count + 1) // 2 + step)]


def calls(words, environment):
    """System calls of a whole run, by name."""
    with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8") as log:
        subprocess.run(
            ["strace", "-f", "-c", "-o", log.name, *words],
            env=environment, stdout=subprocess.DEVNULL, check=True, timeout=120,
        )
        rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", log.read(), re.M)
    return {name: int(number) for number, name in rows if name != "total"}


def calls_a_message(words, options, messages, environment=os.environ):
    """Of a message, as text: the difference of two runs, so that what is done once does not count.
    words, a count and options are the command; messages: of each count."""
    few = calls([*words, "1000", *options], environment)
    many = calls([*words, "3000", *options], environment)
    each = {name: (many[name] - few.get(name, 0)) / (2000 * messages) for name in many}
    names = sorted((name for name in each if each[name] >= 0.02), key=lambda name: -each[name])
    return f"{sum(each.values()):5.2f}: " + ", ".join(f"{name} {each[name]:.2f}" for name in names)
