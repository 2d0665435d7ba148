"""Clients that wait, or make others wait: by a clock that the test moves (RFC 9113 section 10.5; the times of conf/sallyport.yaml)."""
import time

from support import wire
from support.client import request
from support.registry import case, check, equal

HEADER_TIMEOUT, IDLE_TIMEOUT, BODY_TIMEOUT, WRITE_TIMEOUT, RESPONSE_TIMEOUT = 10, 60, 30, 30, 15


def seen(lab):
    """The gateway has read what was sent until now on whatever connection: it has one worker, and that has answered behind it."""
    lab.connect().settle()


def late(lab, seconds):
    seen(lab)
    lab.gateway.advance(seconds + 1)


def expect_ended(client):
    """In order, or without a word: there is nobody that it could be said to."""
    client.expect_closed()
    for goaway in client.goaways:
        equal(goaway.number(4), wire.NO_ERROR, "the code of GOAWAY")


def timeout_case(section, name):
    return case(section, name, needs_clock=True)


# --- heads

@timeout_case("RFC9113-3.4", "a preface that never comes ends the connection after header_timeout")
def no_preface(lab):
    client = lab.connect(greet=False, acknowledge=False)
    client.until(lambda: client.frames, "the server's SETTINGS")
    late(lab, HEADER_TIMEOUT)
    expect_ended(client)


@timeout_case("RFC9113-3.4", "a preface that never ends does so as well")
def half_preface(lab):
    client = lab.connect(greet=False, acknowledge=False)
    client.until(lambda: client.frames, "the server's SETTINGS")
    client.send(wire.PREFACE[:20])
    seen(lab)
    lab.gateway.advance(HEADER_TIMEOUT - 2)
    client.send(wire.PREFACE[20:23])  # an octet now and then does not help
    late(lab, 2)
    expect_ended(client)


@timeout_case("RFC9113-3.4", "without TLS, a preface that never ends does so as well")
def half_preface_without_tls(lab):
    client = lab.connect_plain(greet=False)
    client.send(wire.PREFACE[:20])
    late(lab, HEADER_TIMEOUT)
    client.expect_closed()


@timeout_case("RFC9113-3.4", "a preface without the SETTINGS that belong to it ends the connection after idle_timeout")
def no_settings(lab):
    client = lab.connect(greet=False, acknowledge=False)
    client.send(wire.PREFACE)
    client.until(lambda: client.frames, "the server's SETTINGS")
    late(lab, IDLE_TIMEOUT)
    expect_ended(client)


@timeout_case("RFC9113-10.5", "a header block that never ends does so after header_timeout")
def endless_block(lab):
    client = lab.connect()
    client.settle()
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, 1, client.encoder.encode(request("/endless"))))
    late(lab, HEADER_TIMEOUT)
    expect_ended(client)
    lab.expect_untouched()


@timeout_case("RFC9113-10.5", "an octet now and then does not make header_timeout longer")
def dribbled_block(lab):
    client = lab.connect()
    client.settle()
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, 1, client.encoder.encode(request("/dribbled"))))
    seen(lab)
    lab.gateway.advance(HEADER_TIMEOUT - 3)
    client.send(wire.frame(wire.CONTINUATION, 0, 1, b"\x00\x01a\x01b"))
    late(lab, 3)
    expect_ended(client)
    lab.expect_untouched()


@timeout_case("RFC9113-10.5", "a HEADERS frame that never ends does so after header_timeout, too")
def endless_headers_frame(lab):
    client = lab.connect()
    client.settle()
    octets = wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, client.encoder.encode(request("/endless")))
    client.send(octets[:-5])
    late(lab, HEADER_TIMEOUT)
    expect_ended(client)
    lab.expect_untouched()


@timeout_case("RFC9113-10.5", "a slow header block that ends in time is served")
def slow_block(lab):
    client = lab.connect()
    client.settle()
    block = client.encoder.encode(request("/slow"))
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, 1, block[:5]))
    seen(lab)
    lab.gateway.advance(HEADER_TIMEOUT - 2)
    client.send(wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, block[5:]))
    client.answer(1)


# --- silence

@timeout_case("RFC9113-9.1", "a connection without requests ends after idle_timeout with GOAWAY(NO_ERROR)")
def idle(lab):
    client = lab.connect()
    client.get("/one")
    client.settle()
    late(lab, IDLE_TIMEOUT)
    client.expect_goaway(wire.NO_ERROR)
    equal(client.goaways[-1].number(), 1, "the last stream of GOAWAY")


@timeout_case("RFC9113-9.1", "a connection that has never asked for anything does so as well")
def never_used(lab):
    client = lab.connect()
    client.settle()
    late(lab, IDLE_TIMEOUT)
    client.expect_goaway(wire.NO_ERROR)


@timeout_case("RFC9113-9.1", "a frame that never ends is silence")
def endless_frame(lab):
    client = lab.connect()
    client.settle()
    client.send(wire.ping()[:5])
    late(lab, IDLE_TIMEOUT)
    expect_ended(client)


@timeout_case("RFC9113-9.1", "a connection is not idle while an answer is under way")
def busy(lab):
    gates = [lab.gate() for _ in range(4)]

    def do(visit):
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        for gate in gates:
            gate.wait(5)
            visit.send(b"x")

    lab.backend.on("/busy", do)
    client = lab.connect()
    stream = client.begin(request("/busy"))
    client.until(lambda: client.streams[stream].head, "the head")
    for number, gate in enumerate(gates):  # 80 seconds, none of which is too long for the backend
        lab.gateway.advance(IDLE_TIMEOUT // 3)
        gate.set()
        client.until(lambda: len(client.streams[stream].body) > number, "another octet")
    client.answer(stream)
    client.expect_alive()


@timeout_case("RFC9113-8.1", "a content that stops is answered with 408 after body_timeout, and the connection lives on")
def stopped_upload(lab):
    lab.backend.on("/stopped", lambda visit: visit.wait_until_gone())
    client = lab.connect()
    stream = client.begin(request("/stopped", ("content-length", "10"), method="POST"), end=False)
    client.send_data(stream, b"stop")
    visit = lab.backend.visit("/stopped")
    client.settle()
    late(lab, BODY_TIMEOUT)
    client.answer(stream, 408)
    client.expect_reset(stream, wire.NO_ERROR)
    check(visit.gone.wait(5), "expected that the gateway closes the backend's connection, it did not")
    client.expect_alive()


@timeout_case("RFC9113-8.1", "a backend that does not answer gives 504 after response_timeout, and the connection lives on")
def slow_backend(lab):
    gate = lab.gate()
    lab.backend.on("/slow", lambda visit: gate.wait(30))
    client = lab.connect()
    stream = client.begin(request("/slow"))
    lab.backend.visit("/slow")
    late(lab, RESPONSE_TIMEOUT)
    client.answer(stream, 504)
    client.expect_alive()


@timeout_case("RFC9113-8.1", "an answer that stops is reset")
def stopped_answer(lab):
    gate = lab.gate()
    lab.backend.on("/stopped", lambda visit: (visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nstop"), gate.wait(30)))
    client = lab.connect()
    stream = client.begin(request("/stopped"))
    client.until(lambda: client.streams[stream].body == b"stop", "the beginning of the content")
    late(lab, BODY_TIMEOUT)
    client.expect_reset(stream, wire.INTERNAL_ERROR)
    client.expect_alive()


# --- clients that do not take what they have asked for

def endless(visit):
    visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        visit.send(b"8000\r\n" + bytes(0x8000) + b"\r\n")


def held_back(lab, visit):
    """How much the backend could send when it could send no more."""
    sent, rounds = -1, 0
    while rounds < 20:  # without progress; another connection's round trips are the pace
        rounds = rounds + 1 if visit.sent == sent else 0
        sent = visit.sent
        lab.connect().settle()
        time.sleep(0.01)
    return sent


@timeout_case("CVE-2019-9517", "a stream whose window stays shut is reset after write_timeout, and its backend let go")
def shut_window(lab):
    lab.backend.on("/endless", endless)
    client = lab.connect(settings=[(wire.INITIAL_WINDOW_SIZE, 10)])
    stream = client.begin(request("/endless"))
    client.until(lambda: len(client.streams[stream].body) == 10, "ten octets")
    client.settle()
    for _ in range(2):  # the time begins again where something was taken within it
        late(lab, WRITE_TIMEOUT)
    client.expect_reset(stream, wire.CANCEL)
    check(lab.backend.visit("/endless").gone.wait(5), "expected that the gateway closes the backend's connection, it did not")
    client.expect_alive()


@timeout_case("CVE-2019-9517", "a client that opens its windows and reads nothing holds back the backend, and is cut off after write_timeout")
def unread_connection(lab):
    lab.backend.on("/endless", endless)
    client = lab.connect(settings=[(wire.INITIAL_WINDOW_SIZE, wire.WINDOW_MAX)])
    client.settle()
    client.send(wire.window_update(0, wire.WINDOW_MAX - wire.WINDOW))
    client.begin(request("/endless"))
    visit = lab.backend.visit("/endless")
    sent = held_back(lab, visit)
    check(sent < 64 << 20, f"expected that the backend is held back, it could send {sent} octets")
    late(lab, WRITE_TIMEOUT)
    check(visit.gone.wait(5), "expected that the gateway closes the backend's connection, it did not")
    lab.expect_serving()


@timeout_case("RFC9113-9.1", "without TLS, a connection that says nothing ends after header_timeout")
def silent_without_tls(lab):
    client = lab.connect_plain(greet=False)
    late(lab, HEADER_TIMEOUT)
    client.expect_closed()


# --- answers that last

@timeout_case("RFC9113-8.1", "an event stream whose key is revoked ends in order, other content of unknown length is reset")
def revoked_while_answered(lab):
    def begins(content_type):
        def do(visit):
            visit.answer(headers=[("Content-Type", content_type), ("Transfer-Encoding", "chunked")], body=b"5\r\nfirst\r\n", framing=False)
            visit.wait_until_gone()
            visit.keep = False
        return do

    lab.backend.on("/keyed/events", begins("text/event-stream"))
    lab.backend.on("/keyed/calls", begins("application/grpc"))
    client = lab.connect()
    events, calls = (client.begin(request(f"/keyed/{name}", ("x-api-key", lab.key))) for name in ("events", "calls"))
    client.until(lambda: all(bytes(client.streams[stream].body) == b"first" for stream in (events, calls)), "the first piece of both")
    lab.revoke_key()
    late(lab, 1)
    client.until(lambda: client.streams[events].over and client.streams[calls].over, "the end of both")
    check(client.streams[events].ended, "expected the events to end in order")
    equal(client.streams[calls].reset, wire.INTERNAL_ERROR, "the code of the reset")
    client.get("/keyed/events", ("x-api-key", lab.key), status=401)
    client.expect_alive()
    lab.make_key()
