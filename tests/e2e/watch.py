#!/usr/bin/python3
"""What is going on? Three programs talk; one floods, one reads too slowly, one suffers. With the
command line alone it is found out which is which, and put right, and every figure shown is one that
the programs have counted, too. It is printed as it went, to be read: watch.py story

See support.py for the programs; TALKER, default build/bin/tests/talker, is the three of them."""

import json
import os
import re
import shlex
import subprocess

import msgpack
from support import (
    ON_WINE,
    PATIENCE_S,
    Broker,
    comes_true,
    eventually,
    run_tests,
    start,
    test,
)

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
TALKER = shlex.split(os.environ.get("TALKER", "build/bin/tests/talker"))
TICK_BYTES, ORDER_BYTES = 100, 300
NAMES = ("logger", "ticker", "shop")


class Talker:
    """One of the programs, and what it has counted; see talker.c."""

    def __init__(self, broker, name, *words):
        environment = {**os.environ, "PANPIPE": broker.name}
        words = [*TALKER, name, *map(str, words)]
        self.process = start(words, stdin=subprocess.PIPE, env=environment)
        assert self.line() == "ready", name

    def line(self):
        return self.process.stdout.readline().decode().strip()

    def tell(self, letter):
        self.process.stdin.write(letter.encode() + b"\n")
        self.process.stdin.flush()

    def pause(self):
        """The broker has handled all that it published."""
        self.tell("p")
        assert self.line() == "paused"

    def counts(self):
        self.tell("c")
        return json.loads(self.line())

    def published(self):
        return self.counts()["published"]

    def received(self):
        return sum(stream["received"] for stream in self.counts()["got"].values())

    def leave(self):
        """Ends it; its last counts."""
        self.process.stdin.close()
        counts = json.loads(self.line())
        assert self.process.wait(PATIENCE_S) == 0, self.process.stderr.read()
        return counts


class Desk:
    """Where somebody sits and types. What is typed, and what comes, is printed."""

    def __init__(self, broker):
        self.broker = broker
        self.typed = []

    def note(self, text):
        print(f"#\n# # {text}", flush=True)

    def types(self, line, code=0):
        """A command; what it printed."""
        done = self.broker.run(*shlex.split(line))
        assert done.code == code, done
        out = done.out.decode().replace("\r\n", "\n")
        self.typed.append((line, out + done.err))
        print(f"# $ panpipe {line}", flush=True)
        print("".join(f"# {text}\n" for text in (out + done.err).splitlines()), end="", flush=True)
        return out

    def asks(self, line):
        """The same for programs: what --json says."""
        done = self.broker.run(*shlex.split(line), "--json")
        assert done.code == 0, done
        lines = [json.loads(text) for text in done.out.splitlines()]
        return lines[0] if len(lines) == 1 else lines

    def client(self, name):
        (found,) = [row for row in self.asks("ls clients") if row["name"] == name]
        return found

    def events(self, *kinds):
        done = self.broker.run("events", "--kind", ",".join(kinds), "--json")
        assert done.code == 0, done
        return [json.loads(text) for text in done.out.splitlines()]


def frame_size(subject, size):
    """Of a publish with params of that size, as a plain frame."""
    return 2 + len(msgpack.packb(subject)) + size


class Story:
    """The broker waits for a slow reader for as long as the story takes, also under Wine."""

    def __init__(self):
        self.broker = Broker(settings="stall_ms = 600000;\n")
        self.desk = Desk(self.broker)
        self.logger = Talker(self.broker, "logger", "sub", ">")
        self.ticker = Talker(self.broker, "ticker", "pub", "ticks.eur", TICK_BYTES)
        self.shop = Talker(self.broker, "shop", "order", "orders.new", ORDER_BYTES)


def all_is_well(story):
    """Each program does what it should, and the figures are theirs, exactly."""
    desk = story.desk
    desk.note("A shop, whose orders a logger writes down, and a ticker. All is well.")
    story.shop.tell("g")
    eventually(lambda: story.shop.published() >= 20, "orders")
    story.shop.pause()
    comes_true(lambda: desk.types("check", 0))  # as soon as it answers within 100 ms
    desk.types("ls clients")
    orders = story.shop.published()
    eventually(lambda: story.logger.received() == orders, "all of them are written down")

    def counted():  # what went out is so a moment after it came
        logger = desk.client("logger")
        return (logger["delivered"], logger["queued_bytes"]) == (orders, 0)

    eventually(counted, "all of them are delivered")
    shop = desk.client("shop")
    assert (shop["published"], shop["state"], shop["held_ms"]) == (orders, "ok", 0), shop
    assert not ON_WINE or shop["who"]["pid"] > 0
    assert ON_WINE or shop["who"]["pid"] == story.shop.process.pid, shop
    subject = desk.asks("show subject orders.new")
    assert subject["published"] == subject["deliveries"] == orders, subject
    assert subject["published_bytes"] == orders * frame_size("orders.new", ORDER_BYTES), subject
    story.shop.tell("g")


def who_floods(story):
    """The ticker goes mad. Rates, busiest subject, and single messages tell who it is."""
    desk = story.desk
    desk.note("The machine is warm. Who sends so much?")
    story.ticker.tell("g")
    eventually(lambda: story.ticker.published() > 1000, "it floods")
    desk.types("ls subjects --rate 1s --sort -published_per_s")

    def names_it():  # it may have been held up for the whole time
        busiest = desk.asks("ls subjects --rate 300ms --sort -published_per_s -n 1")[0]
        assert busiest["subject"] == "ticks.eur", busiest
        assert [sender["name"] for sender in busiest["from"]] == ["ticker"], busiest

    comes_true(names_it)
    text = desk.types("monitor 'ticks.>' -n 3")
    lines = text.splitlines()[1:]
    assert len(lines) == 3 and all("ticker[" in line for line in lines), text
    top = desk.types("top -n 1")
    assert "ticker" in top, top


def who_is_slow(story):
    """The logger stops to read, and all stand still: nothing moves, so all figures are exact."""
    desk = story.desk
    desk.note("The shop says that no order goes through any more.")

    def look():
        return [(row["state"], row["delivered"]) for row in map(desk.client, NAMES)]

    def stop():
        story.logger.tell("s")
        story.logger.received()  # then it has heard of it

    def all_stand_still():
        """If it stopped on the way down to queue_low, only who waited before waits: there is room
        for the shop's few bytes. So it reads on, and stops again."""
        now = look()
        if look() != now:
            return False
        if desk.client("logger")["queued_bytes"] < 4 << 20:
            story.logger.tell("r")
            eventually(lambda: desk.client("logger")["delivered"] > now[0][1], "it reads on")
            stop()
            return False
        told = [event["event"] for event in desk.events("slow", "easy")][-1:]
        return [state for state, _ in now] == ["slow", "blocked", "blocked"] and told == ["slow"]

    stop()
    eventually(all_stand_still, "both are held up, and it is told")
    comes_true(lambda: desk.types("check", 1))  # 2, if it takes a second to answer
    desk.types("ls clients --where state!=ok")
    desk.types("ls subjects --sort -published")
    desk.types("show client shop")
    desk.types("events --kind slow -n 1")
    desk.types("top -n 1")
    logger, ticker, shop, sub, stats = figures_at_rest(desk)
    assert shop["held_by"] == ticker["held_by"] == logger["id"], (shop, ticker)
    assert logger["holding"] == 2 and logger["queued_bytes"] >= 4 << 20, logger
    assert logger["oldest_ms"] is not None and shop["held_ms"] > 0, (logger, shop)
    slow = desk.events("slow")[-1]
    assert (slow["client"], slow["name"]) == (logger["id"], "logger"), slow
    assert (stats["slow"], stats["held"], stats["lost"]) == (1, 2, 0), stats
    assert sub["accepted"] == stats["published"] == ticker["published"] + shop["published"], sub
    assert sub["accepted"] == sub["delivered"] + sub["queued"], sub
    assert logger["delivered"] == sub["delivered"] >= story.logger.received(), (logger, sub)
    confirmed = story.shop.published()
    assert shop["published"] - confirmed in (0, 1), (shop, confirmed)
    assert ticker["published"] <= story.ticker.published(), ticker
    top = desk.asks("top -n 1")
    states = {row["name"]: row["state"] for row in top["clients"]}
    assert (states["logger"], states["shop"]) == ("slow", "blocked"), states


def figures_at_rest(desk):
    """Of the clients, the logger's subscription and the broker, when the last bytes have gone."""

    def look():
        clients = [desk.client(name) for name in NAMES]
        (sub,) = [sub for sub in desk.asks("ls subs") if sub["client"] == clients[0]["id"]]
        return [*clients, sub, desk.asks("stats")]

    def same_twice():
        figures, again = look(), desk.client("logger")
        return figures if figures[0]["delivered"] == again["delivered"] else None

    return eventually(same_twice, "nothing moves any more")


def cut_it(story):
    """The logger cannot come back for a while, what it lost is told, and the others go on."""
    desk = story.desk
    desk.note("The logger's disk is full. Let it go, until somebody has looked after it.")
    before, orders = desk.client("logger"), story.shop.published()
    (sub,) = [sub for sub in desk.asks("ls subs") if sub["client"] == before["id"]]
    desk.types("kick logger --for 1h --text 'disk full'")  # longer than the story
    eventually(lambda: story.shop.published() > orders + 20, "orders go through again")
    comes_true(lambda: desk.types("check", 0))
    desk.types("ls clients")
    story.logger.tell("r")
    eventually(lambda: desk.events("denied"), "it tried to come back")

    def closes():
        return [event for event in desk.events("close") if event["client"] == before["id"]]

    eventually(closes, "its end is told")
    desk.types("events --kind slow,kick -n 2")
    desk.types("events --kind denied -n 1")
    (kick,), (close,) = desk.events("kick"), closes()
    assert kick["client"] == before["id"] and kick["text"] == "disk full", kick
    assert close["why"] == "E_PERM" and close["published"] == 0, close
    assert close["delivered"] + close["lost"] == sub["accepted"] + 0, (close, sub)
    story.lost, story.delivered = close["lost"], close["delivered"]
    if ON_WINE:
        return  # there what a pipe still had is gone with it
    eventually(lambda: story.logger.received() == close["delivered"], "it has read all of it")
    for stream in story.logger.counts()["got"].values():
        assert stream["gaps"] == 0, stream


def everything_adds_up(story):
    """At rest, what the broker counted is what the programs did."""
    desk = story.desk
    desk.note("What was all that?")
    story.ticker.pause()
    story.shop.pause()
    desk.types("ls subjects")
    desk.types("stats")
    stats, ticks, orders = desk.asks("stats"), story.ticker.counts(), story.shop.counts()
    for name, counts, subject, size in (
        ("ticker", ticks, "ticks.eur", TICK_BYTES),
        ("shop", orders, "orders.new", ORDER_BYTES),
    ):
        client, about = desk.client(name), desk.asks(f"show subject {subject}")
        assert client["published"] == counts["published"] == about["published"], (client, counts)
        assert about["published_bytes"] == counts["published"] * frame_size(subject, size), about
        assert [(one["name"], one["messages"]) for one in about["from"]] == [
            (name, counts["published"])
        ], about
    published = ticks["published"] + orders["published"]
    accepted = story.delivered + story.lost
    assert stats["published"] == published and stats["lost"] == story.lost, stats
    nobody = stats["no_receiver"] + stats["refused"]  # refused: while the logger was sent away
    assert nobody == published - accepted == stats["published"] - stats["deliveries"], stats
    assert (stats["kicked"], stats["cut"], stats["slow"], stats["held"]) == (1, 0, 0, 0), stats
    assert stats["denied"] == len(desk.events("denied")) or stats["denied"] > 0, stats


def all_leave(story):
    desk = story.desk
    last = {"ticker": story.ticker.leave(), "shop": story.shop.leave()}

    def closed():
        return {event["name"]: event for event in desk.events("close") if event["why"] == "goodbye"}

    eventually(lambda: set(last) <= set(closed()), "their ends are told")
    closes = closed()
    for name, counts in last.items():
        assert closes[name]["published"] == counts["published"], (closes[name], counts)
    story.logger.process.kill()
    story.broker.stop()


def masked(line):
    """Without what is another in each run: numbers with their units, and room between words."""
    line = re.sub(r"\d[\d.:TZ-]*( ?([KMG]i)?B| ?[num]?s| msg/s|[kM])?(?=[\s;,\])]|$)", "#", line)
    return re.sub(r"\s+", " ", re.sub(r"[A-Z]+\\(\w)", r"\1", line)).strip()


def quoted():
    """What README.md's section shows: (command, [line])."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
        section = file.read().split("## What is going on?\n")[1].split("\n## ")[0]
    shown = [line[4:] for line in section.split("\n") if line.startswith("    ")]
    starts = [i for i, line in enumerate(shown) if line.startswith("$ panpipe ")]
    for begin, end in zip(starts, starts[1:] + [len(shown)]):
        yield shown[begin][len("$ panpipe ") :], shown[begin + 1 : end]


def check_readme(typed):
    """Each command there was typed, and printed those lines, but for figures."""
    pages = list(quoted())
    assert len(pages) >= 4, pages
    for line, shown in pages:
        outs = [out for what, out in typed if what == line]
        printed = [{masked(text) for text in out.splitlines()} for out in outs]
        assert printed, f"README.md: panpipe {line} is not in the story"
        for text in shown:
            assert any(masked(text) in lines for lines in printed), (text, masked(text), printed)


@test("story: who floods, who is slow, whom that slows; it is cut, and all figures are right")
def _():
    story = Story()
    for chapter in (all_is_well, who_floods, who_is_slow, cut_it, everything_adds_up, all_leave):
        chapter(story)
    if not ON_WINE:
        check_readme(story.desk.typed)


run_tests()
