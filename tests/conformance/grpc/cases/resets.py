"""Streams and connections that end before their time, at either end (RFC 9113 sections 5.4, 8.1)."""
import socket
import struct

import grpc

from support import wire
from support.client import request
from support.method import expect_status
from support.patience import PATIENCE
from support.registry import case, check, equal


def begins(then):
    """Answers the beginning, and then."""
    return lambda call: (call.head(200, ("x-begun", "yes")), call.send_content(b"begun", end=False), then(call))


def broken(section, name, then):
    """An answer that ends in the middle must not look whole to any client."""

    @case(section, f"{name} in the middle of an answer: a client of HTTP/2 sees its stream reset")
    def to_http2(lab):
        peer = lab.peer()
        peer.on("/asked", begins(then))
        client = lab.client(lab.front(peer))
        stream = client.begin(request("/asked"))
        came = client.streams[stream]
        client.until(lambda: came.over, "the end of the stream")
        check(not came.ended and came.reset != wire.NO_ERROR, f"expected a reset with an error; came: {client.told()}")
        client.get("/next")

    @case(section, f"{name} in the middle of an answer: a client of HTTP/1.1 sees its connection end within a chunk")
    def to_http1(lab):
        peer = lab.peer()
        peer.on("/asked", begins(then))
        client = lab.old_client(lab.front(peer))
        client.sendall(b"GET /asked HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n")
        came = received(client)
        check(came.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 502 ")), f"expected an answer, came {came}")
        check(b" 502 " in came[:20] or not came.endswith(b"0\r\n\r\n"), f"expected an answer that is not whole, came {came}")

    @case(section, f"{name} in the middle of a gRPC answer: the caller sees an error")
    def to_grpc(lab):
        def do(call):
            call.head(200, ("content-type", "application/grpc"))
            call.send_content(b"\0\0\0\0\3one", end=False)
            then(call)

        peer = lab.peer()
        peer.on("/test.Peer/Call", do)
        stub = lab.channel(lab.front(peer)).unary_stream("/test.Peer/Call")
        expect_status(lambda: list(stub(b"", timeout=PATIENCE)), grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL,
                      grpc.StatusCode.UNKNOWN, grpc.StatusCode.CANCELLED)


def received(client):
    """All that comes until the connection ends, in whichever way."""
    came = b""
    try:
        while octets := client.recv(65536):
            came += octets
    except OSError:
        pass
    return came


broken("RFC9113-5.4.2", "RST_STREAM", lambda call: call.reset(wire.INTERNAL_ERROR))
broken("RFC9113-5.4.2", "RST_STREAM(NO_ERROR)", lambda call: call.reset(wire.NO_ERROR))
broken("RFC9113-5.4.1", "the end of the connection", lambda call: call.link.close())
broken("RFC9113-5.4.1", "GOAWAY with an error and the end of the connection",
       lambda call: (call.link.goaway(call.stream, wire.INTERNAL_ERROR), call.link.close()))


@case("RFC9113-5.4.2", "RST_STREAM before an answer is 502 or 503, and the connection lives on")
def reset_before(lab):
    peer = lab.peer()
    peer.on("/asked", lambda call: call.reset(wire.INTERNAL_ERROR))
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked"))
    came = client.streams[stream]
    client.until(lambda: came.ended, "an answer")
    check(came.status in (502, 503), f"expected 502 or 503, came {came.status}")
    client.get("/next")
    check(peer.call("/next").link in {call.link for call in peer.calls if call.path == "/asked"}, "expected the same connection, came another")


@case("RFC9113-5.4.2", "a reset of one stream leaves the others alone")
def reset_of_one(lab):
    gate = lab.gate()
    peer = lab.peer()
    peer.on("/held", lambda call: (gate.wait(20), call.answer(body=b"held")))
    peer.on("/reset", begins(lambda call: call.reset(wire.INTERNAL_ERROR)))
    client = lab.client(lab.front(peer))
    held = client.begin(request("/held"))
    peer.call("/held")
    stream = client.begin(request("/reset"))
    client.until(lambda: client.streams[stream].reset is not None, "a reset")
    gate.set()
    equal(bytes(client.answer(held).body), b"held", "the content of the other")


@case("RFC9113-5.4.2", "a client that resets its stream: the backend's is reset, and its connection lives on")
def client_resets(lab):
    peer = lab.peer()
    peer.on("/asked", lambda call: call.wait_until_gone())
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked"))
    call = peer.call("/asked")
    client.send(wire.reset(stream))
    call.expect_gone()
    check(call.reset_code is not None, "expected RST_STREAM at the backend, came the end of the connection")
    client.get("/next")
    check(peer.call("/next").link is call.link, "expected the same connection, came another")


@case("RFC9113-5.4.2", "a client that resets its upload: the backend never takes it for whole")
def client_resets_upload(lab):
    peer = lab.peer()
    peer.on("/asked", lambda call: call.wait_until_gone())
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked", method="POST"), end=False)
    client.send_data(stream, b"begun")
    call = peer.call("/asked")
    call.expect_content(5)
    client.send(wire.reset(stream))
    call.expect_gone()
    check(not call.ended.is_set(), "expected a request that is not whole, it has ended")


@case("RFC9113-5.4.2", "a client that resets its stream in the middle of an answer: the backend's is reset")
def client_resets_answer(lab):
    peer = lab.peer()
    peer.on("/asked", begins(lambda call: call.wait_until_gone()))
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked"))
    client.until(lambda: client.streams[stream].body, "the beginning of the content")
    client.send(wire.reset(stream))
    peer.call("/asked").expect_gone()


@case("RFC9113-5.4.1", "a client that is gone gives up all its streams at the backend")
def client_gone(lab):
    peer = lab.peer()
    for number in range(5):
        peer.on(f"/{number}", lambda call: call.wait_until_gone())
    gateway = lab.front(peer)
    client = lab.client(gateway)
    for number in range(5):
        client.begin(request(f"/{number}"))
    calls = [peer.call(f"/{number}") for number in range(5)]
    client.close()
    for call in calls:
        call.expect_gone()
    lab.client(gateway).get("/next")


@case("RFC9113-5.4.1", "a client of HTTP/1.1 that is gone gives up its stream at the backend, not the connection")
def old_client_gone(lab):
    peer = lab.peer()
    peer.on("/asked", begins(lambda call: call.wait_until_gone()))
    gateway = lab.front(peer)
    client = lab.old_client(gateway)
    client.sendall(b"GET /asked HTTP/1.1\r\nHost: api.test\r\n\r\n")
    client.recv(10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # an end in order may be half of one
    client.close()
    peer.call("/asked").expect_gone()
    lab.client(gateway).get("/next")


# --- by the clock

@case("RFC9113-8.1", "a backend that does not answer is 504 after response_timeout; its stream is reset, its connection lives on", needs_clock=True)
def response_timeout(lab):
    peer = lab.peer()
    peer.on("/asked", lambda call: call.wait_until_gone())
    gateway = lab.front(peer)
    client = lab.client(gateway)
    stream = client.begin(request("/asked"))
    call = peer.call("/asked")
    lab.late(gateway, 15)
    client.answer(stream, 504)
    call.expect_gone()
    client.get("/next")


@case("RFC9113-8.1", "an answer that stops is reset after body_timeout", needs_clock=True)
def body_timeout(lab):
    peer = lab.peer()
    peer.on("/asked", begins(lambda call: call.wait_until_gone()))
    gateway = lab.front(peer)
    client = lab.client(gateway)
    stream = client.begin(request("/asked"))
    came = client.streams[stream]
    client.until(lambda: came.body == b"begun", "the beginning of the content")
    lab.late(gateway, 30)
    client.until(lambda: came.reset is not None, "a reset")
    peer.call("/asked").expect_gone()
    client.get("/next")


@case("RFC9113-9.1", "a connection that nobody uses is closed after idle_timeout", needs_clock=True)
def idle_timeout(lab):
    peer = lab.peer()
    gateway = lab.front(peer, upstream="idle_timeout: 20s")
    lab.client(gateway).get("/asked")
    lab.late(gateway, 25)
    check(peer.link().gone.wait(PATIENCE), "expected the end of the connection, it did not come")
    lab.client(gateway).get("/next")


@case("RFC9113-9.1", "a gateway that is told to end finishes what is under way")
def drain(lab):
    gate = lab.gate()
    peer = lab.peer()
    peer.on("/asked", lambda call: (gate.wait(20), call.answer()))
    gateway = lab.front(peer)
    client = lab.client(gateway)
    stream = client.begin(request("/asked"))
    peer.call("/asked")
    gateway.terminate()
    client.until(lambda: client.goaways, "GOAWAY")
    gate.set()
    equal(bytes(client.answer(stream).body), b"hello", "the content")
    client.close()
    equal(gateway.wait(), 0, "the exit status")
