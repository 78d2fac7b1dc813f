#!/usr/bin/python3
"""The example copy_tree: trees of every shape arrive, checked by hashes; what goes wrong with one
file is told, and stops no other."""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess

from support import (
    ON_WINE,
    Skip,
    contents,
    end_of,
    eventually,
    example,
    native,
    path,
    run_tests,
    start,
    test,
)

BLOCK = 256 * 1024  # the example's
WANTED_FILES = 300 if ON_WINE else 2000
noise = random.Random(7)


def folder_with(files):
    """A folder with {name: bytes}; names may have folders in front."""
    folder = path("from")
    os.makedirs(folder)
    for name, data in files.items():
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    return folder


def tree(folder):
    """{name: hash} of a folder; of folders in it None."""
    found = {}
    for above, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.relpath(os.path.join(above, name), folder)] = None
        for name in files:
            whole = os.path.join(above, name)
            digest = hashlib.sha256(contents(whole)).hexdigest()
            found[os.path.relpath(whole, folder)] = digest
    return found


def begin(source, target, *options, **how):
    return start(example("copy_tree", *options, native(source), native(target)), **how)


def copy(source, target, *options, **how):
    """Copies, which must succeed, and compares."""
    done = end_of(begin(source, target, *options, **how))
    assert done.code == 0 and done.err == "", done
    assert tree(source) == tree(target)
    return done.out.decode().strip()


@test("files of every size arrive as they are, with one operation in flight and with many")
def _():
    sizes = 0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7, 20_000_000
    source = folder_with({f"of {size}": noise.randbytes(size) for size in sizes})
    for chains in "1", "3", "16", "1024":
        target = path("to")
        line = copy(source, target, "-k", chains)
        assert re.fullmatch(rf"{len(sizes)} files, 1 folders, {sum(sizes)} bytes: [\d.]+ s", line)
        shutil.rmtree(target)


@test("many small files, deep folders and empty ones arrive")
def _():
    many = {f"{i % 50}/{i % 7}/{i}": noise.randbytes(i % 3000) for i in range(WANTED_FILES)}
    many["/".join("deeper" for _ in range(25)) + "/end"] = b"here"
    source = folder_with(many)
    os.makedirs(os.path.join(source, "empty/emptier"))
    assert copy(source, path("to")).startswith(f"{WANTED_FILES + 1} files")
    empty = folder_with({})
    assert copy(empty, path("to")).startswith("0 files, 1 folders, 0 bytes")


@test("with few handles fewer files are copied at a time", "the limit of handles is Linux's here")
def _():
    source, target = folder_with({str(i): noise.randbytes(i) for i in range(100)}), path("to")
    words = example("copy_tree", "-k", "64", source, target)
    done = end_of(start(["prlimit", "--nofile=24", *words]))
    assert done.code == 0 and done.err == "" and tree(source) == tree(target), done


@test("a folder may be copied into itself, and names may be of any language")
def _():
    source = folder_with({"a": b"1", "b/c": b"2"})
    done = end_of(begin(source, os.path.join(source, "b/inner")))
    assert done.code == 0, done
    assert sorted(tree(os.path.join(source, "b/inner"))) == ["a", "b", "b/c"]
    if not ON_WINE or os.environ.get("LANG", "C") not in ("C", "POSIX"):
        copy(folder_with({"grüße/файл 文件": b"3"}), path("zu"))


def stopped(process):
    with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"


def cut_while_copied(size):
    """Copies a large file, which loses all it has meanwhile, and two small ones. What happened;
    None: the copy was faster."""
    source, target = folder_with({"a": b"1", "z": b"26"}), path("to")
    large, copied = os.path.join(source, "large"), os.path.join(target, "large")
    with open(large, "wb") as file:
        file.truncate(size)
    process = begin(source, target, "-k", "2")
    eventually(lambda: os.path.exists(copied) and os.path.getsize(copied) > 0, "it copies")
    process.send_signal(signal.SIGSTOP)
    eventually(lambda: stopped(process) or process.poll() is not None, "it stops")
    over = process.poll() is not None or os.path.getsize(copied) > size // 2
    os.truncate(large, 0)
    process.send_signal(signal.SIGCONT)
    done = end_of(process)
    small = contents(os.path.join(target, "a")) + contents(os.path.join(target, "z"))
    shutil.rmtree(target)
    return None if over else (done, small)


@test("a source that shrinks while it is copied is told; others are copied", "signals are Linux's")
def _():
    result = None
    for size in 64 << 20, 256 << 20, 1 << 30:
        result = result or cut_while_copied(size)
    assert result is not None, "too fast each time"
    done, small = result
    assert done.code == 1 and small == b"126", done
    assert "/large: it has shrunk while it was copied" in done.err, done
    assert done.out.startswith(b"2 files, 1 folders") and "1 failed" in done.err, done


@test("what may not be read is told; others are copied", "who may what is Linux's here")
def _():
    files = {"a": b"1", "secret": b"2", "in/b": b"3", "shut/c": b"4"}
    source, target, may_all = folder_with(files), path("to"), []
    os.chmod(os.path.join(source, "secret"), 0)
    os.chmod(os.path.join(source, "shut"), 0)
    if os.geteuid() == 0:  # who may everything, unless the program is told otherwise
        may_all = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        if subprocess.run([*may_all, "true"], capture_output=True).returncode:
            raise Skip("root may everything here")
    done = end_of(start([*may_all, *example("copy_tree", source, target)]))
    os.chmod(os.path.join(source, "shut"), 0o700)
    assert done.code == 1, done
    assert len(re.findall(r"/(?:secret|shut): PP_EACCESS", done.err)) == 2, done
    assert sorted(tree(target)) == ["a", "in", "in/b", "shut"], tree(target)


@test("a full disk is told", "the small disk is Linux's")
def _():
    target = path("disk")
    os.mkdir(target)
    source = folder_with({"0/small": b"1", "large": noise.randbytes(4_000_000), "small": b"2"})
    words = example("copy_tree", source, os.path.join(target, "to"))
    script = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'
    in_space = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    mount = [*in_space, 'mount -t tmpfs none "$0"', target]
    if subprocess.run(mount, capture_output=True).returncode:
        raise Skip("no disk may be mounted here")
    done = end_of(start([*in_space, script, target, *words]))
    failed = len(re.findall(r": PP_EFULL: no room", done.err))  # others, if large was first
    assert done.code == 1 and "/large: PP_EFULL" in done.err, done
    assert done.out.startswith(b"%d files" % (3 - failed)), done


@test("nothing is overwritten, not even by a copy to where it came from")
def _():
    source, target = folder_with({"a": b"new", "b": b"2"}), folder_with({"a": b"old"})
    done = end_of(begin(source, target))
    assert done.code == 1 and "/a: PP_EINUSE" in done.err, done
    assert contents(os.path.join(target, "a")) == b"old"
    assert contents(os.path.join(target, "b")) == b"2"
    before = tree(source)
    done = end_of(begin(source, source))
    assert done.code == 1 and "2 failed" in done.err and tree(source) == before, done


@test("links are left out, and told", "links are Linux's here")
def _():
    source = folder_with({"a": b"1"})
    os.symlink("a", os.path.join(source, "link"))
    target = path("to")
    done = end_of(begin(source, target))
    assert done.code == 1 and "/link: left out: neither a file nor a folder" in done.err, done
    assert sorted(tree(target)) == ["a"]


@test("who asks wrongly is told how to ask")
def _():
    for words in [], ["a"], ["-k", "0", "a", "b"], ["-k", "9999", "a", "b"], ["a", "b", "c"]:
        done = end_of(start(example("copy_tree", *words)))
        assert done.code == 2 and done.err.startswith("usage: copy_tree"), done
    done = end_of(begin(path("nowhere"), path("to")))
    assert done.code == 1 and "PP_ENOTFOUND" in done.err, done


@test("a terminal sees how far it is", "terminals are Linux's here")
def _():
    import pty

    source = folder_with({str(i): noise.randbytes(100_000) for i in range(50)})
    ours, theirs = pty.openpty()
    process = begin(source, path("to"), stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert end_of(process).code == 0
    assert re.search(rb"\r\[[#.]{24}\] \d+ of 50 files, [\d.]+ MB ", seen), seen
    assert seen.endswith(b"\r\x1b[K"), seen  # and nothing of it is left


run_tests()
