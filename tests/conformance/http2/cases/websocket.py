"""WebSockets from clients of HTTP/2: the extended CONNECT (RFC 8441), to a backend of HTTP/1.1 (RFC 6455)."""
import base64
import hashlib

from support import wire
from support.client import request
from support.registry import case, check, equal

ENABLE_CONNECT_PROTOCOL = 8
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def connect(path, *more, protocol="websocket", **pseudo):
    fields = request(path, *more, method="CONNECT", **pseudo)
    return fields[:1] + [(":protocol", protocol)] + fields[1:]


def accept_of(visit):
    return base64.b64encode(hashlib.sha1(visit.value(b"sec-websocket-key") + GUID).digest())


def switches(then, accept=accept_of, more=()):
    """Answers 101, and then."""

    def do(visit):
        lines = [b"HTTP/1.1 101 Switching Protocols", b"Connection: upgrade", b"Upgrade: websocket",
                 b"Sec-WebSocket-Accept: " + accept(visit), *more]
        visit.send(b"\r\n".join(lines) + b"\r\n\r\n")
        visit.keep = False
        then(visit)

    return do


def echoes(visit):
    while True:
        visit.send(visit._some())
        visit.ahead = b""


def opened(lab, path="/ws/echo", then=echoes, *more):
    lab.backend.on(path, switches(then))
    client = lab.connect()
    stream = client.begin(connect(path, *more), end=False)
    client.until(lambda: client.streams[stream].head, "the head of an answer")
    equal(client.streams[stream].status, 200, "the status")
    return client, stream


def expect_body(client, stream, body):
    client.until(lambda: len(client.streams[stream].body) >= len(body), f"{body[:40]} on stream {stream}")
    equal(bytes(client.streams[stream].body), body, "what came through the tunnel")


@case("RFC8441-3", "SETTINGS_ENABLE_CONNECT_PROTOCOL says that it is understood")
def enabled(lab):
    client = lab.connect()
    client.settle()
    equal(client.windows.settings.get(ENABLE_CONNECT_PROTOCOL), 1, "SETTINGS_ENABLE_CONNECT_PROTOCOL")


@case("RFC8441-4", "an extended CONNECT is a GET that wants to upgrade, to the backend")
def handshake(lab):
    client, stream = opened(lab, "/ws/echo?a=b", echoes, ("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat"),
                            ("origin", "https://api.test"))
    head = lab.backend.visit("/ws/echo?a=b").head
    check(head.startswith(b"GET /ws/echo?a=b HTTP/1.1\r\n"), f"expected a GET, came {head}")
    for line in (b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"\r\nsec-websocket-version: 13\r\n", b"\r\nsec-websocket-protocol: chat\r\n"):
        check(line in head, f"expected {line} in {head}")
    check(b"Transfer-Encoding" not in head and b"Content-Length" not in head, f"expected no content, came {head}")
    key = base64.b64decode(lab.backend.visit("/ws/echo?a=b").value(b"sec-websocket-key"), validate=True)
    equal(len(key), 16, "octets of the key")
    names = [name for name, _ in client.streams[stream].head]
    for name in (b"connection", b"upgrade", b"sec-websocket-accept", b"transfer-encoding"):
        check(name not in names, f"expected no {name} in {client.streams[stream].head}")


@case("RFC8441-5", "octets pass both ways as they are, the client first")
def both_ways(lab):
    client, stream = opened(lab)
    client.send_data(stream, b"\x00\x01 no frame at all \r\n\r\n")
    expect_body(client, stream, b"\x00\x01 no frame at all \r\n\r\n")
    client.send_data(stream, b"again")
    expect_body(client, stream, b"\x00\x01 no frame at all \r\n\r\nagain")


@case("RFC8441-5", "the backend may speak first")
def backend_first(lab):
    client, stream = opened(lab, "/ws/hello", lambda visit: (visit.send(b"hello"), visit.wait_until_gone()))
    expect_body(client, stream, b"hello")


@case("RFC8441-5", "a megabyte goes there and back")
def much(lab):
    lab.backend.on("/ws/echo", switches(echoes))
    client = lab.connect(give_back=True)
    stream = client.begin(connect("/ws/echo"), end=False)
    sent = bytes(range(256)) * 4096
    client.upload(stream, sent, end=False)
    expect_body(client, stream, sent)


@case("RFC8441-5", "END_STREAM of the client is the end of its side at the backend, and what comes then still passes")
def client_ends(lab):
    def reads_all(visit):
        visit.wait_until_gone()
        visit.send(b"bye")

    client, stream = opened(lab, "/ws/last", reads_all)
    client.send_data(stream, b"last words", end=True)
    expect_body(client, stream, b"bye")
    client.until(lambda: client.streams[stream].ended, "the end of the stream")


@case("RFC8441-5", "the end of the backend's side is END_STREAM")
def backend_ends(lab):
    client, stream = opened(lab, "/ws/short", lambda visit: visit.send(b"short"))
    client.until(lambda: client.streams[stream].over, "the end of the stream")
    equal((client.streams[stream].ended, bytes(client.streams[stream].body)), (True, b"short"), "the end, and what came before it")
    client.expect_alive()


@case("RFC8441-5", "a reset of the client ends the backend's connection")
def client_resets(lab):
    gone = lab.gate()
    client, stream = opened(lab, "/ws/reset", lambda visit: (visit.wait_until_gone(), gone.set()))
    client.send(wire.reset(stream, wire.CANCEL))
    check(gone.wait(client.patience), "expected the end of the backend's connection")
    client.expect_alive()


@case("RFC8441-5", "one whose key is revoked is closed with 1008 (RFC 6455 section 7.4.1), and its stream ended", needs_clock=True)
def revoked(lab):
    client, stream = opened(lab, "/keyed/ws/echo", echoes, ("x-api-key", lab.key))
    client.send_data(stream, b"\x82\x03abc")
    expect_body(client, stream, b"\x82\x03abc")
    lab.revoke_key()
    lab.gateway.advance(2)
    expect_body(client, stream, b"\x82\x03abc\x88\x02\x03\xf0")
    client.until(lambda: client.streams[stream].over, "the stream's end")
    client.expect_alive()
    lab.make_key()


@case("RFC8441-5", "two WebSockets and a request share a connection")
def several(lab):
    client, one = opened(lab)
    two = client.begin(connect("/ws/echo"), end=False)
    client.send_data(two, b"two")
    client.send_data(one, b"one")
    expect_body(client, two, b"two")
    expect_body(client, one, b"one")
    client.get("/between/them")


@case("RFC8441-5", "a key that the client sends is not the backend's")
def own_key(lab):
    opened(lab, "/ws/echo", echoes, ("sec-websocket-key", "c2Vuc2VsZXNzIG5vbmNlIQ=="))
    visit = lab.backend.visit("/ws/echo")
    equal(visit.head.lower().count(b"sec-websocket-key:"), 1, "the keys at the backend")
    check(visit.value(b"sec-websocket-key") != b"c2Vuc2VsZXNzIG5vbmNlIQ==", "expected a key of the gateway's own")


@case("RFC6455-4.1", "a Sec-WebSocket-Accept that does not belong to the key is 502")
def bad_accept(lab):
    lab.backend.on("/ws/bad", switches(lambda visit: visit.wait_until_gone(), accept=lambda _: b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="))
    client = lab.connect()
    client.answer(client.begin(connect("/ws/bad"), end=False), 502)


def answered(name, path, status, came):
    @case("RFC8441-4", name)
    def run(lab):
        lab.backend.on("/ws/no", lambda visit: visit.answer(status, body=b"no"))
        client = lab.connect()
        stream = client.begin(connect(path), end=False)
        client.answer(stream, came)
        client.expect_alive()


answered("a backend that refuses the switch is heard", "/ws/no", 403, 403)
answered("a backend that answers 200 has not switched, and a 200 would say so: 502", "/ws/no", 200, 502)
answered("and so it is with an answer of the gateway's own", "/alive", 0, 502)
answered("a route that lets nothing become a WebSocket: 403", "/plain/route", 0, 403)


@case("RFC8441-4", "on a route without WebSockets nothing reaches the backend")
def untouched(lab):
    client = lab.connect()
    client.answer(client.begin(connect("/plain"), end=False), 403)
    lab.expect_untouched(client)


@case("RFC8441-4", "a :protocol that nobody knows is refused")
def unknown(lab):
    client = lab.connect()
    client.answer(client.begin(connect("/ws/echo", protocol="connect-udp"), end=False), 400)
    lab.expect_untouched(client)


def malformed(name, fields):
    @case("RFC8441-4", name)
    def run(lab):
        client = lab.connect()
        client.expect_error(client.begin(fields, end=False), wire.PROTOCOL_ERROR)
        lab.expect_untouched()


malformed("an extended CONNECT without :path is malformed", [f for f in connect("/ws/echo") if f[0] != ":path"])
malformed("an extended CONNECT without :scheme is malformed", [f for f in connect("/ws/echo") if f[0] != ":scheme"])
malformed("an extended CONNECT without :authority is malformed", [f for f in connect("/ws/echo") if f[0] != ":authority"])
malformed("two :protocol are malformed", connect("/ws/echo")[:1] + connect("/ws/echo")[1:2] * 2 + connect("/ws/echo")[2:])
malformed("an extended CONNECT with Transfer-Encoding is malformed", connect("/ws/echo", ("transfer-encoding", "chunked")))
malformed("an extended CONNECT with Upgrade is malformed", connect("/ws/echo", ("upgrade", "websocket")))
