"""A backend of HTTP/1.1 that keeps the octets of each request, and answers what the test tells it to."""
import select
import socket
import threading
import time

from support.client import PATIENCE
from support.registry import Failure

PIECE = 65536


class Gone(Exception):
    """The gateway has closed the connection."""


class Visit:
    """One request, as it comes. Made in a thread of its own connection, which also runs what the test wants done with it."""

    def __init__(self, connection, head, ahead):
        self.connection = connection
        self.head = head
        self.ahead = ahead  # octets behind the head that have been read already
        self.content = bytearray()
        self.raw_content = bytearray()  # with the chunked coding, if there is one
        self.whole = threading.Event()
        self.gone = threading.Event()  # the gateway has closed the connection before the answer was whole
        self.sent = 0
        self.keep = True  # another request may come on this connection

    @property
    def path(self):
        return self.head.split(b" ", 2)[1].decode("latin-1")

    def value(self, name):
        values = [line.split(b": ", 1)[1] for line in self.head.split(b"\r\n")[1:] if line.lower().startswith(name.lower() + b": ")]
        return values[0] if values else None

    def _some(self):
        if not self.ahead:
            try:
                self.ahead = self.connection.recv(PIECE)
            except OSError:
                self.ahead = b""
            if not self.ahead:
                self.gone.set()
                raise Gone
        return self.ahead

    def take(self, count):
        """So many octets of the content as they come on the wire."""
        taken = bytearray()
        while len(taken) < count:
            octets = self._some()[:count - len(taken)]
            self.ahead = self.ahead[len(octets):]
            self.raw_content += octets
            taken += octets
        return bytes(taken)

    def _line(self):
        line = b""
        while not line.endswith(b"\r\n"):
            line += self.take(1)
        return line

    def read_content(self):
        length = self.value(b"content-length")
        if self.value(b"transfer-encoding") == b"chunked":
            self._read_chunks()
        elif length is not None:
            while len(self.content) < int(length):
                self.content += self.take(min(int(length) - len(self.content), PIECE))
        self.whole.set()

    def _read_chunks(self):
        while True:
            size = int(self._line(), 16)
            self.content += self.take(size)
            if self._line() != b"\r\n":
                raise Gone
            if size == 0:
                return

    def send(self, octets):
        try:
            self.connection.sendall(octets)
        except OSError:
            self.gone.set()
            raise Gone from None
        self.sent += len(octets)

    def answer(self, status=200, headers=(), body=b"", framing=True):
        fields = list(headers) + ([("Content-Length", str(len(body)))] if framing else [])
        head = f"HTTP/1.1 {status} Said\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields) + "\r\n"
        self.send(head.encode("latin-1") + body)

    def wait_until_gone(self):
        """Reads, and drops what it reads, until the gateway closes the connection."""
        try:
            while True:
                self._some()
                self.ahead = b""
        except Gone:
            pass


def replies(status=200, headers=(), body=b"hello", framing=True):
    """What to do with a request: read it and answer this."""

    def do(visit):
        visit.read_content()
        visit.answer(status, headers, body, framing)

    return do


def sends(octets):
    """Read the request, send these octets and close."""

    def do(visit):
        visit.read_content()
        visit.send(octets)
        visit.keep = False

    return do


class Backend:
    def __init__(self, receive_buffer=None):
        """receive_buffer: small, for a backend whose unread content is soon felt."""
        self.lock = threading.Condition()
        self.visits = []
        self.what_to_do = {}
        self.waiting = {}  # by socket: True while its thread waits for a request, or for a connection
        self.listener = socket.socket()
        if receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, path, do):
        """What is to be done with a request for this path; others are answered with "hello"."""
        self.what_to_do[path] = do

    def forget(self):
        with self.lock:
            self.visits = []
            self.what_to_do = {}

    def quiet(self):
        """Nothing is under way here: no thread is at work, and nothing has arrived that none has taken."""
        with self.lock:
            return all(self.waiting.values()) and not select.select(list(self.waiting), [], [], 0)[0]

    def close(self):
        self.listener.close()

    def _wait(self, source):
        """Until there is something to take; what is there is taken only once it is known that somebody is at work."""
        with self.lock:
            self.waiting[source] = True
        try:
            select.select([source], [], [])
        finally:
            with self.lock:
                self.waiting[source] = False

    def _accept(self):
        while True:
            try:
                self._wait(self.listener)
                connection, _ = self.listener.accept()
            except (OSError, ValueError):  # closed
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.waiting[connection] = False
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self._serve_requests(connection)
        finally:
            with self.lock:
                del self.waiting[connection]
            connection.close()

    def _serve_requests(self, connection):
        ahead, keep = b"", True
        while keep:
            while b"\r\n\r\n" not in ahead:
                self._wait(connection)
                try:
                    octets = connection.recv(4096)
                except OSError:
                    return
                if not octets:
                    return
                ahead += octets
            end = ahead.index(b"\r\n\r\n") + 4
            visit = Visit(connection, ahead[:end], ahead[end:])
            keep = self._do(visit)
            ahead = visit.ahead

    def _do(self, visit):
        with self.lock:
            self.visits.append(visit)
            self.lock.notify_all()
        try:
            self.what_to_do.get(visit.path, replies())(visit)
        except Gone:
            return False
        return visit.keep

    def paths(self):
        with self.lock:
            return [visit.path for visit in self.visits]

    def visit(self, path):
        """The first request for this path, as soon as its head is there."""
        until = time.monotonic() + PATIENCE
        with self.lock:
            while True:
                for visit in self.visits:
                    if visit.path == path:
                        return visit
                left = until - time.monotonic()
                if left <= 0:
                    raise Failure(f"expected a request for {path} at the backend, came {[v.path for v in self.visits]}")
                self.lock.wait(left)
