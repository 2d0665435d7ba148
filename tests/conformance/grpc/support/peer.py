"""A backend of HTTP/2 made of frames: it keeps what it gets, and does with each request what the test tells it to, right or wrong."""
import socket
import ssl
import threading

from support.link import Link
from support.patience import PATIENCE
from support.registry import Failure, check


def replies(status=200, headers=(), body=b"hello", trailers=None):
    """What to do with a request: read it and answer this."""

    def do(call):
        call.read_content()
        call.answer(status, headers, body, trailers)

    return do


def grpc_replies(message, status=0):
    """What to do with a call of gRPC: read it and answer this message."""
    fields = [("content-type", "application/grpc")]
    return replies(200, fields, b"\0" + len(message).to_bytes(4, "big") + message, [("grpc-status", str(status))])


def quietly(_):
    """What to do with a request: nothing."""


class Peer:
    def __init__(self, folder, secure=False, protocols=("h2",), listening=True, **manners):
        """protocols: chosen from by ALPN, if secure. manners: of each connection; see Link."""
        self.secure, self.manners = secure, manners
        self.lock = threading.Condition()
        self.links, self.calls, self.what_to_do = [], [], {}
        self.context = self._context(folder, protocols) if secure else None
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        if listening:
            self.listen()

    def listen(self):
        """Until now, whoever connected was told that nobody is here."""
        self.listener.listen(256)
        threading.Thread(target=self._accept, daemon=True).start()

    @staticmethod
    def _context(folder, protocols):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{folder}/backend.crt", f"{folder}/backend.key")
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    @property
    def target(self):
        return f"{'h2' if self.secure else 'h2c'}://127.0.0.1:{self.port}"

    def on(self, path, do):
        """What is to be done with a request for this path, in a thread of its own; others are answered with "hello"."""
        self.what_to_do[path] = do

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # closed
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        if self.context:
            try:
                connection = self.context.wrap_socket(connection, server_side=True)
            except OSError:  # whoever it was wants no TLS with us
                connection.close()
                return
        link = Link(connection, self._begin, **self.manners)
        with self.lock:
            self.links.append(link)
            self.lock.notify_all()
        link.serve()

    def _begin(self, call):
        with self.lock:
            self.calls.append(call)
            number = sum(other.path == call.path for other in self.calls)
            self.lock.notify_all()
        do = self.what_to_do.get(call.path) or replies()
        if isinstance(do, list):  # one after the other; the last one stays
            do = do[min(number, len(do)) - 1]
        threading.Thread(target=call.run, args=(do,), daemon=True).start()

    def paths(self):
        with self.lock:
            return [call.path for call in self.calls]

    def _wait(self, happened, what):
        with self.lock:
            if not self.lock.wait_for(happened, PATIENCE):
                raise Failure(f"expected {what} at the backend, came {[call.path for call in self.calls]} on {len(self.links)} connections")

    def call(self, path, number=0):
        """The first request for this path, or a later one, as soon as its head is there."""
        found = lambda: [call for call in self.calls if call.path == path]
        self._wait(lambda: len(found()) > number, f"request {number} for {path}")
        return found()[number]

    def link(self, number=0):
        self._wait(lambda: len(self.links) > number, f"connection {number}")
        return self.links[number]

    def expect_order(self):
        """No connection was used in a way that RFC 9113 forbids, as far as frames show it."""
        for link in self.links:
            check(not link.wrongs, f"expected frames in order, came {link.wrongs[:5]}")

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # or a thread that waits for a connection would still get one
        except OSError:  # nobody has listened
            pass
        self.listener.close()
        for link in self.links:
            link.close()
