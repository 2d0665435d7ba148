"""Calls that are given up: by the client, by the time, by a server that is gone."""
import re

import grpc

from support import wire
from support.client import request
from support.lab import expect_event
from support.method import expect_status
from support.patience import PATIENCE
from support.peer import grpc_replies, quietly
from support.registry import case, check, equal


def holds(gate):
    def do(_, __):
        gate.wait(PATIENCE)
        return b"too late"

    return do


def says_first(lab, **options):
    """A method that gives one message and then nothing for long: the call of it that is under way, and the method."""
    gate = lab.gate()

    def do(_, __):
        yield b"first"
        gate.wait(PATIENCE)

    method = lab.method("unary_stream", do)
    call = method(**options)
    equal(next(call), b"first", "the first message")
    return call, method


def direct_case(name):
    return case("cancellation", name, direct=True)


@direct_case("a call that the client cancels ends at the server")
def cancel_unary(lab):
    method = lab.method("unary_unary", holds(lab.gate()))
    call = method.start()
    visit = method.visit()
    check(visit.context.is_active(), "expected that the call is under way, it is not")
    call.cancel()
    visit.expect_gone()
    check(not visit.context.is_active(), "expected that the call is over at the server, it goes on")


@direct_case("a stream of the server that the client cancels ends at the server")
def cancel_server_stream(lab):
    call, method = says_first(lab)
    call.cancel()
    method.visit().expect_gone()
    expect_status(lambda: list(call), grpc.StatusCode.CANCELLED)


@direct_case("a stream both ways that the client cancels ends at the server")
def cancel_both(lab):
    gate = lab.gate()

    def requests():
        yield b"first"
        gate.wait(PATIENCE)

    method = lab.method("stream_stream", lambda came, _: came)
    call = method(requests())
    equal(next(call), b"first", "the echo")
    call.cancel()
    method.visit().expect_gone()


@direct_case("cancelling one call leaves the others of the channel alone")
def cancel_one(lab):
    gate = lab.gate()
    method = lab.method("unary_unary", lambda request, _: (gate.wait(PATIENCE), request)[1])
    doomed, kept = method.start(b"doomed"), method.start(b"kept")
    method.expect_visits(2)
    doomed.cancel()
    gate.set()
    equal(kept.result(), b"kept", "the answer to the other call")


@direct_case("a channel that closes ends its calls at the server")
def close_channel(lab):
    channel = lab.channel()
    method = lab.method("unary_unary", holds(lab.gate()), channel=channel)
    call = method.start()
    visit = method.visit()
    channel.close()
    visit.expect_gone()
    check(call.done() or call.cancelled() or not call.running(), "expected that the call is over at the client, it goes on")


@case("deadline", "the client's deadline reaches the server", direct=True)
def deadline_told(lab):
    told = []

    def do(request, context):
        told.append(context.time_remaining())
        return request

    lab.method("unary_unary", do)(timeout=1000)
    check(told[0] is not None and 0 < told[0] <= 1000, f"expected a deadline of up to 1000 s at the server, came {told[0]}")


@case("deadline", "without one, the server is told none", direct=True)
def no_deadline(lab):
    told = []

    def do(request, context):
        told.append(context.time_remaining())
        return request

    lab.method("unary_unary", do).start(timeout=None).result(PATIENCE)
    check(told[0] is None or told[0] > 1e6, f"expected no deadline at the server, came {told[0]}")


@case("deadline", "one that passes is DEADLINE_EXCEEDED, and the call ends at the server", direct=True)
def deadline_passes(lab):
    method = lab.method("unary_unary", holds(lab.gate()))
    expect_status(lambda: method(timeout=2), grpc.StatusCode.DEADLINE_EXCEEDED)
    method.visit().expect_gone()


@case("deadline", "one that passes within a stream is DEADLINE_EXCEEDED, behind the messages that came", direct=True)
def deadline_in_stream(lab):
    call, method = says_first(lab, timeout=3)
    expect_status(lambda: list(call), grpc.StatusCode.DEADLINE_EXCEEDED)
    method.visit().expect_gone()


@case("deadline", "a server slower than response_timeout is DEADLINE_EXCEEDED, and its call ends", needs_clock=True)
def response_timeout(lab):
    method = lab.method("unary_unary", holds(lab.gate()))
    call = method.start()
    visit = method.visit()
    lab.late(lab.gateway, 15)
    expect_status(call.result, grpc.StatusCode.DEADLINE_EXCEEDED)
    visit.expect_gone()


@case("unavailable", "a port where nobody listens is UNAVAILABLE")
def nobody(lab):
    method = lab.method("unary_unary", lambda request, _: request, service="Nobody")
    expect_status(method, grpc.StatusCode.UNAVAILABLE)


@case("unavailable", "a port where nobody listens is UNAVAILABLE for a stream of the client, too")
def nobody_for_stream(lab):
    method = lab.method("stream_unary", lambda requests, _: b"".join(requests), service="Nobody")
    expect_status(lambda: method(iter([b"1", b"2"])), grpc.StatusCode.UNAVAILABLE)


@case("unavailable", "a server that comes up is found", needs_clock=True)
def comes_up(lab):
    peer = lab.peer(listening=False)
    peer.on("/test.Peer/Call", grpc_replies(b"ok"))
    gateway = lab.front(peer)
    stub = lab.channel(gateway).unary_unary("/test.Peer/Call")
    expect_status(lambda: stub(b"", timeout=PATIENCE), grpc.StatusCode.UNAVAILABLE)
    peer.listen()
    lab.late(gateway, 60)
    equal(stub(b"", timeout=PATIENCE), b"ok", "the answer")


@direct_case("a call that ends well has ended at the server, too")
def ends_well(lab):
    ended = lab.gate()
    method = lab.method("unary_unary", lambda request, context: (context.add_callback(ended.set), request)[1])
    equal(method(b"well"), b"well", "the answer")
    expect_event(ended, "the end of the call at the server")


@case("unavailable", "a server that goes away: calls under way end, and the next are UNAVAILABLE")
def goes_away(lab):
    peer = lab.peer()
    peer.on("/test.Peer/Call", lambda call: (peer.close(), call.link.close()))
    stub = lab.channel(lab.front(peer)).unary_unary("/test.Peer/Call")
    under_way = stub.future(b"", timeout=PATIENCE)
    expect_status(under_way.result, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
    for _ in range(3):
        expect_status(lambda: stub(b"", timeout=PATIENCE), grpc.StatusCode.UNAVAILABLE)


@case("deadline", "grpc-timeout reaches the backend as it was said")
def deadline_header(lab):
    peer = lab.peer()
    peer.on("/test.Peer/Call", grpc_replies(b"ok"))
    stub = lab.channel(lab.front(peer)).unary_unary("/test.Peer/Call")
    equal(stub(b"", timeout=PATIENCE), b"ok", "the answer")
    told = peer.call("/test.Peer/Call").value(b"grpc-timeout")
    check(told is not None and re.fullmatch(rb"[0-9]{1,8}[HMSmun]", told), f"expected a time, came {told}")


def call_within(time):
    return request("/test.Peer/Call", ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", time), method="POST")


def grpc_timeout(lab, do, end):
    """A call with a deadline of two seconds that has passed: what the client gets, and the call at the backend."""
    peer = lab.peer()
    peer.on("/test.Peer/Call", do)
    gateway = lab.front(peer)
    client = lab.client(gateway)
    stream = client.begin(call_within("2S"), end=end)
    call = peer.call("/test.Peer/Call")
    came = client.streams[stream]
    if do is not quietly:
        client.until(lambda: came.informational, "the interim answer")
    lab.late(gateway, 2)
    client.until(lambda: came.over or came.ended, "an end of the call")
    equal(came.value(b"grpc-status"), b"4", "grpc-status")
    call.expect_gone()


@case("deadline", "one that passes before the server answers ends the call, whoever watches it", needs_clock=True)
def deadline_of_whole_request(lab):
    grpc_timeout(lab, quietly, end=True)


@case("deadline", "one that passes while the client may still send ends the call", needs_clock=True)
def deadline_of_open_request(lab):
    grpc_timeout(lab, quietly, end=False)


@case("deadline", "one that passes behind an interim answer, while the client may still send, ends the call", needs_clock=True)
def deadline_behind_interim(lab):
    grpc_timeout(lab, lambda call: call.head(103), end=False)


@case("deadline", "one runs from the beginning of the call, however often that is tried", needs_clock=True)
def deadline_of_all_attempts(lab):
    peer, gate = lab.peer(), lab.gate()
    peer.on("/test.Peer/Call", [lambda call: (gate.wait(PATIENCE), call.reset(wire.REFUSED_STREAM)), quietly])
    client = lab.client(gateway := lab.front(peer))
    came = client.streams[client.begin(call_within("90S"), end=False)]
    peer.call("/test.Peer/Call")
    lab.late(gateway, 60)
    gate.set()
    second = peer.call("/test.Peer/Call", 1)
    lab.late(gateway, 35)
    client.until(lambda: came.ended, "an end of the call")
    equal(came.value(b"grpc-status"), b"4", "grpc-status")
    second.expect_gone()


@case("deadline", "one that passes before there is a connection ends the call")
def deadline_of_no_connection(lab):
    peer = lab.peer(greet=False, acknowledge=False)
    client = lab.client(lab.front(peer, upstream="connect_timeout: 60s"))
    came = client.streams[client.begin(call_within("300m"))]
    client.until(lambda: came.ended, "an end of the call")
    equal(came.value(b"grpc-status"), b"4", "grpc-status")


@case("deadline", "a call's own deadline is no failure of the server, and does not cost its connection", needs_clock=True)
def deadline_of_a_stranger(lab):
    peer = lab.peer()
    peer.on("/test.Peer/Call", quietly)
    client = lab.client(gateway := lab.front(peer))
    came = client.streams[client.begin(call_within("1500m"))]
    peer.call("/test.Peer/Call")
    lab.late(gateway, 1)
    client.until(lambda: came.ended, "an end of the call")
    equal(came.value(b"grpc-status"), b"4", "grpc-status")
    client.get("/next")
    check(peer.call("/next").link is peer.call("/test.Peer/Call").link, "expected the same connection")
    check("upstream_failed" not in gateway.errors(), "expected the server to be good")


@case("deadline", "deadlines that leave the server no time are no failure of it, and do not cost its connection", needs_clock=True)
def deadline_of_no_time(lab):
    peer = lab.peer()
    peer.on("/test.Peer/Call", quietly)
    client = lab.client(gateway := lab.front(peer))
    client.get("/first")
    for _ in range(5):
        came = client.streams[client.begin(call_within("1m"))]
        client.until(lambda: came.ended, "an end of the call")
        equal(came.value(b"grpc-status"), b"4", "grpc-status")
        client.get("/next")
    equal(len(peer.links), 1, "the connections to the server")
    check("upstream_failed" not in gateway.errors(), "expected that the server has not failed, it is said to have")
