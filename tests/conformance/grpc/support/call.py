"""One request, as it comes to a backend made of frames."""
import threading

from support import wire
from support.patience import PATIENCE
from support.registry import Failure, check


class Gone(Exception):
    """The gateway has reset the stream or closed the connection."""


class Call:
    def __init__(self, link, stream, fields, ended):
        self.link, self.stream, self.fields = link, stream, fields
        self.content = bytearray()
        self.data_sizes = []
        self.trailers = None
        self.ended_with_head = ended
        self.ended = threading.Event()  # the request is whole
        self.gone = threading.Event()  # it is reset, or its connection is closed, before the answer was whole
        self.reset_code = None
        self.answered = False  # we have ended our side
        self.sent = 0  # octets of content
        if ended:
            self.ended.set()

    @property
    def path(self):
        return (self.value(b":path") or b"").decode("latin-1")

    @property
    def over(self):
        return self.reset_code is not None or self.answered and self.ended.is_set()

    def value(self, name):
        return next(iter(self.values(name)), None)

    def values(self, name):
        return [value for key, value in self.fields if key == name]

    def names(self):
        return [name for name, _ in self.fields]

    # --- what the link tells

    def take_data(self, frame):
        payload = frame.payload
        if frame.has(wire.PADDED):
            payload = payload[1:len(payload) - payload[0]]
        self.content += payload
        self.data_sizes.append(len(payload))
        if frame.has(wire.END_STREAM):
            self.ended.set()

    def take_trailers(self, fields):
        self.trailers = fields
        self.ended.set()

    def take_reset(self, code):
        self.reset_code = code
        self.leave()

    def leave(self):
        if not (self.answered and self.ended.is_set()):
            self.gone.set()

    def run(self, do):
        try:
            do(self)
        except Gone:
            pass

    # --- what the test does with it

    def read_content(self):
        """Waits until the request is whole."""
        if not self.link.wait(lambda: self.ended.is_set() or self.gone.is_set(), PATIENCE) or not self.ended.is_set():
            raise Gone

    def expect_whole(self):
        check(self.link.wait(self.ended.is_set, PATIENCE), f"expected the whole request for {self.path}, {len(self.content)} octets came")

    def expect_content(self, count):
        check(self.link.wait(lambda: len(self.content) >= count, PATIENCE),
              f"expected {count} octets of the request for {self.path}, {len(self.content)} came")

    def expect_gone(self):
        check(self.gone.wait(PATIENCE), f"expected that the gateway gives up the request for {self.path}, it did not")

    def headers(self, fields, end=False):
        """A header block as it is given: field names and values are octets or text."""
        with self.link.lock:
            self.answered |= end
            flags = wire.END_HEADERS | (wire.END_STREAM if end else 0)
            self._send(wire.frame(wire.HEADERS, flags, self.stream, self.link.encoder.encode(fields)))

    def block(self, octets, end=False):
        """A header block that is encoded already."""
        with self.link.lock:
            self.answered |= end
            self._send(wire.frame(wire.HEADERS, wire.END_HEADERS | (wire.END_STREAM if end else 0), self.stream, octets))

    def head(self, status=200, *more, end=False):
        self.headers([(":status", str(status)), *more], end)

    def data(self, octets=b"", end=False):
        """One frame, whatever the windows say."""
        with self.link.lock:
            self.answered |= end
            self.link.windows[0] -= len(octets)
            self.link.windows[self.stream] -= len(octets)
            self._send(wire.frame(wire.DATA, wire.END_STREAM if end else 0, self.stream, octets))
        self.sent += len(octets)

    def send_content(self, octets, end=True, patience=PATIENCE):
        """As the windows allow it."""
        left = memoryview(octets)
        while left:
            may_send = lambda: min(self.link.windows[0], self.link.windows[self.stream])
            if not self.link.wait(lambda: may_send() > 0 or self.gone.is_set(), patience):
                raise Failure(f"expected a window for {self.path}, none came after {self.sent} octets")
            if self.gone.is_set():
                raise Gone
            with self.link.lock:
                piece = left[:min(len(left), may_send(), wire.FRAME_MAX)]
                left = left[len(piece):]
                self.data(bytes(piece), end and not left)
        if not octets and end:
            self.data(end=True)

    def answer(self, status=200, headers=(), body=b"hello", trailers=None):
        if not body and trailers is None:
            self.head(status, *headers, end=True)
            return
        self.head(status, *headers)
        self.send_content(body, end=trailers is None)
        if trailers is not None:
            self.headers(trailers, end=True)

    def reset(self, code=wire.CANCEL):
        with self.link.lock:
            self.reset_code = code
            self._send(wire.reset(self.stream, code))

    def wait_until_gone(self):
        self.gone.wait(PATIENCE)

    def _send(self, octets):
        if not self.link.send(octets):
            self.gone.set()
            raise Gone
