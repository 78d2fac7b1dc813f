"""pynvim as a client of Panpipe: its session, which speaks MessagePack-RPC with anybody.

pynvim.attach() is for Neovim alone: it begins with two messages whose method is binary data, which
MessagePack-RPC does not have, and the broker closes. A session without them is as good:

    session = attach()
    session.request("svc.sum", 1, 2, 39)              # calls
    session.request("news", 42, async_=True)          # publishes
    session.request("$sub", "news.>")                 # then run(): see subscriber.py
    session.run(on_call, on_message, on_start)
"""

from pynvim.msgpack_rpc import AsyncSession, EventLoop, MsgpackStream, Session


def attach():
    """Through the program panpipe, which knows where the broker is; EventLoop("socket", PATH)
    goes straight to the socket."""
    loop = EventLoop("child", ["panpipe", "stdio"])
    session = Session(AsyncSession(MsgpackStream(loop)))
    session.error_wrapper = RuntimeError  # what request() raises, made of the error's text
    return session
