"""SETTINGS: taken in order, acknowledged, and held to (RFC 9113 section 6.5)."""
from support import wire
from support.client import request
from support.registry import case, check, equal


def acknowledgements(client):
    return sum(frame.type == wire.SETTINGS and frame.has(wire.ACK) for frame in client.frames)


@case("RFC9113-6.5.3", "each SETTINGS is acknowledged once")
def acknowledged(lab):
    client = lab.connect()
    client.send(wire.settings() + wire.settings((wire.MAX_CONCURRENT_STREAMS, 1)) + wire.settings((wire.ENABLE_PUSH, 0)))
    client.until(lambda: acknowledgements(client) >= 4, "four acknowledgements")
    client.settle()
    equal(acknowledgements(client), 4, "the acknowledgements")


@case("RFC9113-6.5.3", "of several values for one setting the last counts")
def last_value(lab):
    lab.backend.on("/body", lambda visit: visit.answer(body=b"0123456789"))
    client = lab.connect(settings=[(wire.INITIAL_WINDOW_SIZE, 100), (wire.INITIAL_WINDOW_SIZE, 3)])
    stream = client.begin(request("/body"))
    client.until(lambda: client.streams[stream].body, "DATA")
    client.settle()
    equal(bytes(client.streams[stream].body), b"012", "what the window of 3 octets lets through")


@case("RFC9113-6.5.2", "unknown settings and the limits of known ones are taken")
def legal_values(lab):
    client = lab.connect(settings=[
        (0, 7), (0xff, 7), (0xffff, 2**32 - 1), (wire.ENABLE_PUSH, 0), (wire.ENABLE_PUSH, 1), (wire.MAX_CONCURRENT_STREAMS, 0),
        (wire.INITIAL_WINDOW_SIZE, wire.WINDOW_MAX), (wire.INITIAL_WINDOW_SIZE, wire.WINDOW), (wire.MAX_FRAME_SIZE, 2**24 - 1),
        (wire.MAX_FRAME_SIZE, 16384), (wire.MAX_HEADER_LIST_SIZE, 2**32 - 1)])
    client.expect_alive()


@case("RFC9113-6.5.2", "a client that wants no push and no streams from us is served")
def no_streams_of_the_server(lab):
    client = lab.connect(settings=[(wire.ENABLE_PUSH, 0), (wire.MAX_CONCURRENT_STREAMS, 0)])
    client.get("/served")
    equal(client.count(wire.PUSH_PROMISE), 0, "the frames PUSH_PROMISE")


@case("RFC9113-6.5.2", "a small SETTINGS_MAX_HEADER_LIST_SIZE of the client, which is advice, breaks nothing")
def small_header_list(lab):
    client = lab.connect(settings=[(wire.MAX_HEADER_LIST_SIZE, 10)])
    stream = client.begin(request("/long"))
    client.until(lambda: client.streams[stream].over, "an answer, or the stream's end")
    check(client.streams[stream].status == 200 or client.streams[stream].reset is not None, f"came: {client.told()}")
    client.expect_alive()


@case("RFC9113-5.4.1", "behind the GOAWAY of an error the connection ends, and nothing more is served on it")
def nothing_behind_an_error(lab):
    client = lab.connect()
    head = wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, client.encoder.encode(request("/behind")))
    client.send(wire.frame(wire.PING, 0, 0, bytes(7)) + head)
    client.expect_goaway(wire.FRAME_SIZE_ERROR)
    lab.expect_untouched()
