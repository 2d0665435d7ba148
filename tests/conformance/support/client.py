"""A client of HTTP/2 that sends what it is told, keeps what came, and answers nothing by itself but SETTINGS."""
import collections
import select
import socket
import ssl
import time

import hpack

from support import wire
from support.registry import Failure, check, equal
from support.windows import Windows

PATIENCE = 5.0  # seconds until something that does not come counts as not coming


class Stream:
    """What has come on one stream."""

    def __init__(self):
        self.informational = []  # heads of 1xx
        self.head = None
        self.body = bytearray()
        self.data_sizes = []
        self.trailers = None
        self.ended = False
        self.reset = None  # the error code

    @property
    def status(self):
        return int(self.value(b":status")) if self.head else None

    def value(self, name):
        return self.values(name)[0] if self.values(name) else None

    def values(self, name):
        return [value for key, value in self.head or [] if key == name]

    @property
    def over(self):
        return self.ended or self.reset is not None


def request(path="/", *more, method="GET", scheme="https", authority="api.test"):
    """A header list. A pseudo header that is None is left out."""
    fields = [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path)]
    return [(name, value) for name, value in fields if value is not None] + list(more)


class Client:
    def __init__(self, connection, greet=True, settings=(), acknowledge=True, give_back=False, patience=PATIENCE):
        """connection: connected, TLS or not. give_back: return the windows as DATA comes."""
        self.patience = patience
        self.socket = connection
        self.socket.setblocking(False)
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 24
        self.acknowledge, self.give_back = acknowledge, give_back
        self.streams = collections.defaultdict(Stream)
        self.frames = []  # all that came
        self.goaways = []
        self.closed = False
        self.next_stream = 1
        self.windows = Windows()
        self._input = bytearray()
        self._block = None  # stream, flags and octets of a header block that has begun
        if greet:
            self.send(wire.PREFACE + wire.settings(*settings))

    # --- sending

    def send(self, octets):
        """True if all of it went out; what the gateway sends meanwhile is read, so that neither waits for the other."""
        left, until = memoryview(octets), time.monotonic() + self.patience
        while left:
            try:
                left = left[self.socket.send(left):]
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                if time.monotonic() > until:
                    raise Failure(f"the gateway takes no more octets; came: {self.told()}") from None
                select.select([self.socket], [self.socket], [], 0.1)
                self.read_what_is_there()
            except OSError:  # closed; what was received before can still be read
                return False
        return True

    def send_headers(self, stream, fields, flags=wire.END_HEADERS | wire.END_STREAM):
        return self.send(wire.frame(wire.HEADERS, flags, stream, self.encoder.encode(fields)))

    def send_data(self, stream, data=b"", end=False):
        self.windows[0] -= len(data)
        self.windows[stream] -= len(data)
        return self.send(wire.frame(wire.DATA, wire.END_STREAM if end else 0, stream, data))

    def new_stream(self):
        self.next_stream += 2
        return self.next_stream - 2

    def begin(self, fields, end=True):
        """Sends a request's head on a new stream, and gives the stream's id."""
        stream = self.new_stream()
        self.send_headers(stream, fields, wire.END_HEADERS | (wire.END_STREAM if end else 0))
        return stream

    def may_send(self, stream):
        return min(self.windows[0], self.windows[stream])

    def upload(self, stream, data, end=True):
        """Sends content as the windows allow it."""
        left = memoryview(data)
        while left:
            if self.may_send(stream) <= 0:
                self.until(lambda: self.may_send(stream) > 0 or self.streams[stream].over, f"a WINDOW_UPDATE for stream {stream}")
                check(not self.streams[stream].over, f"expected to send all, stream {stream} is over; came: {self.told()}")
            piece = left[:min(len(left), self.may_send(stream), wire.FRAME_MAX)]
            left = left[len(piece):]
            self.send_data(stream, bytes(piece), end and not left)
        if not data and end:
            self.send_data(stream, end=True)

    # --- receiving

    def read_what_is_there(self):
        """Without waiting."""
        while not self.closed:
            try:
                octets = self.socket.recv(65536)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
                return
            except OSError:
                octets = b""
            self.closed = not octets
            self._input += octets
            self._take_frames()

    def _take_frames(self):
        while len(self._input) >= 9:
            length = int.from_bytes(self._input[:3], "big")
            if len(self._input) < 9 + length:
                return
            stream = int.from_bytes(self._input[5:9], "big") & wire.WINDOW_MAX
            frame = wire.Frame(self._input[3], self._input[4], stream, bytes(self._input[9:9 + length]))
            del self._input[:9 + length]
            self.frames.append(frame)
            self._take(frame)

    def _take(self, frame):
        stream = self.streams[frame.stream] if frame.stream else None
        if frame.type == wire.SETTINGS and not frame.has(wire.ACK):
            self._take_settings(frame)
        elif frame.type in (wire.HEADERS, wire.CONTINUATION):
            self._take_block(frame)
        elif frame.type == wire.DATA:
            self._take_data(stream, frame)
        elif frame.type == wire.RST_STREAM:
            stream.reset = frame.number()
        elif frame.type == wire.GOAWAY:
            self.goaways.append(frame)
        elif frame.type == wire.WINDOW_UPDATE:
            self.windows[frame.stream] += frame.number()

    def _take_settings(self, frame):
        self.windows.take_settings(frame)
        if self.acknowledge:
            self.send(wire.settings_ack())

    def _take_block(self, frame):
        if frame.type == wire.HEADERS:
            check(not frame.flags & (wire.PADDED | wire.WITH_PRIORITY), f"the gateway is not known to pad: {frame}")
            self._block = [frame.stream, frame.flags, b""]
        self._block[2] += frame.payload
        if not frame.has(wire.END_HEADERS):
            return
        stream, flags, octets = self._block
        fields = [(bytes(name), bytes(value)) for name, value in self.decoder.decode(octets, raw=True)]
        self._take_fields(self.streams[stream], fields)
        self.streams[stream].ended |= flags & wire.END_STREAM != 0

    @staticmethod
    def _take_fields(stream, fields):
        status = dict(fields).get(b":status")
        if status is None:
            stream.trailers = fields
        elif status.startswith(b"1"):
            stream.informational.append(fields)
        else:
            check(stream.head is None, f"expected one answer on a stream, came another: {fields}")
            stream.head = fields

    def _take_data(self, stream, frame):
        check(not frame.has(wire.PADDED), f"the gateway is not known to pad: {frame}")
        stream.body += frame.payload
        stream.data_sizes.append(len(frame.payload))
        stream.ended = frame.has(wire.END_STREAM)
        if self.give_back and frame.payload:
            self.send(wire.window_update(0, len(frame.payload)) + wire.window_update(frame.stream, len(frame.payload)))

    def until(self, happened, what):
        """Reads frames until it has happened."""
        until = time.monotonic() + self.patience
        while True:
            self.read_what_is_there()
            if happened():
                return
            if self.closed:
                raise Failure(f"expected {what}, but the connection was closed; came: {self.told()}")
            left = until - time.monotonic()
            if left <= 0:
                raise Failure(f"expected {what}, but it did not come; came: {self.told()}")
            select.select([self.socket], [], [], left)

    def told(self):
        """What came, for a message."""
        told = [str(frame) for frame in self.frames]
        if len(told) > 8:
            told = told[:3] + [f"… {len(told) - 7} more …"] + told[-4:]
        return ", ".join(told + (["the end of the connection"] if self.closed else [])) or "nothing"

    # --- expectations

    def answer(self, stream, status=200):
        """The whole answer on a stream."""
        came = self.streams[stream]
        self.until(lambda: came.over, f"an answer on stream {stream}")
        check(came.ended, f"expected an answer on stream {stream}; came: {self.told()}")
        equal(came.status, status, f"the status on stream {stream}")
        return came

    def get(self, path, *more, status=200, **pseudo):
        return self.answer(self.begin(request(path, *more, **pseudo)), status)

    def expect_reset(self, stream, *codes):
        came = self.streams[stream]
        what = f"RST_STREAM({wire.error_names(codes)}) on {stream}"
        self.until(lambda: came.reset is not None or self.goaways, what)
        check(came.reset in codes, f"expected {what}; came: {self.told()}")

    def expect_goaway(self, *codes):
        """A connection error: the code, and then the end of the connection (RFC 9113 section 5.4.1)."""
        what = f"GOAWAY({wire.error_names(codes)})"
        self.until(lambda: self.goaways, what)
        check(self.goaways[0].number(4) in codes, f"expected {what}; came: {self.told()}")
        self.expect_closed()

    def expect_error(self, stream, *codes):
        """A stream error, which a server may make a connection error (RFC 9113 section 5.4.1)."""
        came = self.streams[stream]
        what = f"RST_STREAM({wire.error_names(codes)}) on {stream} or such a GOAWAY"
        self.until(lambda: came.reset is not None or self.goaways, what)
        code = came.reset if came.reset is not None else self.goaways[0].number(4)
        check(code in codes, f"expected {what}; came: {self.told()}")

    def expect_closed(self):
        until = time.monotonic() + self.patience
        while not self.closed and time.monotonic() < until:
            self.read_what_is_there()
            if not self.closed:
                select.select([self.socket], [], [], 0.1)
        check(self.closed, f"expected the end of the connection; came: {self.told()}")
        self.close()  # or the gateway waits a while for us to do so

    def settle(self):
        """Whatever was sent until now has had its effect. Twice: an acknowledgement may overtake other frames once."""
        for payload in (b"settle 1", b"settle 2"):
            before = self.acknowledged_pings(payload)
            self.send(wire.ping(payload))
            self.until(lambda: self.acknowledged_pings(payload) > before, "the acknowledgement of a PING")

    def acknowledged_pings(self, payload):
        return sum(f.type == wire.PING and f.has(wire.ACK) and f.payload == payload for f in self.frames)

    def expect_alive(self, stream=None):
        """No error came, and requests are still served. stream: the one to ask on."""
        self.next_stream = stream or self.next_stream
        self.settle()
        check(not self.goaways, f"expected no GOAWAY; came: {self.told()}")
        self.get("/alive", status=204)

    def count(self, kind):
        return sum(frame.type == kind for frame in self.frames)

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass


def connect_tls(port, protocols=("h2",), **options):
    """A TLS connection; options are attributes of the SSLContext."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    ciphers = options.pop("ciphers", None)
    if ciphers:
        context.set_ciphers(ciphers)
    for name, value in options.items():
        setattr(context, name, value)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(connect_tcp(port), server_hostname="api.test")


def connect_tcp(port):
    plain = socket.create_connection(("127.0.0.1", port), PATIENCE)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain
