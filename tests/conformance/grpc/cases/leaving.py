"""Connections to a backend that are of no more use, or may not be: who leaves them, and whom they do not stand in the way of."""
import http.server
import threading

from support import wire
from support.client import request
from support.lab import expect_event
from support.registry import case, check, equal


class Plain:
    """A backend of HTTP/1.1."""
    secure = False

    def __init__(self):
        class Hello(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"plain")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def target(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def plain(lab):
    backend = Plain()
    lab.peers.append(backend)
    return backend


def ended(client, stream):
    came = client.streams[stream]
    client.until(lambda: came.ended or came.over, f"an end on stream {stream}")
    return came


# --- a connection that is dead without a word

def call_within(time):
    return request("/test.Peer/Call", ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", time), method="POST")


def deaf_connection(lab):
    """A client, its gateway and a backend that has answered once and hears nothing any more over that connection."""
    peer = lab.peer()
    client = lab.client(gateway := lab.front(peer))
    client.get("/first")
    peer.link().deaf = True
    return client, gateway, peer


def expect_left(lab, client, gateway, peer):
    lab.late(gateway, 2)
    client.settle()
    equal(bytes(client.get("/last").body), b"hello", "the content")
    check(peer.call("/last").link is not peer.link(), "expected a new connection, came the deaf one")


@case("RFC9113-6.7", "a connection that has become deaf is left, however short the deadlines of its calls", needs_clock=True)
def deaf_to_deadlines(lab):
    client, gateway, peer = deaf_connection(lab)
    for _ in range(3):  # the first asks whether it still hears us, and these do not wait for the answer
        equal(ended(client, client.begin(call_within("50m"))).value(b"grpc-status"), b"4", "grpc-status")
    expect_left(lab, client, gateway, peer)


@case("RFC9113-6.7", "a connection that has become deaf is left, also where clients wait for less than it takes to tell", needs_clock=True)
def deaf_to_clients_that_leave(lab):
    client, gateway, peer = deaf_connection(lab)
    stream = client.begin(request("/given-up"))
    client.settle()
    client.send(wire.reset(stream, wire.CANCEL))
    expect_left(lab, client, gateway, peer)


@case("RFC9113-6.7", "a slow backend that answers a PING keeps its connection, and is not asked twice for nothing", needs_clock=True)
def slow_but_there(lab):
    peer = lab.peer()
    peer.on("/slow", lambda _: None)
    client = lab.client(gateway := lab.front(peer))
    for number in range(5):
        stream = client.begin(request("/slow"))
        peer.call("/slow", number)
        client.send(wire.reset(stream, wire.CANCEL))
        lab.late(gateway, 2)
    equal(peer.link().count(wire.PING), 1, "the PINGs")
    client.get("/next")
    equal(len(peer.links), 1, "the connections")


@case("RFC9113-8.7", "a backend gets a new connection before it has seen more cancelled than some bear")
def much_cancelled(lab):
    peer = lab.peer()
    peer.on("/slow", lambda _: None)
    client = lab.client(lab.front(peer))
    for number in range(150):
        stream = client.begin(request("/slow"))
        peer.call("/slow", number)
        client.send(wire.reset(stream, wire.CANCEL))
        peer.call("/slow", number).expect_gone()
    client.get("/next")
    check(len(peer.links) > 1, "expected a second connection, came none")
    resets = [link.count(wire.RST_STREAM) for link in peer.links]
    check(max(resets) <= 100, f"expected at most 100 resets on a connection, came {resets}")


# --- connections that leave, and the places of others

def leaving(lab, peer, client, count):
    """So many connections to a backend that end with an answer which is not over: GOAWAY, and the rest of it later. Gives the streams, and what
    ends them."""
    gate, told, streams = lab.gate(), [lab.gate() for _ in range(count)], []

    def leaves(number):
        def do(call):
            call.link.goaway(call.stream)
            call.link.change()  # what is acknowledged comes behind GOAWAY
            call.head(200)
            told[number].set()
            gate.wait(20)
            call.send_content(b"kept")

        return do

    for number in range(count):
        peer.on(f"/kept/{number}", leaves(number))
        seen = len(peer.calls)
        while len(peer.calls) == seen:  # until its turn comes
            stream = client.begin(request(f"/kept/{number}"))
            client.until(lambda: client.streams[stream].status, "the head of an answer")
        streams.append(stream)
        expect_event(told[number], "an acknowledgement of SETTINGS")
    return streams, gate


@case("RFC9113-6.8", "connections that leave, however many, take no place from the next one")
def leaving_many(lab):
    peers = [lab.peer(), lab.peer()]
    client = lab.client(lab.front(*peers, upstream="connections_max: 2"))
    streams, gate = leaving(lab, peers[0], client, 2)
    for number in range(4):
        equal(bytes(client.get(f"/{number}").body), b"hello", "the content")
    gate.set()
    for stream in streams:
        equal(bytes(client.answer(stream).body), b"kept", "the content of one that has left")


@case("RFC9113-6.8", "connections that leave take no place from those of HTTP/1.1")
def leaving_beside_plain(lab):
    peer = lab.peer()
    client = lab.client(lab.front(peer, plain(lab), upstream="connections_max: 2"))
    streams, gate = leaving(lab, peer, client, 2)
    bodies = [bytes(client.get(f"/{number}").body) for number in range(4)]
    equal(sorted(bodies), [b"hello"] * 2 + [b"plain"] * 2, "the content")
    gate.set()
    for stream in streams:
        equal(bytes(client.answer(stream).body), b"kept", "the content of one that has left")


@case("RFC9113-6.8", "connections that leave are bounded, too")
def leaving_bounded(lab):
    peer = lab.peer()
    client = lab.client(lab.front(peer, upstream="connections_max: 1\n    connect_timeout: 100ms"))
    streams, gate = leaving(lab, peer, client, 2)
    client.get("/too-many", status=503)
    equal(len(peer.links), 2, "the connections")
    gate.set()
    for stream in streams:
        equal(bytes(client.answer(stream).body), b"kept", "the content of one that has left")
    equal(bytes(client.get("/next").body), b"hello", "the content")


@case("RFC9113-6.8", "answers that nobody reads give way also where they hold up connections that leave", needs_clock=True)
def leaving_unread(lab):
    peer = lab.peer()
    gateway = lab.front(peer, upstream="connections_max: 1")
    reader = lab.client(gateway)
    holder = lab.client(gateway, settings=[(wire.INITIAL_WINDOW_SIZE, 0)])

    def leaves(call):
        call.link.goaway(call.stream)
        call.link.change()
        call.answer(body=b"nobody reads it")

    for number in range(2):
        peer.on(f"/held/{number}", leaves)
        for path in ["/held"] * 7 + [f"/held/{number}"]:
            stream = holder.begin(request(path))
            holder.until(lambda: holder.streams[stream].status, "the head of an answer")
    lab.late(gateway, 3)
    equal(bytes(reader.get("/next").body), b"hello", "the content")
    check(any(link.gone.wait(2) for link in peer.links[:2]), "expected that the backend is let go, it is not")


# --- a backend that refuses

@case("RFC9113-8.7", "a backend that refuses whatever it is asked does not draw requests away from the others")
def black_hole(lab):
    for refuses in (lambda call: call.reset(wire.REFUSED_STREAM), lambda call: call.link.goaway(0),
                    lambda call: call.link.goaway(max(0, call.stream - 2), wire.ENHANCE_YOUR_CALM)):
        peers = [lab.peer(), lab.peer()]
        for number in range(20):
            peers[0].on(f"/{number}", refuses)
        client = lab.client(gateway := lab.front(*peers))
        for number in range(20):
            equal(bytes(client.get(f"/{number}").body), b"hello", "the content")
        check(len(peers[0].calls) <= 5, f"expected that few requests go to the one that refuses, came {len(peers[0].calls)}")
        check("upstream_failed" in gateway.errors(), "expected that the log tells of it")


@case("RFC9113-8.7", "an answer of before does not make a backend good that refuses from then on")
def turns_to_refusing(lab):
    gate, peers = lab.gate(), [lab.peer(), lab.peer()]
    peers[0].on("/under-way", lambda call: (gate.wait(20), call.answer()))
    for number in range(40):
        peers[0].on(f"/{number}", lambda call: call.reset(wire.REFUSED_STREAM))
    client = lab.client(lab.front(*peers))
    streams = []
    while "/under-way" not in peers[0].paths():
        streams.append(client.begin(request("/under-way")))
        client.settle()
    for number in range(20):
        client.get(f"/{number}")
    gate.set()
    for stream in streams:
        client.answer(stream)
    seen = len(peers[0].calls)
    for number in range(20, 40):
        equal(bytes(client.get(f"/{number}").body), b"hello", "the content")
    check(len(peers[0].calls) - seen <= 2, f"expected that few more requests go to it, came {len(peers[0].calls) - seen}")


# --- a connection that is held up

@case("RFC9113-6.9", "a backend that takes one connection only: others go beside an upload that it does not take")
def held_up(lab):
    peer = lab.peer(give_back=False, settings=[(wire.INITIAL_WINDOW_SIZE, 1 << 20)])
    peer.on("/upload", lambda call: call.wait_until_gone())
    client = lab.client(lab.front(peer, upstream="connect_timeout: 300ms"))
    client.get("/first")
    peer.link().wait(lambda: peer.link().settled, 20)
    peer.manners = {"greet": False}  # whoever comes next is not spoken to
    stream = client.begin(request("/upload", method="POST"), end=False)
    client.upload(stream, b"x" * 65535, end=False)
    peer.call("/upload").expect_content(65535)
    for number in range(4):
        equal(bytes(client.get(f"/{number}").body), b"hello", "the content")
    equal(len(peer.links), 2, "the connections")


# --- what is sent once more

@case("RFC9113-6.8", "a POST that was not acted on goes again whole, though its content came in pieces")
def pieces_again(lab):
    peer = lab.peer()

    def leaves(call):
        call.read_content()
        call.link.goaway(max(0, call.stream - 2))

    peer.on("/asked", [leaves, lambda call: (call.read_content(), call.answer(body=bytes(call.content)))])
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked", method="POST"), end=False)
    client.send_data(stream, b"a" * 3000)
    peer.call("/asked").expect_content(3000)
    client.send_data(stream, b"b" * 12000)
    peer.call("/asked").expect_content(15000)
    client.send_data(stream, b"c" * 1000, end=True)
    equal(bytes(client.answer(stream).body), b"a" * 3000 + b"b" * 12000 + b"c" * 1000, "the content of the second attempt")
