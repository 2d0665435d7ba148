"""Many requests on one connection (RFC 9113 sections 5.1.2, 5.4, 8.1)."""
from support import wire
from support.backend import replies
from support.client import request
from support.registry import case, check, equal

STREAMS = 128  # SETTINGS_MAX_CONCURRENT_STREAMS of the gateway


def full(lab, **options):
    """A client with as many requests under way as there may be, and the gate that holds back their answers."""
    gate = lab.gate()
    client = lab.connect(**options)
    client.settle()
    for number in range(STREAMS):
        path = f"/held/{number}"
        lab.backend.on(path, lambda visit: (visit.read_content(), gate.wait(30), visit.answer(body=visit.path.encode())))
        client.begin(request(path))
    for number in range(STREAMS):
        lab.backend.visit(f"/held/{number}")
    return client, gate


def expect_held_answers(client):
    for number in range(STREAMS):
        equal(bytes(client.answer(1 + 2 * number).body), b"/held/%d" % number, "the content")


@case("RFC9113-5.1.2", "128 requests are served at once")
def as_many_as_told(lab):
    client, gate = full(lab)
    gate.set()
    expect_held_answers(client)
    client.expect_alive()


# nghttp2 1.52 makes an error of the connection of what a client does that has acknowledged the limit, as section 5.4.1 lets it.
@case("RFC9113-5.1.2", "the 129th request at once is an error, and does not reach the backend")
def one_too_many(lab):
    client, gate = full(lab)
    client.begin(request("/one-too-many"))
    client.expect_goaway(wire.PROTOCOL_ERROR)
    gate.set()
    check("/one-too-many" not in lab.backend.paths(), "expected that it does not reach the backend, it did")


@case("RFC9113-5.1.2", "the limit counts before the client has acknowledged it")
def one_too_many_unacknowledged(lab):
    client, gate = full(lab, acknowledge=False)
    # REFUSED_STREAM lets a client that could not know of the limit try again
    client.expect_reset(client.begin(request("/one-too-many")), wire.REFUSED_STREAM)
    gate.set()
    expect_held_answers(client)


@case("RFC9113-5.1.2", "a request that is answered, and one that is reset, each make room for another")
def room_again(lab):
    client, gate = full(lab)
    client.send(wire.reset(1))
    client.settle()
    gate_of_new = lab.gate()
    lab.backend.on("/new", lambda visit: (gate_of_new.wait(5), visit.answer(body=b"new")))
    stream = client.begin(request("/new"))
    lab.backend.visit("/new")
    gate.set()
    client.answer(3)
    gate_of_new.set()
    equal(bytes(client.answer(stream).body), b"new", "the content")
    client.expect_alive()


@case("RFC9113-5.1.2", "requests whose content is still to come count as well")
def unfinished_requests_count(lab):
    client = lab.connect()
    client.settle()
    for number in range(STREAMS):
        client.begin(request(f"/open/{number}", method="POST"), end=False)
    client.begin(request("/one-too-many"))
    client.expect_goaway(wire.PROTOCOL_ERROR)
    check("/one-too-many" not in lab.backend.paths(), "expected that it does not reach the backend, it did")


@case("RFC9113-5", "answers come in the order in which they are ready")
def out_of_order(lab):
    gates = [lab.gate() for _ in range(5)]
    client = lab.connect()
    for number, gate in enumerate(gates):
        lab.backend.on(f"/order/{number}", lambda visit, g=gate: (g.wait(5), visit.answer(body=visit.path.encode())))
        client.begin(request(f"/order/{number}"))
    for number in (3, 0, 4, 2, 1):
        gates[number].set()
        equal(bytes(client.answer(1 + 2 * number).body), b"/order/%d" % number, "the content")
    ended = [frame.stream for frame in client.frames if frame.type == wire.DATA and frame.has(wire.END_STREAM)]
    equal(ended, [7, 1, 9, 5, 3], "the order of the answers")


@case("RFC9113-5", "contents that come interleaved are kept apart")
def interleaved_uploads(lab):
    client = lab.connect()
    streams = [client.begin(request(f"/upload/{number}", method="POST"), end=False) for number in range(8)]
    for _ in range(50):
        for number, stream in enumerate(streams):
            client.send_data(stream, b"%d" % number * 100)
    for stream in reversed(streams):
        client.send_data(stream, end=True)
    for number, stream in enumerate(streams):
        client.answer(stream)
        equal(bytes(lab.backend.visit(f"/upload/{number}").content), b"%d" % number * 5000, "the content at the backend")


@case("RFC9113-5", "large answers come interleaved, and whole")
def interleaved_answers(lab):
    client = lab.connect(give_back=True)
    bodies = [b"%d" % number * 200000 for number in range(6)]
    for number, body in enumerate(bodies):
        lab.backend.on(f"/large/{number}", replies(body=body))
        client.begin(request(f"/large/{number}"))
    for number, body in enumerate(bodies):
        check(bytes(client.answer(1 + 2 * number).body) == body, f"expected the content of stream {1 + 2 * number} as it is, came another")
    order = [frame.stream for frame in client.frames if frame.type == wire.DATA]
    check(order.index(11) < len(order) - 1 - order[::-1].index(1), "expected that the last stream begins before the first ends")


@case("RFC9113-8.1", "uploads and answers go on at the same time")
def both_directions(lab):
    def echo(visit):
        visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            piece = visit.take(1000)
            visit.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        visit.send(b"0\r\n\r\n")

    lab.backend.on("/echo", echo)
    client = lab.connect()
    stream = client.begin(request("/echo", ("content-length", "20000"), method="POST"), end=False)
    came = client.streams[stream]
    for number in range(20):
        client.send_data(stream, b"%d" % (number % 10) * 1000, end=number == 19)
        client.until(lambda: len(came.body) >= 1000 * (number + 1), f"piece {number} of the answer, before the next is sent")
    client.answer(stream)
    equal(bytes(came.body), b"".join(b"%d" % (number % 10) * 1000 for number in range(20)), "the content")


@case("RFC9113-5.4.2", "a stream's error leaves the others alone")
def error_of_one_stream(lab):
    gate = lab.gate()
    lab.backend.on("/held", lambda visit: (gate.wait(5), visit.answer(body=b"held")))
    client = lab.connect()
    held = client.begin(request("/held"))
    lab.backend.visit("/held")
    client.expect_reset(client.begin(request("/bad", ("connection", "close"))), wire.PROTOCOL_ERROR)
    client.get("/good")
    gate.set()
    equal(bytes(client.answer(held).body), b"held", "the content")


@case("RFC9113-5.4.2", "a reset stream gives up its upload at the backend, and no other")
def reset_of_upload(lab):
    lab.backend.on("/given-up", lambda visit: visit.wait_until_gone())
    client = lab.connect()
    given_up = client.begin(request("/given-up", ("content-length", "100"), method="POST"), end=False)
    client.send_data(given_up, b"the beginning")
    kept = client.begin(request("/kept", ("content-length", "4"), method="POST"), end=False)
    client.send_data(kept, b"k")
    visit = lab.backend.visit("/given-up")
    lab.backend.visit("/kept")
    client.send(wire.reset(given_up))
    check(visit.gone.wait(5), "expected that the gateway closes the backend's connection, it did not")
    client.send_data(kept, b"ept", end=True)
    client.answer(kept)


@case("RFC9113-5.4.2", "a reset stream gives up an answer that is under way")
def reset_of_answer(lab):
    def do(visit):
        visit.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            visit.send(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    lab.backend.on("/endless", do)
    client = lab.connect()
    stream = client.begin(request("/endless"))
    visit = lab.backend.visit("/endless")
    client.until(lambda: client.streams[stream].body, "DATA")
    client.send(wire.reset(stream))
    check(visit.gone.wait(5), "expected that the gateway closes the backend's connection, it did not")
    client.expect_alive()


@case("RFC9113-5.4", "a client that is gone gives up all it has asked for")
def client_gone(lab):
    client, _ = full(lab)
    visits = lab.backend.visits[:]
    for visit in visits:  # they wait for the gate; what counts is that their connections are closed
        visit.connection.settimeout(5)
    client.close()
    for visit in visits:
        equal(visit.connection.recv(1), b"", "what the backend gets behind the request")
    lab.expect_serving()


@case("RFC9113-9.1", "a thousand requests go over one connection")
def many_requests(lab):
    client = lab.connect()
    for _ in range(20):
        for stream in [client.begin(request("/many")) for _ in range(50)]:
            client.answer(stream)
    equal(len(lab.backend.paths()), 1000, "the requests at the backend")
