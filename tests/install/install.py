#!/usr/bin/python3
"""tests/install/install.py [BUILD [TOOLCHAIN]]: what `cmake --install` puts in place is complete,
says nothing of this machine, works after it was moved, and builds programs in each way there is.

BUILD is the build folder, build by default. With a toolchain file it is a build for Windows, whose
programs run under Wine.
"""

import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(os.path.dirname(os.path.abspath(__file__)) + "/../..")
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
TOOLCHAIN = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
EXE = "" if TOOLCHAIN is None else ".exe"
LIMIT_BYTES = 150 * 1024
scratch = tempfile.mkdtemp(prefix="panpipe-install-")
tree = os.path.join(scratch, "moved", "panpipe")
del sys.argv[1:]


def run(*words, **options):
    """Runs a program that must succeed; what it printed."""
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, **options
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}"
    return done.stdout


def install():
    first = os.path.join(scratch, "first")
    run("cmake", "--install", BUILD, "--prefix", first)
    os.makedirs(os.path.dirname(tree))
    os.rename(first, tree)
    words = "" if TOOLCHAIN is None else "wine "
    for program in ("panpiped", "panpipe"):
        os.environ[program.upper()] = words + os.path.join(tree, "bin", program + EXE)
    if TOOLCHAIN is not None:
        os.environ["PANPIPE_ON_WINE"] = "1"


install()
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
from support import Broker, not_begun, run_tests, test  # noqa: E402, of the installed programs

LINUX = "on Windows the libraries are static"
libraries = os.path.join(tree, "lib")
cross = "x86_64-w64-mingw32-"
cc, cxx = ("cc", "c++") if TOOLCHAIN is None else (cross + "gcc-posix", cross + "g++-posix")
COMPILERS = {"c": [cc, "-std=c11"], "cpp": [cxx, "-std=c++11", "-x", "c++"]}


def library(name):
    return os.path.join(libraries, name)


def source(name):
    return os.path.join(ROOT, "tests", "install", name + ".c")


def listed(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return sorted(line.strip() for line in file if not line.startswith("#"))


def exported(path):
    """name: version, of what a shared library exports."""
    names = re.findall(r" [TDBRVW] (\w+)@@(\S+)", run("nm", "-D", "--defined-only", path))
    return dict(names)


def globals_of(path):
    """The names that a static library adds to a program; not the compiler's own."""
    names = set(re.findall(r" [TDBRVWC] (\w+)", run("nm", "-g", "--defined-only", path)))
    return sorted(name for name in names if not name.startswith("__"))


def declared(*headers):
    """The functions that public headers declare."""
    names = set()
    for header in headers:
        with open(header, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
        text = text.replace('extern "C" {', "")
        text = re.sub(r"\{[^{}]*\}", "", text)  # with fields that are functions
        names.update(re.findall(r"^(?!typedef|#|static|\s)[\w *]*?\b(pp_\w+)\(", text, flags=re.M))
    return sorted(names)


def runs(program, **options):
    words = ["wine", program] if TOOLCHAIN is not None else [program]
    done = subprocess.run(words, capture_output=True, timeout=100, **options)
    if not_begun(done.returncode, done.stdout or done.stderr):
        done = subprocess.run(words, capture_output=True, timeout=100, **options)
    assert done.returncode == 0, done


def runs_with_a_broker(program, **environment):
    broker = Broker()
    runs(program, env={**os.environ, "PANPIPE": broker.name, **environment})
    broker.stop()


# --- what is there -------------------------------------------------------------------------------


@test("the tree has headers, libraries, programs and what finds them")
def _():
    headers = os.path.join(ROOT, "client-lib/include/panpipe/*.h")
    wanted = {"include/panpipe/" + os.path.basename(header) for header in glob.glob(headers)}
    names = "panpipe", "panpipe-broker", "panpipe-file"
    wanted |= {f"lib/lib{name}.a" for name in names}
    wanted |= {f"lib/pkgconfig/{name}.pc" for name in names}
    wanted |= {"lib/cmake/panpipe/panpipe-config.cmake"}
    if TOOLCHAIN is None:
        wanted |= {f"lib/lib{name}.so.0" for name in names} | {"bin/panpiped"}
        wanted |= {"share/bash-completion/completions/panpipe"}
        wanted |= {"share/zsh/site-functions/_panpipe"}
        wanted |= {"share/fish/vendor_completions.d/panpipe.fish"}
        wanted |= {f"share/man/man1/panpipe{page}.1" for page in ("", "-pub", "-ls", "-help")}
    else:
        wanted |= {"bin/panpiped.exe", "bin/panpipe.exe"}
    missing = [path for path in sorted(wanted) if not os.path.exists(os.path.join(tree, path))]
    assert missing == [], missing


@test("no file of it names a folder of this machine")
def _():
    places = [scratch, ROOT, BUILD, "/usr"]
    for folder, _, names in os.walk(tree):
        for name in names:
            with open(os.path.join(folder, name), "rb") as file:
                data = file.read()
            text = name.endswith((".pc", ".cmake", ".h"))
            found = [place for place in places[: 4 if text else 3] if place.encode() in data]
            assert found == [], (name, found)


@test("libpanpipe.so exports what its lists say, and its neighbours' share only to its own version",
      LINUX)
def _():
    symbols = exported(library("libpanpipe.so"))
    version = re.search(r"Version: (.*)", run("cat", library("pkgconfig/panpipe.pc")))[1]
    public = sorted(name for name, node in symbols.items() if node == "PANPIPE_0")
    private = sorted(name for name, node in symbols.items() if node == f"PANPIPE_PRIVATE_{version}")
    assert public == listed("client-lib/panpipe.symbols"), public
    assert private == listed("client-lib/panpipe-private.symbols"), private
    assert sorted(public + private) == sorted(symbols), symbols
    neighbours = library("libpanpipe-broker.so"), library("libpanpipe-file.so")
    undefined = "".join(run("nm", "-D", "--undefined-only", path) for path in neighbours)
    assert sorted(set(re.findall(r" U (ppi_\w+)", undefined))) == private, "more than they use"


@test("the lists are the functions of the headers")
def _():
    headers = glob.glob(os.path.join(tree, "include/panpipe/*.h"))
    broker = [header for header in headers if header.endswith("/broker.h")]
    file = [header for header in headers if header.endswith("/file.h")]
    others = [header for header in headers if header not in broker + file]
    for found, path in (
        (declared(*others), "client-lib/panpipe.symbols"),
        (declared(*broker), "broker/panpipe-broker.symbols"),
        (declared(*file), "client-lib/panpipe-file.symbols"),
    ):
        assert found == listed(path), (path, set(found) ^ set(listed(path)))


@test("libpanpipe-broker and -file export the functions of their headers and nothing else", LINUX)
def _():
    for name, path in ("broker", "broker/panpipe-broker"), ("file", "client-lib/panpipe-file"):
        symbols = exported(library(f"libpanpipe-{name}.so"))
        assert sorted(symbols) == listed(path + ".symbols"), symbols


@test("the static libraries add no name to a program that could be its own")
def _():
    names = globals_of(library("libpanpipe.a")) + globals_of(library("libpanpipe-file.a"))
    strangers = [name for name in names if not name.startswith(("pp_", "ppi_"))]
    assert strangers == [], strangers
    names = globals_of(library("libpanpipe-broker.a"))
    assert names == listed("broker/panpipe-broker.symbols"), names


@test("the shared libraries have a soname and need little", LINUX)
def _():
    system = "libc|ld-linux"
    for name, allowed in (
        ("libpanpipe.so", system),
        ("libpanpipe-broker.so", "libpanpipe|libconfig|libmsgpack|" + system),
        ("libpanpipe-file.so", "libpanpipe|" + system),
    ):
        dynamic = run("readelf", "-d", library(name))
        assert re.search(r"SONAME.*\[" + name + r"\.0\]", dynamic), dynamic
        for needed in re.findall(r"NEEDED.*\[(.*)\]", dynamic):
            assert re.match(f"({allowed})", needed), needed


@test("libpanpipe.so has at most 150 KiB, stripped", LINUX)
def _():
    stripped = os.path.join(scratch, "stripped.so")
    run("strip", "-o", stripped, library("libpanpipe.so"))
    size = os.path.getsize(stripped)
    print(f"# libpanpipe.so, stripped: {size} bytes of {LIMIT_BYTES}", flush=True)
    assert size <= LIMIT_BYTES, size


@test("a static libpanpipe needs nothing of msgpack-c")
def _():
    assert "msgpack_" not in run("nm", "-u", library("libpanpipe.a"))


# --- programs ------------------------------------------------------------------------------------


@test("the installed programs know their version")
def _():
    broker = Broker()
    assert broker.run("--version").out.startswith(b"panpipe 0."), "no version"
    broker.stop()


def pkgconfig(package, *options):
    folder = os.path.join(libraries, "pkgconfig")
    flags = run("pkg-config", *options, "--cflags", "--libs", package,
                env={**os.environ, "PKG_CONFIG_LIBDIR": folder})
    return shlex.split(flags)


def compile_with(language, name, flags):
    program = os.path.join(scratch, f"{name}_{language}_{len(os.listdir(scratch))}.exe")
    words = [*COMPILERS[language], "-Wall", "-Wextra", "-Werror", source(name)]
    end = ["-x", "none"] if language == "cpp" else []
    run(*words, *end, "-o", program, *flags)
    return program


def system_libraries():
    """Where the static broker finds what it needs, in a build for Windows."""
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as file:
        found = re.search(r"^LIBCONFIG_LIBRARY:\w+=(.*)/[^/]*$", file.read(), flags=re.M)
    return ["-L" + found[1]] if TOOLCHAIN is not None else []


def with_pkgconfig(language, static):
    options, link = (["--static"], ["-static"]) if static else ([], [])
    find = {} if static else {"LD_LIBRARY_PATH": libraries}
    client = compile_with(language, "ten_lines", [*link, *pkgconfig("panpipe", *options)])
    runs_with_a_broker(client, **find)
    flags = [*link, *system_libraries(), *pkgconfig("panpipe-broker", *options)]
    runs(compile_with(language, "embeds", flags), env={**os.environ, **find})
    flags = [*link, *pkgconfig("panpipe-file", *options)]
    runs(compile_with(language, "files", flags), env={**os.environ, **find}, cwd=scratch)


@test("C, pkg-config, shared", LINUX)
def _():
    with_pkgconfig("c", False)


@test("C, pkg-config --static")
def _():
    with_pkgconfig("c", True)


@test("C++, pkg-config, shared", LINUX)
def _():
    with_pkgconfig("cpp", False)


@test("C++, pkg-config --static")
def _():
    with_pkgconfig("cpp", True)


def built(sources, name, *options):
    """A project, built with CMake once; where."""
    folder = os.path.join(scratch, name)
    if not os.path.exists(folder):
        if TOOLCHAIN is not None:
            options = *options, f"-DCMAKE_TOOLCHAIN_FILE={TOOLCHAIN}"
        run("cmake", "-G", "Ninja", "-S", sources, "-B", folder, *options)
        run("cmake", "--build", folder)
    return folder


def user(name, *options):
    """The user's project."""
    return built(os.path.join(ROOT, "tests/install"), name, *options)


def project():
    """The same with what is installed; where its programs are."""
    return user("project", f"-Dpanpipe_DIR={libraries}/cmake/panpipe")


def with_libraries(folder, suffix):
    runs_with_a_broker(os.path.join(folder, "ten_lines_" + suffix + EXE))
    runs(os.path.join(folder, "files_" + suffix + EXE), cwd=scratch)


def with_cmake(suffix):
    with_libraries(project(), suffix)
    runs(os.path.join(project(), "embeds_" + suffix + EXE))


@test("C, CMake, shared where there is one")
def _():
    with_cmake("c")
    if TOOLCHAIN is None:
        needed = run("ldd", os.path.join(project(), "embeds_c"))
        assert f"libpanpipe.so.0 => {tree}/" in needed, needed
        assert "libpanpipe-broker.so.0" in needed, needed


@test("C, CMake, static")
def _():
    with_cmake("c_static")
    if TOOLCHAIN is None:
        assert "libpanpipe" not in run("ldd", os.path.join(project(), "embeds_c_static"))


@test("C++, CMake, shared where there is one")
def _():
    with_cmake("cpp")


@test("C++, CMake, static")
def _():
    with_cmake("cpp_static")


def needs_no_library_of_the_programs(folder):
    with open(os.path.join(folder, "CMakeCache.txt"), encoding="utf-8") as file:
        assert not re.search("^(LIBCONFIG|JANSSON|CMOCKA)_", file.read(), flags=re.M)


@test("a project that adds the folder has the libraries")
def _():
    folder = user("adds", f"-DPANPIPE_FOLDER={ROOT}")
    needs_no_library_of_the_programs(folder)
    with_libraries(folder, "c")
    with_libraries(folder, "cpp_static")


@test("with the programs it has the broker's, too")
def _():
    folder = user("adds_broker", f"-DPANPIPE_FOLDER={ROOT}", "-DPANPIPE_PROGRAMS=ON")
    runs(os.path.join(folder, "embeds_c" + EXE))
    runs(os.path.join(folder, "embeds_cpp_static" + EXE))


@test("the libraries can be built and installed without the programs")
def _():
    only = built(ROOT, "only", "-DPANPIPE_PROGRAMS=OFF", "-DCMAKE_BUILD_TYPE=Debug")
    needs_no_library_of_the_programs(only)
    there = os.path.join(scratch, "libraries")
    run("cmake", "--install", only, "--prefix", there)
    assert not os.path.exists(os.path.join(there, "bin")), os.listdir(there)
    folder = user("finds", f"-Dpanpipe_DIR={there}/lib/cmake/panpipe")
    with_libraries(folder, "c")
    with_libraries(folder, "c_static")


try:
    run_tests()
finally:
    shutil.rmtree(scratch, ignore_errors=True)
