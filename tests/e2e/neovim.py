#!/usr/bin/python3
"""A stock Neovim as a client: it speaks MessagePack-RPC itself, and nothing else is needed.

    :let bus = sockconnect('pipe', '/run/user/1000/panpipe/default.sock', {'rpc': 1})
    :echo rpcrequest(bus, 'sum', 1, 2)            calls the service "sum"
    :call rpcnotify(bus, 'news', 'text')          publishes
    :call rpcrequest(bus, '$serve', 'nvim_eval')  lets others call Neovim's API function nvim_eval
    :call rpcrequest(bus, '$sub', 'nvim_set_var') runs it for each message that is published
"""

import json
import os
import shutil

from support import Broker, Skip, end_of, eventually, path, run_tests, start, test

WHY = "Neovim is the system's own"


def neovim(broker, *lines):
    """Starts Neovim on the bus and runs lines of Vimscript; returns it when they are done."""
    if shutil.which("nvim") is None:
        raise Skip("there is no Neovim here")
    script, done, errors = path("script"), path("done"), path("errors")
    with open(script, "w", encoding="utf-8") as file:
        file.write(f"let bus = sockconnect('pipe', '{broker.socket()}', {{'rpc': 1}})\n")
        file.write("\n".join(lines))
        file.write(f"\ncall writefile([v:errmsg], '{errors}')\ncall rename('{errors}', '{done}')\n")
    home = path("home")
    process = start(
        ["nvim", "--headless", "--clean", "-S", script], env={**os.environ, "HOME": home}
    )
    eventually(lambda: os.path.exists(done) or process.poll() is not None, "the script has run")
    with open(done, encoding="utf-8") as file:
        assert file.read() == "\n", end_of(process)
    return process


@test("Neovim calls a service", WHY)
def _():
    broker = Broker()
    broker.ready("serve", "echo", "--echo")
    result = path("result")
    neovim(broker, f"call writefile([rpcrequest(bus, 'echo', 'hällo')], '{result}')").kill()
    with open(result, encoding="utf-8") as file:
        assert file.read() == "hällo\n"
    broker.stop()


@test("Neovim is called, and its errors come back", WHY)
def _():
    broker = Broker()
    process = neovim(broker, "call rpcrequest(bus, '$serve', 'nvim_eval')")
    for _ in range(3):
        assert broker.run("req", "nvim_eval", "6 * 7").out == b"42\n"
    done = broker.run("req", "nvim_eval", "6 *")
    assert done.code != 0 and "E15" in done.err, done
    process.kill()
    broker.stop()


@test("Neovim publishes and receives, and does not talk to itself", WHY)
def _():
    broker = Broker()
    heard = broker.ready("sub", "from.neovim", "-n", "1")
    process = neovim(
        broker,
        "call rpcrequest(bus, '$serve', 'nvim_eval')",
        "call rpcrequest(bus, '$sub', 'nvim_set_var')",
        "call rpcrequest(bus, '$sub', 'nobody.knows.this')",
        "call rpcnotify(bus, 'from.neovim', 'hello')",
    )
    assert end_of(heard).out == b"hello\n"
    assert broker.run("pub", "nobody.knows.this", "text").code == 0  # it says so, as a message
    assert broker.run("pub", "nvim_set_var", "--in", "json", '["heard", "news"]').code == 0
    question = ("req", "nvim_eval", 'get(g:, "heard", "")')
    eventually(lambda: broker.run(*question).out == b"news\n", "the message has arrived")
    published = json.loads(broker.run("stats", "--json").out)["published"]
    assert published == 4, published  # its two, ours, and what it says to an unknown message
    process.kill()
    broker.stop()


run_tests()
