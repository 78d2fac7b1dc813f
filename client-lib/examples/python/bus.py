"""A client of Panpipe in one page, with nothing but a socket and a msgpack package.

    client = Client("/run/user/1000/panpipe/default.sock")
    client.subscribe("news", print)
    client.serve("sum", lambda *numbers: sum(numbers))
    print(client.call("other.service", 1, "two"))
    client.run()

Copy it, change it. Handlers are called with a message's params, inside call() and run().
"""

import socket

import msgpack


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.unpacker = msgpack.Unpacker()
        self.handlers = {}  # by subject
        self.answers = {}  # by the call's number
        self.last = 0

    def publish(self, subject, *params):
        self._send(2, subject, params)

    def call(self, subject, *params):
        self.last = number = self.last + 1
        self._send(0, number, subject, params)
        while number not in self.answers:
            self._receive()
        error, result = self.answers.pop(number)
        if error is not None:
            raise RuntimeError(error)
        return result

    def subscribe(self, subject, handler):
        self.handlers[subject] = handler
        self.call("$sub", subject)

    def serve(self, subject, handler):
        self.handlers[subject] = handler
        self.call("$serve", subject)

    def run(self):
        while True:
            self._receive()

    def _send(self, *message):
        self.socket.sendall(msgpack.packb(message))

    def _receive(self):
        """Takes what has come, at least something. A message is [2, subject, params], a call
        [0, number, subject, params], an answer [1, number, error, result]."""
        data = self.socket.recv(65536)
        if not data:
            raise EOFError("the broker has closed the connection")
        self.unpacker.feed(data)
        for kind, *rest in self.unpacker:
            if kind == 1:
                self.answers[rest[0]] = rest[1:]
            elif kind == 2 and rest[0] in self.handlers:
                self.handlers[rest[0]](*rest[1])
            elif kind == 0:
                self._answer(*rest)

    def _answer(self, number, subject, params):
        try:
            self._send(1, number, None, self.handlers[subject](*params))
        except Exception as error:  # whatever it is, the caller must hear of it
            self._send(1, number, str(error), None)
