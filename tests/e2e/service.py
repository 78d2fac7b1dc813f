#!/usr/bin/python3
"""The broker as a Windows service: what `panpiped service` does, under Wine. On Linux it says what
to do instead. See support.py for where the programs come from."""

import os

from support import (
    ON_WINE,
    PANPIPE,
    PANPIPED,
    Skip,
    end_of,
    file_with,
    native,
    path,
    run_tests,
    start,
    test,
    unique,
)


def service(*arguments):
    return end_of(start(PANPIPED + ["service", *arguments]))


def well(done):
    assert done.code == 0 and not done.err, done


def ping(name, *options):
    return end_of(start(PANPIPE + ["-b", name, "--system", *options, "ping", "-n", "1"])).code


def windows_only():
    if not ON_WINE:
        raise Skip("there is no service manager of Windows here")


@test("wrong use is refused before anything is installed: exit code 2")
def _():
    for arguments, words in (
        ([], "say install"),
        (["remove"], "say install"),
        (["start", "--workers", "2"], "for install"),
        (["install", "--name="], "--name"),
        (["install", "--confg", "x"], "unknown option"),
        (["install", "--workers", "many"], "--workers is a number"),
        (["install", "--config", native(path("nowhere"))], "cannot be read"),
    ):
        done = service(*arguments)
        assert done.code == 2 and words in done.err, (arguments, done)
    assert service("--help").out.startswith(b"usage: panpiped service install")


@test("on Linux it names systemd's units: exit code 2", linux_only="it is another system's answer")
def _():
    for verb in ("install", "uninstall", "start", "stop"):
        done = service(verb)
        assert done.code == 2 and "systemctl --user enable --now panpiped.socket" in done.err, done
    assert end_of(start(PANPIPED + ["--service", "x"])).code == 2


@test("a service is installed, started, used, stopped, started again and removed")
def _():
    windows_only()
    name = unique("service")
    well(service("install", "--name", name, "-b", name, "--workers", "1"))
    try:
        assert ping(name, "--timeout", "100ms") == 3
        for _ in range(2):
            well(service("start", "--name", name))
            assert ping(name, "--timeout", "30s") == 0
            well(service("start", "--name", name))  # it runs already
            well(service("stop", "--name", name))
            assert ping(name, "--timeout", "100ms") == 3
            well(service("stop", "--name", name))
        well(service("start", "--name", name))
    finally:
        well(service("uninstall", "--name", name))
    assert ping(name, "--timeout", "100ms") == 3
    done = service("start", "--name", name)
    assert done.code == 1 and "there is no service " + name in done.err, done


@test("panpipe stop ends a service, too, and the service manager knows")
def _():
    windows_only()
    name = unique("service")
    well(service("install", "--name", name, "-b", name))
    try:
        well(service("start", "--name", name))
        assert end_of(start(PANPIPE + ["-b", name, "--system", "stop"])).code == 0
        well(service("stop", "--name", name))
        well(service("start", "--name", name))
    finally:
        well(service("uninstall", "--name", name))


@test("a service is installed once; one that is not there is named")
def _():
    windows_only()
    name = unique("service")
    well(service("install", "--name", name, "-b", name))
    done = service("install", "--name", name)
    assert done.code == 1 and "already" in done.err and "uninstall" in done.err, done
    well(service("uninstall", "--name", name))
    for verb in ("start", "stop", "uninstall"):
        done = service(verb, "--name", name)
        assert done.code == 1 and "panpiped service install makes it" in done.err, done


@test("a service that cannot run says so when it is started")
def _():
    windows_only()
    name = unique("service")
    settings = path("settings")
    with open(settings, "wb") as file:
        file.write(b"workers = 1;\n")
    well(service("install", "--name", name, "-b", name, "--config", native(settings)))
    try:
        os.unlink(settings)
        done = service("start", "--name", name)
        assert done.code == 1 and "ended at once" in done.err and "exit code 2" in done.err, done
    finally:
        well(service("uninstall", "--name", name))


@test("--service by hand is refused in words")
def _():
    windows_only()
    done = end_of(start(PANPIPED + ["--service", "x"]))
    assert done.code == 2 and "panpiped service start" in done.err, done


@test("settings of a service are its file's, by its whole path")
def _():
    settings = os.path.relpath(file_with(b"workers = 1;\n"))
    done = service("install", "--config", settings)
    assert done.code == 2 and "whole path" in done.err, done


run_tests()
