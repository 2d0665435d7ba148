"""What is tried again, where, and what is not (RFC 9113 sections 6.8, 8.7; RFC 9110 section 9.2.2)."""
from support import wire
from support.client import request
from support.lab import expect_event
from support.patience import PATIENCE
from support.peer import grpc_replies, replies
from support.registry import case, check, equal

ALL = wire.WINDOW_MAX  # of a GOAWAY that announces itself: no request is refused yet


def refuses(call):
    call.reset(wire.REFUSED_STREAM)


def whatever(client, stream):
    """The answer on a stream, or its reset."""
    came = client.streams[stream]
    client.until(lambda: came.over, f"an end on stream {stream}")
    return came


def post(client, path, content=b"content"):
    stream = client.begin(request(path, ("content-length", str(len(content))), method="POST"), end=False)
    client.send_data(stream, content, end=True)
    return stream


def post_at_once(client, path, *more, content=b"content"):
    """The same in one write."""
    stream = client.new_stream()
    head = wire.frame(wire.HEADERS, wire.END_HEADERS, stream, client.encoder.encode(request(path, *more, method="POST")))
    client.send(head + wire.frame(wire.DATA, wire.END_STREAM, stream, content))
    return stream


# --- REFUSED_STREAM

@case("RFC9113-8.7", "REFUSED_STREAM: a GET is tried again")
def refused_get(lab):
    peer = lab.peer()
    peer.on("/asked", [refuses, refuses, refuses, refuses, replies()])  # as backends do that let a connection have few requests
    equal(bytes(lab.client(lab.front(peer)).get("/asked").body), b"hello", "the content")
    equal(peer.paths(), ["/asked"] * 5, "the requests at the backend")


@case("RFC9113-8.7", "REFUSED_STREAM: a POST without content is tried again, for nothing was done")
def refused_post(lab):
    peer = lab.peer()
    peer.on("/asked", [refuses, replies()])
    lab.client(lab.front(peer)).get("/asked", method="POST")
    equal(peer.paths(), ["/asked"] * 2, "the requests at the backend")


@case("RFC9113-8.7", "REFUSED_STREAM: a POST whose content has left is tried again whole, however its octets came")
def refused_post_with_content(lab):
    peer = lab.peer()
    client = lab.client(lab.front(peer))
    for path, ask in (("/apart", post), ("/together", post_at_once)):
        peer.on(path, [lambda call: (call.read_content(), refuses(call)), replies()])
        came = whatever(client, ask(client, path))
        equal(came.status, 200, "the status")
        equal(bytes(peer.call(path, 1).content), b"content", "the content of the second attempt")
    client.get("/next")


@case("RFC9113-8.7", "REFUSED_STREAM again and again is 502 or 503 after a bounded number of attempts")
def refused_always(lab):
    peer = lab.peer()
    peer.on("/asked", refuses)
    client = lab.client(lab.front(peer))
    came = whatever(client, client.begin(request("/asked")))
    check(came.status in (502, 503), f"expected 502 or 503, came: {client.told()}")
    check(2 <= len(peer.paths()) <= 10, f"expected 2 to 10 attempts, came {len(peer.paths())}")
    client.get("/next")


@case("RFC9113-8.7", "REFUSED_STREAM of one backend: another is tried")
def refused_elsewhere(lab):
    peers = [lab.peer(), lab.peer()]
    peers[0].on("/asked", refuses)
    client = lab.client(lab.front(*peers))
    for _ in range(6):
        equal(bytes(client.get("/asked").body), b"hello", "the content")
    check(peers[1].paths(), "expected requests at the other backend, came none")


@case("RFC9113-8.7", "a backend where nobody listens: each call goes to the other")
def one_is_not_there(lab):
    peers = [lab.peer(listening=False), lab.peer()]
    peers[1].on("/test.Peer/Call", grpc_replies(b"ok"))
    stub = lab.channel(lab.front(*peers)).unary_unary("/test.Peer/Call")
    for _ in range(6):
        equal(stub(b"", timeout=PATIENCE), b"ok", "the answer")


@case("RFC9113-8.7", "another reset is not tried again, whatever the method: a POST is sent once")
def reset_post(lab):
    peer = lab.peer()
    peer.on("/asked", lambda call: (call.read_content(), call.reset(wire.INTERNAL_ERROR)))
    client = lab.client(lab.front(peer))
    came = whatever(client, post(client, "/asked"))
    check(came.status in (502, 503), f"expected 502 or 503, came: {client.told()}")
    equal(peer.paths(), ["/asked"], "the requests at the backend")


@case("RFC9113-8.7", "a connection that is lost behind a POST: it is not sent again")
def lost_post(lab):
    peer = lab.peer()
    peer.on("/asked", lambda call: (call.read_content(), call.link.close()))
    client = lab.client(lab.front(peer))
    came = whatever(client, post(client, "/asked"))
    check(came.status in (502, 503), f"expected 502 or 503, came: {client.told()}")
    equal(peer.paths(), ["/asked"], "the requests at the backend")
    client.get("/next")


# --- GOAWAY

@case("RFC9113-6.8", "GOAWAY: a stream up to the last one is finished, and the next request has a new connection")
def goaway_below(lab):
    told, gate = lab.gate(), lab.gate()
    peer = lab.peer()

    def do(call):
        call.link.goaway(call.stream)
        call.link.change()  # what is acknowledged comes behind GOAWAY: the gateway knows of both
        told.set()
        gate.wait(20)
        call.answer(body=b"kept")

    peer.on("/kept", do)
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/kept"))
    expect_event(told, "an acknowledgement of SETTINGS")
    kept = peer.call("/kept")
    client.get("/next")
    check(peer.call("/next").link is not kept.link, "expected a new connection, came the old one")
    gate.set()
    equal(bytes(client.answer(stream).body), b"kept", "the content")


def above(name, ask):
    @case("RFC9113-6.8", f"GOAWAY: a {name} above the last stream is tried again on a new connection")
    def run(lab):
        gate = lab.gate()
        peer = lab.peer()
        peer.on("/held", lambda call: (gate.wait(20), call.answer(body=b"held")))
        peer.on("/above", [lambda call: (call.read_content(), call.link.goaway(call.stream - 2)), replies(body=b"above")])
        client = lab.client(lab.front(peer))
        held = client.begin(request("/held"))
        peer.call("/held")
        came = whatever(client, ask(client))
        equal(came.status, 200, "the status")
        check(peer.call("/above", 0).link is not peer.call("/above", 1).link, "expected a new connection, came the old one")
        gate.set()
        equal(bytes(client.answer(held).body), b"held", "the content of the stream below")


above("GET", lambda client: client.begin(request("/above")))
above("POST without content", lambda client: client.begin(request("/above", method="POST")))
above("POST with content", lambda client: post(client, "/above"))


@case("RFC9113-6.8", "GOAWAY on each new connection: the request fails, and few are opened for it")
def goaway_at_once(lab):
    peer = lab.peer(greet=False, hello=wire.settings() + wire.goaway(0, wire.NO_ERROR))
    client = lab.client(lab.front(peer))
    came = whatever(client, client.begin(request("/asked")))
    equal(came.status, 503, "the status")
    check(len(peer.links) <= 5, f"expected 5 connections at most, came {len(peer.links)}")


@case("RFC9113-6.8", "GOAWAY: the next connection has a place also where the one that ends took the target's last")
def goaway_of_the_last_place(lab):
    told, gate = lab.gate(), lab.gate()
    peers = [lab.peer(), lab.peer()]

    def do(call):
        call.link.goaway(call.stream)
        call.link.change()
        told.set()
        gate.wait(20)
        call.answer(body=b"kept")

    peers[0].on("/kept", do)
    client = lab.client(lab.front(*peers, upstream="connections_max: 2"))
    stream = client.begin(request("/kept"))
    expect_event(told, "an acknowledgement of SETTINGS")
    for _ in range(4):
        client.get("/next")
    equal(len(peers[0].links), 2, "the connections to the first backend")
    gate.set()
    equal(bytes(client.answer(stream).body), b"kept", "the content")


@case("RFC9113-6.8", "GOAWAY in two steps: all under way is finished")
def goaway_two_steps(lab):
    gates = [lab.gate() for _ in range(2)]
    peer = lab.peer()

    def do(call):
        call.link.goaway(ALL)
        gates[0].wait(20)
        call.link.goaway(call.stream)
        gates[1].wait(20)
        call.answer(body=b"finished")

    peer.on("/asked", do)
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked"))
    peer.call("/asked")
    client.get("/next")
    gates[0].set()
    client.get("/after/that")
    gates[1].set()
    equal(bytes(client.answer(stream).body), b"finished", "the content")


@case("RFC9113-6.8", "GOAWAY between two requests: the next one has a new connection")
def goaway_idle(lab):
    peer = lab.peer()
    client = lab.client(lab.front(peer))
    for _ in range(10):
        client.get("/one", method="POST")
        last = peer.links[-1]
        last.goaway(max(last.streams))
        last.close()
        client.settle()
    equal(len(peer.paths()), 10, "the requests at the backend")
    check(len(peer.links) >= 10, f"expected 10 connections, came {len(peer.links)}")


@case("RFC9113-6.8", "GOAWAY with an error: what it says was not done is tried again")
def goaway_error(lab):
    peer = lab.peer()
    peer.on("/asked", [lambda call: (call.link.goaway(0, wire.INTERNAL_ERROR), call.link.close()), replies()])
    equal(bytes(lab.client(lab.front(peer)).get("/asked").body), b"hello", "the content")


@case("RFC9113-6.8", "GOAWAY on each new connection is an end, not a loop")
def goaway_always(lab):
    peer = lab.peer()
    peer.on("/asked", lambda call: (call.link.goaway(0), call.link.close()))
    client = lab.client(lab.front(peer))
    came = whatever(client, client.begin(request("/asked")))
    check(came.status in (502, 503), f"expected 502 or 503, came: {client.told()}")
    check(len(peer.paths()) <= 10, f"expected 10 attempts at most, came {len(peer.paths())}")
    client.get("/next")


@case("RFC9113-6.8", "an unused connection that the backend closes is not used again")
def closed_idle(lab):
    peer = lab.peer()
    client = lab.client(lab.front(peer))
    for number in range(10):
        client.get(f"/{number}")
        peer.links[-1].close()
        client.settle()
    equal(len(peer.links), 10, "the connections")


@case("RFC9113-8.7", "a call of gRPC that a backend refuses to begin is tried again")
def refused_grpc(lab):
    peer = lab.peer()
    peer.on("/test.Peer/Call", [lambda call: call.reset(wire.REFUSED_STREAM), grpc_replies(b"ok")])
    gateway = lab.front(peer)
    client = lab.client(gateway)
    fields = request("/test.Peer/Call", ("content-type", "application/grpc"), ("te", "trailers"), method="POST")
    stream = client.begin(fields, end=False)  # its message has not been sent: nothing of it is lost
    peer.call("/test.Peer/Call", 1)
    client.send_data(stream, b"\0\0\0\0\0", end=True)
    came = client.answer(stream)
    equal((bytes(came.body), came.trailers), (b"\0\0\0\0\2ok", [(b"grpc-status", b"0")]), "the answer")


@case("RFC9113-8.7", "a call of gRPC that came with its message is tried again, too")
def refused_grpc_whole(lab):
    peer = lab.peer()
    peer.on("/test.Peer/Call", [lambda call: (call.read_content(), refuses(call)), grpc_replies(b"ok")])
    client = lab.client(lab.front(peer))
    client.get("/first")
    stream = post_at_once(client, "/test.Peer/Call", ("content-type", "application/grpc"), ("te", "trailers"), content=b"\0\0\0\0\0")
    came = client.answer(stream)
    equal((bytes(came.body), came.trailers), (b"\0\0\0\0\2ok", [(b"grpc-status", b"0")]), "the answer")


# --- SETTINGS_MAX_CONCURRENT_STREAMS

@case("RFC9113-5.1.2", "a backend that takes one stream at a time never gets two")
def one_at_a_time(lab):
    peer = lab.peer(settings=[(wire.MAX_CONCURRENT_STREAMS, 1)])
    client = lab.client(lab.front(peer))
    for stream in [client.begin(request(f"/{number}")) for number in range(40)]:
        client.answer(stream)
    equal(sorted(peer.paths()), sorted(f"/{number}" for number in range(40)), "the requests at the backend")
    check(max(link.most_open for link in peer.links) <= 1, f"expected one stream at a time, came {[link.most_open for link in peer.links]}")


@case("RFC9113-5.1.2", "a backend that lowers its limit is obeyed from then on")
def lowered(lab):
    peer = lab.peer(settings=[(wire.MAX_CONCURRENT_STREAMS, 100)])
    client = lab.client(lab.front(peer))
    client.get("/first")
    link = peer.link()
    link.change((wire.MAX_CONCURRENT_STREAMS, 2))
    for stream in [client.begin(request(f"/{number}")) for number in range(40)]:
        client.answer(stream)
    check(link.most_open <= 2, f"expected two streams at a time, came {link.most_open}")


@case("RFC9113-5.1.2", "a connection whose backend takes no more streams gives its place to another")
def makes_room(lab):
    closed, other = lab.peer(), lab.peer()
    client = lab.client(lab.front(closed, other, upstream="connections_max: 1"))
    client.get("/first")
    closed.link().change((wire.MAX_CONCURRENT_STREAMS, 0))
    client.get("/second")
    equal((closed.paths(), other.paths()), (["/first"], ["/second"]), "the requests at the backends")


@case("RFC9113-5.1.2", "a backend that takes no stream at all is an error in the end", needs_clock=True)
def none_at_a_time(lab):
    peer = lab.peer(settings=[(wire.MAX_CONCURRENT_STREAMS, 0)])
    peer.on("/asked", lambda call: call.wait_until_gone())  # of a gateway that asked before it knew
    gateway = lab.front(peer)
    client = lab.client(gateway)
    stream = client.begin(request("/asked"))
    client.settle()
    peer.link()
    for _ in range(5):  # for a connection, for the answer
        lab.late(gateway, 15)
    came = whatever(client, stream)
    check(came.status in (502, 503, 504), f"expected 502, 503 or 504, came: {client.told()}")
