"""A client of Panpipe in one page, with nothing but the msgpack package. Copy it, change it.

    bus = Bus()
    bus.subscribe("news.>", print)
    bus.serve("svc.sum", lambda subject, *numbers: sum(numbers))
    print(bus.call("other.service", 1, "two"))
    bus.run()

Handlers get the subject and the params; they run inside call() and run(), and may call and close().
"""

import os
import socket
import subprocess

import msgpack


def path():
    """Where the broker's socket is: $PANPIPE is its name, or the path itself."""
    name = os.environ.get("PANPIPE") or "default"
    if "/" in name:
        return name
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if folder:
        return f"{folder}/panpipe/{name}.sock"
    folder = f"/tmp/panpipe-{os.geteuid()}"
    if os.lstat(folder).st_uid != os.geteuid():
        raise PermissionError(f"{folder} is somebody else's")
    return f"{folder}/{name}.sock"


def connect():
    """The two ends of a connection to the broker. Where there is no socket, which is always so on
    Windows, the program panpipe joins us to it."""
    try:
        broker = socket.socket(socket.AF_UNIX)
        broker.connect(path())
        return broker.makefile("rb"), broker.makefile("wb")
    except (AttributeError, FileNotFoundError, ConnectionRefusedError):
        pipe = subprocess.PIPE
        panpipe = subprocess.Popen(["panpipe", "stdio"], stdin=pipe, stdout=pipe)
        return panpipe.stdout, panpipe.stdin


class Bus:
    def __init__(self):
        self.input, self.output = connect()
        self.unpacker = msgpack.Unpacker()
        self.handlers = {}  # by the id that the broker gave
        self.answers = {}  # by the call's number
        self.last = 0

    def publish(self, subject, *params):
        self._send(2, subject, params)

    def call(self, subject, *params):
        self.last = number = self.last + 1
        self._send(0, number, subject, params)
        while number not in self.answers:
            self._handle(*self._next())
        error, result = self.answers.pop(number)
        if error is not None:
            raise RuntimeError(error)
        return result

    def subscribe(self, pattern, handler):
        self.handlers[self.call("$sub", pattern, {"form": "rich"})] = handler

    def serve(self, pattern, handler):
        self.handlers[self.call("$serve", pattern, {"form": "rich"})] = handler

    def run(self):
        while not self.output.closed:
            self._handle(*self._next())

    def close(self):
        """Leaves in good order: what was asked of it is answered, and no call comes any more."""
        for number in list(self.handlers):
            self.call("$unsub", number)
        self.output.close()

    def _send(self, *message):
        self.output.write(msgpack.packb(message))
        self.output.flush()

    def _next(self):
        """The next message, however the bytes of messages were cut on their way."""
        while True:
            for message in self.unpacker:
                return message
            data = self.input.read1(65536)
            if not data:
                raise EOFError("the broker has closed the connection")
            self.unpacker.feed(data)

    def _handle(self, kind, *rest):
        """Rich messages are [2, "$msg", [id, subject, params]], rich calls [0, number, "$call",
        [id, subject, params]], answers [1, number, error, result]."""
        if kind == 1:
            self.answers[rest[0]] = rest[1:]
        elif kind == 2 and rest[0] == "$msg":
            handler, subject, params = rest[1]
            self.handlers[handler](subject, *params)
        elif kind == 0:
            handler, subject, params = rest[2]
            try:
                self._send(1, rest[0], None, self.handlers[handler](subject, *params))
            except Exception as error:  # whatever it is, the caller must hear of it
                self._send(1, rest[0], str(error), None)
