"""Answers that are none (RFC 9113 sections 8.1.1, 8.2, 8.3.2): the client is told so, and nothing of them reaches it."""
from support import blocks, wire
from support.client import request
from support.registry import case, check

STATUS_200 = b"\x88"  # indexed
HUGE = 1 << 20  # octets of a header block, more than anybody takes


def end_of(client, stream):
    came = client.streams[stream]
    client.until(lambda: came.over, f"an end on stream {stream}")
    return came


def refused(lab, do, codes=(502,), may_reset=False, method="GET"):
    """Such an answer is refused, and requests go on. may_reset: the head may have left before it was known."""
    peer = lab.peer()
    peer.on("/asked", do)
    client = lab.client(lab.front(peer))
    came = end_of(client, client.begin(request("/asked", method=method)))
    broken = came.reset is not None and came.reset != wire.NO_ERROR
    check(came.ended and came.status in codes or may_reset and broken, f"expected {codes}{' or a reset' if may_reset else ''}; came: "
          f"{client.told()}, status {came.status}")
    client.get("/next")


def malformed(section, name, do, **how):
    @case(section, f"{name}: 502")
    def run(lab):
        refused(lab, do, **how)


def head_of(*fields):
    """An answer whose head is these fields, in this order, by a literal each."""
    octets = b"".join(blocks.literal(name, value) for name, value in fields)
    return lambda call: (call.read_content(), call.block(octets), call.data(b"hello", end=True))


def field(section, name, *fields):
    malformed(section, name, head_of((b":status", b"200"), *fields))


field("RFC9113-8.2.1", "an upper-case name", (b"X-Upper", b"1"))
field("RFC9113-8.2.1", "an empty name", (b"", b"1"))
field("RFC9113-8.2.1", "a name with a space", (b"x a", b"1"))
field("RFC9113-8.2.1", "a name with a colon", (b"x:a", b"1"))
field("RFC9113-8.2.1", "a name with a line end", (b"x\r\nset-cookie", b"1"))
field("RFC9113-8.2.1", "a name beyond ASCII", (b"x-\xe9", b"1"))
field("RFC9113-8.2.1", "a value with CR LF", (b"x-a", b"1\r\nset-cookie: a=b"))
field("RFC9113-8.2.1", "a value with LF", (b"x-a", b"1\nset-cookie: a=b"))
field("RFC9113-8.2.1", "a value with NUL", (b"x-a", b"1\x002"))
field("RFC9113-8.2.2", "connection", (b"connection", b"close"))
field("RFC9113-8.2.2", "keep-alive", (b"keep-alive", b"timeout=5"))
field("RFC9113-8.2.2", "proxy-connection", (b"proxy-connection", b"close"))
field("RFC9113-8.2.2", "transfer-encoding", (b"transfer-encoding", b"chunked"))
field("RFC9113-8.2.2", "upgrade", (b"upgrade", b"h2c"))
field("RFC9113-8.3.2", "two :status", (b":status", b"200"))
field("RFC9113-8.3", "a pseudo header field that nobody knows", (b":reason", b"OK"))
field("RFC9113-8.3", "a pseudo header field of requests", (b":path", b"/"))
field("RFC9113-8.1.1", "a content-length that is no number", (b"content-length", b"five"))
field("RFC9113-8.1.1", "a content-length with a sign", (b"content-length", b"+5"))
field("RFC9113-8.1.1", "a negative content-length", (b"content-length", b"-5"))
field("RFC9113-8.1.1", "two content-length that differ", (b"content-length", b"5"), (b"content-length", b"6"))

malformed("RFC9113-8.3.2", "no :status", head_of((b"x-a", b"1")))
malformed("RFC9113-8.3", ":status behind another field", head_of((b"x-a", b"1"), (b":status", b"200")))
for status in (b"", b"20", b"2000", b"abc", b"+20", b"2 0", b"099", b"000"):
    malformed("RFC9113-8.3.2", f":status that reads \"{status.decode()}\"", head_of((b":status", status)))
malformed("RFC9113-8.6", "101, which HTTP/2 does not have", lambda call: (call.head(101, end=False), call.answer()))
malformed("RFC9113-8.1", "an interim answer that ends the stream", lambda call: call.head(103, end=True))


def counted(length, content):
    """An answer that says one length and has another."""

    def do(call):
        call.head(200, ("content-length", str(length)), end=not content)
        if content:
            call.data(content, end=True)

    return do


def at_once(more, trailers):
    """An answer in one piece."""

    def do(call):
        call.read_content()
        with call.link.lock:
            head, last = (call.link.encoder.encode(fields) for fields in ([(":status", "200"), *more], trailers))
            call.link.send(wire.frame(wire.HEADERS, wire.END_HEADERS, call.stream, head) + wire.frame(wire.DATA, 0, call.stream, b"hello")
                           + wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, call.stream, last))

    return do


malformed("RFC9113-8.1.1", "content shorter than its content-length", counted(10, b"hello"), may_reset=True)
malformed("RFC9113-8.1.1", "content longer than its content-length", counted(3, b"hello"), may_reset=True)
malformed("RFC9113-8.1.1", "no content where content-length says some", counted(10, b""), may_reset=True)
malformed("RFC9113-8.1", "trailers with a pseudo header field", lambda call: (call.head(), call.data(b"hello"), call.headers(
    [(":status", "200")], end=True)), may_reset=True)
malformed("RFC9113-8.1", "a second head in the middle of the content", lambda call: (call.head(), call.data(b"hello"), call.headers(
    [("x-a", "1")]), call.data(b"hello", end=True)), may_reset=True)
malformed("RFC9113-8.1", "trailers with an upper-case name", lambda call: (call.head(), call.data(b"hello"), call.headers(
    [("X-Sum", "1")], end=True)), may_reset=True)
for what, length in (("", ()), (" behind counted content", [("content-length", "5")])):
    malformed("RFC9113-8.1", f"more trailers than anybody takes{what}", at_once(length, [(f"x-{number}", "1") for number in range(250)]), may_reset=True)
malformed("RFC9113-8.1", "content before the head", lambda call: (call.data(b"hello"), call.answer()), codes=(502, 503))


# --- errors of the whole connection

def connection_error(section, name, octets):
    """octets(call): what is sent instead of an answer."""

    @case(section, f"{name}: the connection ends, and the client is told 502 or 503")
    def run(lab):
        peer = lab.peer()
        peer.on("/asked", lambda call: (call.link.send(octets(call)), call.wait_until_gone()))
        client = lab.client(lab.front(peer))
        came = end_of(client, client.begin(request("/asked", method="POST")))  # a POST, so that it is not tried again
        check(came.ended and came.status in (502, 503), f"expected 502 or 503; came: {client.told()}, status {came.status}")
        check(peer.call("/asked").link.gone.wait(20), "expected the end of the backend's connection, it did not come")
        client.get("/next")


connection_error("RFC9113-6.6", "PUSH_PROMISE", lambda call: wire.frame(wire.PUSH_PROMISE, wire.END_HEADERS, call.stream,
                                                                      wire.number(2) + blocks.get()))
connection_error("RFC9113-5.1", "HEADERS on a stream that nobody began", lambda call: wire.frame(
    wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, call.stream + 100, STATUS_200))
connection_error("RFC9113-5.1.1", "HEADERS on an even stream", lambda call: wire.frame(
    wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 2, STATUS_200))
connection_error("RFC9113-6.1", "DATA on stream 0", lambda call: wire.frame(wire.DATA, 0, 0, b"hello"))
connection_error("RFC9113-4.2", "a frame that is larger than we take", lambda call: wire.frame(wire.DATA, 0, call.stream, bytes(HUGE)))
connection_error("RFC9113-6.5", "SETTINGS whose length is wrong", lambda call: wire.frame(wire.SETTINGS, payload=b"12345"))
connection_error("RFC9113-6.5.2", "an initial window beyond 2^31-1", lambda call: wire.settings((wire.INITIAL_WINDOW_SIZE, 1 << 31)))
connection_error("RFC9113-6.5.2", "a greatest frame of 0", lambda call: wire.settings((wire.MAX_FRAME_SIZE, 0)))
connection_error("RFC9113-6.7", "PING whose length is wrong", lambda call: wire.frame(wire.PING, payload=b"1234567"))
connection_error("RFC9113-6.9", "WINDOW_UPDATE by 0 for the connection", lambda call: wire.window_update(0, 0))
connection_error("RFC9113-6.9.1", "a window of the connection beyond 2^31-1", lambda call: wire.window_update(0, wire.WINDOW_MAX) * 2)
connection_error("RFC9113-4.3", "a header block that is no HPACK", lambda call: wire.frame(
    wire.HEADERS, wire.END_HEADERS, call.stream, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
connection_error("RFC7541-4.2", "a table that is made larger than we allow", lambda call: wire.frame(
    wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, call.stream, blocks.size_update(1 << 20) + STATUS_200))
connection_error("RFC9113-6.10", "a header block with another frame in it", lambda call: wire.frame(
    wire.HEADERS, 0, call.stream, STATUS_200) + wire.ping())
connection_error("RFC9113-3.4", "an answer of HTTP/1.1", lambda call: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
connection_error("RFC9113-3.4", "noise", lambda call: bytes(range(256)) * 10)


@case("RFC9113-6.9", "WINDOW_UPDATE by 0 for the stream is an error of that stream or connection, and the client is told")
def zero_window_update(lab):
    refused(lab, lambda call: (call.link.send(wire.window_update(call.stream, 0)), call.wait_until_gone()), codes=(502, 503))


@case("RFC9113-3.4", "a backend that says HTTP/1.1 to the preface: 502 or 503")
def no_http2(lab):
    peer = lab.peer(greet=False, hello=b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    client = lab.client(lab.front(peer))
    came = end_of(client, client.begin(request("/asked")))
    check(came.ended and came.status in (502, 503), f"expected 502 or 503; came: {client.told()}")


@case("RFC9113-3.4", "a backend that says a frame other than SETTINGS first: 502 or 503")
def not_settings_first(lab):
    peer = lab.peer(greet=False, hello=wire.ping() + wire.settings())
    peer.on("/asked", lambda call: call.wait_until_gone())
    client = lab.client(lab.front(peer))
    came = end_of(client, client.begin(request("/asked")))
    check(came.ended and came.status in (502, 503), f"expected 502 or 503; came: {client.told()}")


@case("RFC9113-3.4", "a backend that closes each connection at once: 502 or 503")
def closes_at_once(lab):
    peer = lab.peer(greet=False, hello=None)
    client = lab.client(lab.front(peer))
    came = end_of(client, client.begin(request("/asked")))
    check(came.ended and came.status in (502, 503), f"expected 502 or 503; came: {client.told()}")


@case("RFC9113-10.5.1", "a head of a MiB: 502 or 503, and requests go on")
def huge_head(lab):
    refused(lab, lambda call: huge(call), codes=(502, 503))


def huge(call):
    octets = STATUS_200 + blocks.literal(b"x-large", b"l" * HUGE)
    pieces = [octets[at:at + wire.FRAME_MAX] for at in range(0, len(octets), wire.FRAME_MAX)]
    frames = [wire.frame(wire.CONTINUATION if at else wire.HEADERS, 0, call.stream, piece) for at, piece in enumerate(pieces)]
    call.link.send(b"".join(frames) + wire.frame(wire.CONTINUATION, wire.END_HEADERS, call.stream))
    call.wait_until_gone()


@case("RFC9113-8.1.1", "a gRPC caller is told of a malformed answer, too")
def grpc_malformed(lab):
    peer = lab.peer()
    peer.on("/test.Peer/Call", head_of((b":status", b"200"), (b"content-type", b"application/grpc"), (b"X-Upper", b"1")))
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/test.Peer/Call", ("content-type", "application/grpc"), ("te", "trailers"), method="POST"))
    came = end_of(client, stream)
    check(came.status == 200 and came.value(b"grpc-status") in (b"13", b"14", b"2"), f"expected a refusal of gRPC, came {came.head}")
