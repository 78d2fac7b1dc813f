#!/usr/bin/python3
"""Who is at the other end: brokers that let in who may, and say who sent what; clients that talk
to nobody else's server. Other users squat on every place there is, and play with modes. The list
is client-lib/io/SECURITY.md. See support.py for the programs."""

import array
import fcntl
import json
import os
import re
import shutil
import socket
import stat
import struct
import subprocess
import time

import msgpack
from support import (
    ON_WINE,
    PANPIPE,
    PANPIPED,
    PATIENCE_S,
    Broker,
    Skip,
    Stranger,
    connect,
    descriptors,
    end_of,
    eventually,
    folder,
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

LINUX = "users, files and sockets of Linux"
HIS, HERS, THEIRS = 4321, 4322, 4323  # users that nobody else is


# --- what other users do -------------------------------------------------------------------------


class Other:
    """What another user does: work(tell) runs in a process of its own, as that user; what it tells
    can be heard here, line by line."""

    def __init__(self, uid, work, groups=()):
        heard, told = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            try:
                os.close(heard)
                os.setgroups(list(groups))
                os.setgid(uid)
                os.setuid(uid)
                work(lambda line: os.write(told, line.encode() + b"\n"))
            finally:
                os._exit(0)
        os.close(told)
        self.lines = os.fdopen(heard)

    def hear(self):
        return self.lines.readline().rstrip("\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.kill(self.process, 9)
        os.waitpid(self.process, 0)
        self.lines.close()


def said_to(uid, name, groups=()):
    """What a server says to a client of that user; "refused" and the error's number if the system
    keeps him out."""

    def talk(tell):
        end = socket.socket(socket.AF_UNIX)
        end.settimeout(PATIENCE_S)
        try:
            end.connect(name)
        except OSError as error:
            tell(f"refused {error.errno}")
            return
        try:
            end.sendall(msgpack.packb([0, 1, "$hello", [{"v": 1}]]))
        except BrokenPipeError:
            pass  # he was sent away before; the words are there all the same
        tell(repr(end.recv(65536)))

    with Other(uid, talk, groups) as other:
        return other.hear()


def squatter(name):
    """A server of another user at that place, once it listens: it tells how many bytes came."""

    def squat(tell):
        server = socket.socket(socket.AF_UNIX)
        server.bind(name)
        os.chmod(name, 0o666)
        server.listen()
        tell("listens")
        while True:
            end, _ = server.accept()
            end.settimeout(PATIENCE_S)
            tell(f"heard {len(end.recv(65536))}")
            end.close()

    other = Other(HIS, squat)
    assert other.hear() == "listens"
    return other


def client(*arguments, runtime=None):
    """Runs panpipe, perhaps in another runtime folder."""
    others = {**os.environ}
    if runtime is not None:
        others["XDG_RUNTIME_DIR"] = runtime
    return end_of(start(PANPIPE + ["--timeout", "30s", *arguments], env=others))


def server(*arguments, runtime=None):
    """Runs a panpiped that is expected to refuse."""
    others = {**os.environ}
    if runtime is not None:
        others["XDG_RUNTIME_DIR"] = runtime
    return end_of(start(PANPIPED + [*arguments], env=others))


def expect_distrust(done, words):
    assert done.code == 4 and words in done.err, done


def clients_of(broker):
    done = broker.run("ls", "clients", "--json")
    assert done.code == 0, done
    return json.loads(done.out)


def services_of(broker):
    done = broker.run("ls", "subs", "--json")
    assert done.code == 0, done
    return [one["pattern"] for one in json.loads(done.out)]


def who_is(broker, pid):
    """What the broker knows about the client with that pid."""
    found = [one for one in clients_of(broker) if one["who"]["pid"] == pid]
    assert len(found) == 1, found
    return found[0]["who"]


# --- who may connect -----------------------------------------------------------------------------


@test("a broker for its own user cannot be reached by another", linux_only=LINUX)
def _():
    with Stranger(HIS) as stranger:
        broker = Broker(name=os.path.join(stranger.folder, "own.sock"))
        assert stat.S_IMODE(os.stat(broker.name).st_mode) == 0o600
        assert said_to(HIS, broker.name) == "refused 13"
        done = end_of(start(stranger.panpipe + ["-b", broker.name, "ping", "-n", "1"]))
        assert done.code == 4, done
        serves(broker)
        broker.stop()


@test("where a mode lets another user through, he is told that he may not, and it is logged", LINUX)
def _():
    with Stranger(HIS) as stranger:
        broker = Broker(name=os.path.join(stranger.folder, "own.sock"))
        os.chmod(broker.name, 0o666)
        heard = said_to(HIS, broker.name)
        assert heard.startswith(f"b'E_PERM uid {HIS} may not use this pipe"), heard
        assert "same-user" in heard and heard.count("\\n") == 1, heard
        before = handles(broker)
        for _ in range(20):
            done = end_of(start(stranger.panpipe + ["-b", broker.name, "ping", "-n", "1"]))
            assert done.code == 4 and f"uid {HIS} may not use this pipe" in done.err, done
        assert handles(broker) < before + 4, "who was sent away costs nothing for long"
        eventually(lambda: said(broker).count(f"deny user={HIS} access=same-user") == 21, "logged")
        stats = json.loads(broker.run("stats", "--json").out)
        assert stats["denied"] == 21, stats
        serves(broker)
        broker.stop()


@test("a broker for local users lets another in, and knows who he is", linux_only=LINUX)
def _():
    with Stranger(HIS) as stranger:
        broker = Broker("--access", "local-users", name=os.path.join(stranger.folder, "all.sock"))
        his = stranger.panpipe + ["-b", broker.name]
        serve = start(his + ["serve", "his", "--echo"])
        eventually(lambda: "his" in services_of(broker) or serve.poll() is not None, "he serves")
        who = who_is(broker, serve.pid)
        assert who["uid"] == HIS and HIS in who["gids"] and who["exe"] == stranger.program, who
        sub = broker.ready("sub", "from", "-n", "1", "--meta", "--json")
        pub = start(his + ["pub", "from", "him"])
        assert end_of(pub).code == 0
        meta = json.loads(end_of(sub).out)["meta"]
        assert meta["uid"] == HIS and meta["pid"] == pub.pid, meta
        assert meta["name"] == "panpipe-pub" and abs(meta["ts"] / 1000 - time.time()) < 600, meta
        for asked in (
            ["ls", "clients"],
            ["events"],
            ["events", "--follow", "--for", "1s"],
            ["monitor", "--for", "1s"],
            ["kick", "1"],
            ["stop"],
        ):
            done = end_of(start(his + asked))
            assert done.code == 4, f"he may not {asked}: {done}"
        serve.kill()
        broker.stop()


@test("a broker for a service and one user lets that user in, and no other", linux_only=LINUX)
def _():
    with Stranger(HIS) as stranger:
        broker = Broker(
            *("--access", "service-and-user", "--access-user", str(HIS)),
            name=os.path.join(stranger.folder, "two.sock"),
        )
        assert "you" in said_to(HIS, broker.name)
        assert "E_PERM" in said_to(HERS, broker.name)
        serves(broker)
        broker.stop()


@test("a broker for admins lets the members of its group in, and no others", linux_only=LINUX)
def _():
    with Stranger(HIS) as stranger:
        settings = 'access = "admins";\naccess_group = "7777";\n'
        broker = Broker(settings=settings, name=os.path.join(stranger.folder, "admins.sock"))
        many = list(range(10000, 10200))
        assert "you" in said_to(HIS, broker.name, groups=[7777])
        assert "you" in said_to(HIS, broker.name, groups=many + [7777])
        assert "E_PERM" in said_to(HERS, broker.name, groups=many)
        assert "E_PERM" in said_to(HERS, broker.name)
        assert "you" in said_to(7777, broker.name), "whose own group it is"
        broker.stop()
        broker = Broker("--access", "admins", name=broker.name)
        assert said_to(HIS, broker.name, groups=[7777]) == "refused 13"
        broker.stop()


@test("a user whom the broker's user namespace does not know may nothing", linux_only=LINUX)
def _():
    with Stranger(HIS) as stranger:
        if subprocess.run(["unshare", "-Ur", "true"], stderr=subprocess.DEVNULL).returncode != 0:
            raise Skip("no user namespaces here")
        broker = Broker(
            *("--access", "local-users"),
            name=os.path.join(stranger.folder, "space.sock"),
            words=["unshare", "-Ur", *PANPIPED],
        )
        assert broker.run("ping", "-n", "1", "--timeout", "30s").code == 0  # it listens
        assert "E_PERM uid 65534" in said_to(HIS, broker.name)
        serves(broker)  # root inside is root outside
        assert "you" in said_to(0, broker.name)
        broker.process.terminate()
        assert broker.process.wait(PATIENCE_S) == 0


@test("what access comes to can be printed, and wrong access is wrong use")
def _():
    def printed(*arguments):
        done = server("--print-access", *arguments)
        assert done.code == 0, done
        return done.out.decode().strip()

    if ON_WINE:
        for access in ("same-user", "local-users", "admins"):
            text = printed("--access", access)
            assert text.startswith(access + " O:"), text
            for part in ("D:P", ";;;NU)", ";;;AN)", ";;;SY)"):
                assert part in text, text
        assert ";;;AU)" in printed("--access", "local-users")
        assert ";;;AU)" in printed("--system")
        assert ";;;BA)" in printed("--access", "admins")
        assert ";;;AU)" not in printed()
    else:
        me = os.getuid()
        assert printed().startswith("same-user mode=0600 uids=0")
        assert printed("--system") == "local-users mode=0666 uids=all"
        assert printed("--system", "--access", "same-user").startswith("same-user mode=0600")
        both = printed("--access", "service-and-user", "--access-user", "4321")
        assert both == f"service-and-user mode=0666 uids=0,{me},4321".replace("0,0", "0"), both
        assert printed("--access", "admins", "--access-group", "77").endswith(" gid=77")
    for wrong in (
        ["--access", "everybody"],
        ["--access", "service-and-user"],
        ["--access-user", "4321"],
        ["--access-group", "77"],
        ["--access", "service-and-user", "--access-user", "no such user"],
    ):
        done = server("--print-access", *wrong)
        assert done.code == 2 and not done.out, (wrong, done)


@test("a name that would lead to another machine is none")
def _():
    for name in (r"\\127.0.0.1\pipe\panpipe", r"\\host\pipe\x", r"..\x", "a\\b"):
        done = client("-b", name, "ping", "-n", "1")
        assert done.code == 2, (name, done)
        assert server("-b", name).code == 2, name


# --- squatters -----------------------------------------------------------------------------------


def squatted_runtime(stranger, prepare):
    """A runtime folder of ours in which prepare has readied the folder "panpipe"."""
    runtime = os.path.join(stranger.folder, unique("run"))
    os.mkdir(runtime, 0o755)
    prepare(os.path.join(runtime, "panpipe"))
    return runtime


@test("in a folder of another user's, or open to others, nobody serves and nobody talks", LINUX)
def _():
    def his_own(place):
        os.mkdir(place, 0o755)
        os.chown(place, HIS, HIS)

    def open_to_all(place):
        os.mkdir(place)
        os.chmod(place, 0o777)

    def open_to_a_group(place):
        os.mkdir(place)
        os.chown(place, 0, HIS)
        os.chmod(place, 0o775)

    def sticky(place):
        os.mkdir(place)
        os.chmod(place, 0o1777)

    def a_link(place):
        his_own(place + "-his")
        os.symlink(place + "-his", place)

    def a_link_to_ours(place):
        os.mkdir(place + "-ours", 0o700)
        os.symlink(place + "-ours", place)

    for prepare in (his_own, open_to_all, open_to_a_group, sticky, a_link, a_link_to_ours):
        with Stranger(HIS) as stranger:
            runtime = squatted_runtime(stranger, prepare)
            expect_distrust(server("-b", "x", runtime=runtime), "panpipe")
            assert not os.path.exists(os.path.join(runtime, "panpipe", "x.sock")), prepare
            if prepare == a_link_to_ours:
                expect_distrust(client("-b", "x", "ping", "-n", "1", runtime=runtime), "panpipe")
                continue
            with squatter(os.path.join(runtime, "panpipe", "x.sock")) as other:
                expect_distrust(client("-b", "x", "ping", "-n", "1", runtime=runtime), "panpipe")
                expect_distrust(client("-b", "x", "pub", "a", "secret", runtime=runtime), "panpipe")
                # he would have told it before this connection of ours
                with socket.socket(socket.AF_UNIX) as end:
                    end.connect(os.path.join(runtime, "panpipe", "x.sock"))
                    end.sendall(b"now")
                    assert other.hear() == "heard 3", prepare


@test("without a runtime folder the one in /tmp is no trap", linux_only=LINUX)
def _():
    with Stranger(HERS) as stranger:
        place = f"/tmp/panpipe-{HERS}"
        words = ["env", "-u", "XDG_RUNTIME_DIR"]
        shutil.rmtree(place, ignore_errors=True)
        os.mkdir(place, 0o755)
        os.chown(place, HIS, HIS)
        try:
            done = end_of(start(words + stranger.panpiped + ["-b", "x"]))
            expect_distrust(done, place)
            with squatter(place + "/x.sock") as other:
                done = end_of(start(words + stranger.panpipe + ["-b", "x", "pub", "a", "secret"]))
                expect_distrust(done, place)
                with socket.socket(socket.AF_UNIX) as end:
                    end.connect(place + "/x.sock")
                    end.sendall(b"now")
                    assert other.hear() == "heard 3"
            shutil.rmtree(place)
            os.symlink(stranger.folder, place)
            expect_distrust(end_of(start(words + stranger.panpiped + ["-b", "x"])), place)
        finally:
            os.unlink(place) if os.path.islink(place) else shutil.rmtree(place)


@test("another user's server at a full path gets no byte, and is not replaced", linux_only=LINUX)
def _():
    for mode in (0o1777, 0o777, 0o755):
        with Stranger(HIS) as stranger:
            place = os.path.join(stranger.folder, "open")
            os.mkdir(place)
            os.chown(place, 0 if mode & 0o002 else HIS, 0)
            os.chmod(place, mode)
            name = os.path.join(place, "x.sock")
            with squatter(name) as other:
                done = server("-b", name)
                assert done.code == 1 and "not ours" in done.err, done
                assert other.hear() == "heard 0", "it only looked who is there"
                expect_distrust(client("-b", name, "pub", "a", "secret"), name)
                if mode == 0o755:  # only the connection itself tells whose the server is
                    assert other.hear() == "heard 0"
                with socket.socket(socket.AF_UNIX) as end:
                    end.connect(name)
                    end.sendall(b"now")
                    assert other.hear() == "heard 3", mode


@test("a link of another user's to a server of ours is not followed", linux_only=LINUX)
def _():
    with Stranger(HIS) as stranger:
        ours = Broker(name=os.path.join(stranger.folder, "ours.sock"))
        place = os.path.join(stranger.folder, "open")
        os.mkdir(place)
        os.chmod(place, 0o1777)
        os.symlink(ours.name, os.path.join(place, "x.sock"))
        os.chown(os.path.join(place, "x.sock"), HIS, HIS, follow_symlinks=False)
        done = client("-b", os.path.join(place, "x.sock"), "pub", "a", "for somebody else")
        expect_distrust(done, "x.sock")
        done = server("-b", os.path.join(place, "x.sock"))
        assert done.code == 1 and "is not a socket" in done.err, done
        serves(ours)
        ours.stop()


@test("what lies at the socket's place and is no socket stays, and is named", linux_only=LINUX)
def _():
    for make in (
        lambda place: open(place, "w").close(),
        lambda place: os.mkdir(place),
        lambda place: os.mkfifo(place),
        lambda place: os.symlink("/etc/passwd", place),
        lambda place: os.symlink("/no/such/place", place),
    ):
        place = path("thing")
        make(place)
        before = os.lstat(place)
        done = server("-b", place)
        assert done.code == 1 and place in done.err and "not a socket" in done.err, done
        assert os.lstat(place).st_ino == before.st_ino
        assert not os.path.exists(place + ".lock"), "and no lock is left beside it"


@test("a lock file that another could hold, or that is another file of ours, is none", LINUX)
def _():
    with Stranger(HIS) as stranger:
        precious = os.path.join(stranger.folder, "precious")

        def a_link(lock):
            os.symlink(precious, lock)

        def a_hard_link(lock):
            os.link(precious, lock)

        def his_own(lock):
            open(lock, "w").close()
            os.chown(lock, HIS, HIS)

        def open_to_all(lock):
            open(lock, "w").close()
            os.chmod(lock, 0o666)

        for prepare in (a_link, a_hard_link, his_own, open_to_all):
            with open(precious, "wb"):
                pass
            name = os.path.join(stranger.folder, unique("x") + ".sock")
            prepare(name + ".lock")
            expect_distrust(server("-b", name), name + ".lock")
            assert os.stat(precious).st_size == 0 and not os.path.exists(name), prepare
            os.unlink(precious)


@test("whoever holds the lock serves; a socket that a killed one left is replaced at once", LINUX)
def _():
    broker = Broker()
    done = server("-b", broker.name)
    assert done.code == 1 and f"served by process {broker.process.pid}" in done.err, done
    took_s = []
    for _ in range(3):
        broker.process.kill()
        broker.process.wait()
        assert os.path.exists(broker.socket())
        begin = time.monotonic()
        broker = Broker(name=broker.name)
        took_s.append(time.monotonic() - begin)
    assert min(took_s) < 1, ("a restart waits for nothing", took_s)
    serves(broker)
    broker.stop()


@test("a client goes back to the server that it expects, and to no other one", linux_only=LINUX)
def _():
    with Stranger(HIS) as stranger:
        name = os.path.join(stranger.folder, "his.sock")
        os.chown(stranger.folder, HIS, HIS)
        his = start(stranger.panpiped + ["-b", name, "--access", "local-users"])
        eventually(lambda: os.path.exists(name), "he serves")
        expect_distrust(client("-b", name, "ping", "-n", "1"), "another user's program")
        his.terminate()
        assert his.wait(PATIENCE_S) == 0


# --- what comes in -------------------------------------------------------------------------------


@test("a thousand clients that began a message hold nobody up", linux_only=LINUX)
def _():
    broker = Broker()
    serves(broker)
    memory, before = memory_kib(broker), handles(broker)
    half = [connect(broker) for _ in range(1000)]
    for end in half:
        end.sendall(b"\x93\x02\xa1")
    eventually(lambda: handles(broker) > 1000, "all are accepted")
    serves(broker)
    assert memory_kib(broker) - memory < 1000 * 16, (memory, memory_kib(broker))
    for end in half:
        end.close()
    eventually(lambda: handles(broker) <= before, "their handles are closed")
    broker.stop()


@test("lengths of four thousand million end the connection and take no memory", linux_only=LINUX)
def _():
    broker = Broker()
    serves(broker)
    memory = memory_kib(broker)
    for kind in (b"\xc6", b"\xc9", b"\xdb", b"\xdd", b"\xdf"):  # bin, ext, str, array, map
        for begin in (b"", b"\x93\x02\xa1a\x91", b"\x94\x00\x01\xa1a\x91"):
            for _ in range(20):
                with connect(broker) as end:
                    end.sendall(begin + kind + b"\xff\xff\xff\xff")
                    hear_all(end)  # nothing, or words; then it is over
    assert memory_kib(broker) - memory < 1024, (memory, memory_kib(broker))
    serves(broker)
    broker.stop()


@test("nobody can pass a descriptor to the broker", linux_only=LINUX)
def _():
    broker = Broker()
    serves(broker)
    before = handles(broker)
    read_end, write_end = os.pipe()
    passed = array.array("i", [write_end])
    refused = 0
    with connect(broker) as end:
        for _ in range(50):
            try:
                end.sendmsg(
                    [msgpack.packb([2, "a", []])],
                    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)],
                )
            except PermissionError:
                refused += 1
        end.sendall(msgpack.packb([0, 1, "$ping", []]))
        assert end.recv(100) == msgpack.packb([1, 1, None, None])
        assert handles(broker) <= before + 1, "it has none of them"
        os.close(write_end)
        assert os.read(read_end, 1) == b"", "and nobody else keeps the pipe"
    os.close(read_end)
    if tuple(int(n) for n in re.findall(r"\d+", os.uname().release)[:2]) >= (6, 16):
        assert refused == 50, refused
    broker.stop()


@test("a program that is started inherits no pipe", linux_only=LINUX)
def _():
    broker = Broker()
    with connect(broker):
        serves(broker)
        for number, (name, flags) in descriptors(broker.process.pid).items():
            assert number <= 2 or flags & os.O_CLOEXEC, (number, name)
        serve = broker.ready("serve", "look", "--exec", "ls -l /proc/self/fd", "-n", "1")
        done = broker.run("req", "look", "x")
        assert done.code == 0, done
        for kind in ("socket:", "anon_inode", "panpipe"):
            assert kind not in done.out.decode(), done
        assert end_of(serve).code == 0
    broker.stop()


# --- who is there --------------------------------------------------------------------------------


@test("each end can be told who is at the other: user, process, program")
def _():
    broker = Broker()
    serve = broker.ready("serve", "a", "--echo")

    def only_two():  # who asked before may not have left
        found = clients_of(broker)
        return found if len(found) == 2 else None

    listed = [one["who"] for one in eventually(only_two, "the service and who asks")]
    for who in listed:
        assert "sid" in who if ON_WINE else who["uid"] == os.getuid(), who
        assert os.path.basename(PANPIPE[-1]) in who["exe"], who
    assert ON_WINE or serve.pid in [who["pid"] for who in listed]
    table = broker.run("ls", "clients").out.decode().splitlines()
    assert "USER" in table[0] and "EXE" in table[0] and "panpipe" in table[1], table
    serve.kill()
    broker.stop()


@test("sub --meta says who sent each message, in words and as JSON")
def _():
    broker = Broker()
    words = broker.ready("sub", "a.>", "-n", "2", "--meta", "--subject")
    objects = broker.ready("sub", "a.>", "-n", "2", "--meta", "--json")
    plain = broker.ready("sub", "a.>", "-n", "2", "--json")
    pubs = [broker.start("pub", "a.b", body) for body in ("one", "two")]
    for pub in pubs:
        assert end_of(pub).code == 0
    lines = end_of(words).out.decode().splitlines()
    for line in lines:
        who, subject, body = line.split("\t")
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z panpipe-pub\[\d+\] (uid \d+|sid S-[-\d]+)", who
        ), line
        assert subject == "a.b" and body in ("one", "two"), line
    for line in end_of(objects).out.splitlines():
        meta = json.loads(line)["meta"]
        assert meta["name"] == "panpipe-pub" and meta["from"] > 0, meta
        assert ON_WINE or meta["pid"] in [pub.pid for pub in pubs], meta
    assert all("meta" not in json.loads(line) for line in end_of(plain).out.splitlines())
    broker.stop()


@test("a process that has the number of one that is gone is not mistaken for it", linux_only=LINUX)
def _():
    if os.getuid() != 0 or not os.access("/proc/sys/kernel/ns_last_pid", os.W_OK):
        raise Skip("only root can choose the number of a process")
    broker = Broker()
    read_end, write_end = os.pipe()
    gone = os.fork()
    if gone == 0:  # connects, leaves its end to a child, and is gone
        end = connect(broker)
        end.sendall(msgpack.packb([0, 1, "$ping", []]))
        end.recv(100)
        heir = os.fork()
        if heir != 0:
            os.write(write_end, struct.pack("i", heir))
            os._exit(0)
        time.sleep(PATIENCE_S)
        os._exit(0)
    os.waitpid(gone, 0)
    heir = struct.unpack("i", os.read(read_end, 4))[0]
    try:
        impostor = None
        for _ in range(200):
            with open("/proc/sys/kernel/ns_last_pid", "w") as last:
                fcntl.flock(last, fcntl.LOCK_EX)
                last.write(str(gone - 1))
            impostor = start(["sleep", str(PATIENCE_S)])
            if impostor.pid == gone:
                break
            impostor.kill()
            impostor.wait()
        if impostor.pid != gone:
            raise Skip("others start processes all the time")
        assert who_is(broker, gone)["exe"] == os.readlink("/proc/self/exe"), who_is(broker, gone)
        impostor.kill()
    finally:
        os.kill(heir, 9)
        os.close(read_end)
        os.close(write_end)
    broker.stop()


if __name__ == "__main__":
    assert folder
    run_tests()
