"""The end of a gateway that has connections: GOAWAY, and what is under way is finished (RFC 9113 section 6.8)."""
from support import wire
from support.client import request
from support.registry import case, check, equal


def slow(lab, path="/slow"):
    """An answer that waits for a gate."""
    gate = lab.gate()
    lab.backend.on(path, lambda visit: (visit.read_content(), gate.wait(10), visit.answer(body=b"finished")))
    return gate


def told_to_end(lab, gateway, client):
    gateway.terminate()
    client.until(lambda: client.goaways, "GOAWAY")
    for goaway in client.goaways:
        equal(goaway.number(4), wire.NO_ERROR, "the code of GOAWAY")


def expect_end(gateway, client, last_stream):
    client.expect_closed()
    equal(client.goaways[-1].number(), last_stream, "the last stream of the last GOAWAY")
    equal(gateway.wait(), 0, "the exit status")


@case("RFC9113-6.8", "SIGTERM: GOAWAY(NO_ERROR), the answer under way is finished, exit status 0")
def drain_with_answer(lab):
    gateway, gate = lab.start_gateway(), slow(lab)
    client = lab.connect(gateway)
    client.get("/before")
    stream = client.begin(request("/slow"))
    lab.backend.visit("/slow")
    told_to_end(lab, gateway, client)
    gate.set()
    equal(bytes(client.answer(stream).body), b"finished", "the content")
    expect_end(gateway, client, stream)


@case("RFC9113-6.8", "SIGTERM: the upload under way is finished as well")
def drain_with_upload(lab):
    gateway, gate = lab.start_gateway(), slow(lab)
    client = lab.connect(gateway)
    stream = client.begin(request("/slow", method="POST"), end=False)
    client.send_data(stream, b"begun")
    lab.backend.visit("/slow")
    told_to_end(lab, gateway, client)
    client.send_data(stream, b", ended", end=True)
    gate.set()
    client.answer(stream)
    equal(bytes(lab.backend.visit("/slow").content), b"begun, ended", "the content at the backend")
    expect_end(gateway, client, stream)


@case("RFC9113-6.8", "SIGTERM: a request behind the GOAWAY is not served, and may be tried elsewhere")
def request_behind_goaway(lab):
    gateway, gate = lab.start_gateway(), slow(lab)
    client = lab.connect(gateway)
    stream = client.begin(request("/slow"))
    lab.backend.visit("/slow")
    told_to_end(lab, gateway, client)
    client.until(lambda: client.goaways[-1].number() == stream, "a GOAWAY that names the last stream")
    behind = client.begin(request("/behind"))
    client.settle()
    gate.set()
    client.answer(stream)
    expect_end(gateway, client, stream)
    check(client.streams[behind].head is None, f"expected no answer on stream {behind}; came: {client.told()}")
    equal(lab.backend.paths(), ["/slow"], "the requests at the backend")


@case("RFC9113-6.8", "SIGTERM: a connection without requests is told and ended at once")
def drain_idle(lab):
    gateway = lab.start_gateway()
    used, unused = lab.connect(gateway), lab.connect(gateway)
    used.get("/one")
    unused.settle()
    gateway.terminate()
    for client, last_stream in ((used, 1), (unused, 0)):
        client.expect_goaway(wire.NO_ERROR)
        client.until(lambda: client.goaways[-1].number() == last_stream, "a GOAWAY that names the last stream")
    equal(gateway.wait(), 0, "the exit status")


@case("RFC9113-6.8", "SIGTERM: a client whose windows are shut is waited for no longer than drain_timeout", needs_clock=True)
def drain_with_shut_window(lab):
    gateway = lab.start_gateway()
    client = lab.connect(gateway, settings=[(wire.INITIAL_WINDOW_SIZE, 0)])
    stream = client.begin(request("/shut"))
    client.until(lambda: client.streams[stream].head, "the head")
    told_to_end(lab, gateway, client)
    gateway.advance(31)
    equal(gateway.wait(), 0, "the exit status")
