"""The states of a stream, and its id (RFC 9113 section 5.1)."""
from support import wire
from support.client import request
from support.registry import case, check, equal


def answered(lab):
    """A client whose stream 1 is closed by an answer."""
    client = lab.connect()
    client.get("/answered")
    return client


def half_closed(lab):
    """A client whose stream 1 has been sent whole, and is not answered before the case ends."""
    gate = lab.gate()
    lab.backend.on("/half-closed", lambda visit: gate.wait(5))
    client = lab.connect()
    client.begin(request("/half-closed"))
    lab.backend.visit("/half-closed")
    return client


def reset_by_client(lab):
    """A client that has reset its stream 1."""
    client = half_closed(lab)
    client.send(wire.reset(1))
    client.settle()
    return client


# --- half-closed (remote): the client has said that this was all

@case("RFC9113-5.1", "DATA on a stream that is half-closed is STREAM_CLOSED")
def data_on_half_closed(lab):
    client = half_closed(lab)
    client.send_data(1, b"more", end=True)
    client.expect_error(1, wire.STREAM_CLOSED)


@case("RFC9113-5.1", "HEADERS on a stream that is half-closed are STREAM_CLOSED")
def headers_on_half_closed(lab):
    client = half_closed(lab)
    client.send_headers(1, [("x-trailer", "1")])
    client.expect_error(1, wire.STREAM_CLOSED)


@case("RFC9113-6.10", "CONTINUATION on a stream that is half-closed is PROTOCOL_ERROR")
def continuation_on_half_closed(lab):
    client = half_closed(lab)
    client.send(wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, b"\x82"))
    client.expect_goaway(wire.PROTOCOL_ERROR)


@case("RFC9113-5.1", "WINDOW_UPDATE and PRIORITY on a stream that is half-closed are taken")
def others_on_half_closed(lab):
    client = half_closed(lab)
    client.send(wire.window_update(1, 5) + wire.priority(1))
    client.expect_alive()


@case("RFC9113-5.1", "RST_STREAM on a stream that is half-closed gives up the request behind it")
def reset_of_half_closed(lab):
    lab.backend.on("/given-up", lambda visit: visit.wait_until_gone())
    client = lab.connect()
    client.begin(request("/given-up"))
    visit = lab.backend.visit("/given-up")
    client.send(wire.reset(1))
    check(visit.gone.wait(5), "expected that the gateway closes the backend's connection, it did not")
    client.expect_alive()


# --- closed

def late_frames(state, section_of_headers, begin):
    """What comes on stream 1 when it is over."""

    @case("RFC9113-6.1", f"DATA on a stream that {state} is STREAM_CLOSED")
    def data(lab):
        client = begin(lab)
        client.send_data(1, b"more", end=True)
        client.expect_error(1, wire.STREAM_CLOSED)

    @case(section_of_headers, f"HEADERS on a stream that {state} are STREAM_CLOSED or PROTOCOL_ERROR")
    def headers(lab):
        client = begin(lab)
        client.send_headers(1, request("/again"))
        client.expect_error(1, wire.STREAM_CLOSED, wire.PROTOCOL_ERROR)
        check("/again" not in lab.backend.paths(), "expected nothing at the backend, came a request")

    @case("RFC9113-6.10", f"CONTINUATION on a stream that {state} is PROTOCOL_ERROR")
    def continuation(lab):
        client = begin(lab)
        client.send(wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, b"\x82"))
        client.expect_goaway(wire.PROTOCOL_ERROR)


late_frames("is closed", "RFC9113-5.1.1", answered)
late_frames("the client has reset", "RFC9113-5.1", reset_by_client)


@case("RFC9113-5.1", "WINDOW_UPDATE and RST_STREAM on a stream that is closed are ignored")
def others_on_closed(lab):
    client = answered(lab)
    client.send(wire.window_update(1, 5) + wire.reset(1) + wire.reset(1))
    client.expect_alive()


@case("RFC9113-5.1", "what was under way on a stream that the gateway has reset is ignored")
def frames_behind_our_reset(lab):
    client = lab.connect()
    stream = client.begin(request("/reset", ("Upper-Case", "1"), method="POST"), end=False)
    client.send_data(stream, b"under way")
    client.send(wire.window_update(stream, 1) + wire.priority(stream))
    client.send_data(stream, b"under way", end=True)
    client.expect_reset(stream, wire.PROTOCOL_ERROR)
    client.expect_alive()


# --- ids (section 5.1.1)

@case("RFC9113-5.1.1", "ids may be left out, and the largest one there is may be used")
def ids_left_out(lab):
    client = lab.connect()
    for stream in (1, 7, 1001, wire.WINDOW_MAX):
        client.send_headers(stream, request("/left-out"))
        client.answer(stream)


def lower_id(ids, left_out):
    @case("RFC9113-5.1.1", f"a request on stream {left_out} behind those on {ids} is PROTOCOL_ERROR, and not served")
    def run(lab):
        client = lab.connect()
        for stream in ids:
            client.send_headers(stream, request("/used"))
            client.answer(stream)
        client.send_headers(left_out, request("/left-out"))
        client.expect_goaway(wire.PROTOCOL_ERROR)
        check("/left-out" not in lab.backend.paths(), "expected nothing at the backend, came a request")


lower_id((5,), 3)
lower_id((5,), 1)
lower_id((1, 101, 103), 99)
lower_id((1, 5, 9, 13, 17, 21, 25), 3)
lower_id((wire.WINDOW_MAX,), 1)


@case("RFC9113-5.1.1", "a request on a stream that was left out long ago is not served")
def forgotten_gap(lab):
    client = lab.connect()
    for stream in range(1, 41, 4):
        client.send_headers(stream, request("/used"))
        client.answer(stream)
    client.send_headers(3, request("/left-out"))
    # nghttp2 decodes the block, so that the compression goes on, and drops it as a frame of a closed stream.
    client.settle()
    check(not client.streams[3].head, f"expected no answer on stream 3; came: {client.told()}")
    check("/left-out" not in lab.backend.paths(), "expected nothing at the backend, came a request")
    client.expect_alive(stream=41)


@case("RFC9113-5.1.1", "trailers on a stream below the newest one end its request")
def trailers_below(lab):
    client = lab.connect()
    client.begin(request("/below", method="POST"), end=False)
    client.send_headers(9, request("/newest"))
    client.answer(9)
    client.send_data(1, b"content")
    client.send_headers(1, [("x-sum", "12")])
    client.answer(1)
    equal(bytes(lab.backend.visit("/below").content), b"content", "the content at the backend")


@case("RFC9113-5.1", "using a stream closes the idle ones below it")
def idle_streams_below(lab):
    client = lab.connect()
    client.send_headers(5, request("/five"))
    client.answer(5)
    # so this is no request on an idle stream, where it would be PROTOCOL_ERROR
    client.send(wire.window_update(3, 1) + wire.priority(3))
    client.expect_alive(stream=7)


# --- trailers (section 8.1)

@case("RFC9113-8.1", "trailers end the content, and are not part of it")
def trailers(lab):
    client = lab.connect()
    client.begin(request("/trailers", ("trailer", "x-sum"), method="POST"), end=False)
    client.send_data(1, b"content")
    client.send_headers(1, [("x-sum", "12")])
    client.answer(1)
    visit = lab.backend.visit("/trailers")
    equal(bytes(visit.content), b"content", "the content at the backend")
    check(b"x-sum" not in bytes(visit.raw_content), f"expected no trailers at the backend, came {bytes(visit.raw_content)}")


@case("RFC9113-8.1", "trailers without content are understood")
def trailers_alone(lab):
    client = lab.connect()
    client.begin(request("/trailers", method="POST"), end=False)
    client.send_headers(1, [("x-sum", "0")])
    client.answer(1)
    equal(bytes(lab.backend.visit("/trailers").content), b"", "the content at the backend")


@case("RFC9113-8.1", "a second HEADERS frame that does not end the stream is malformed")
def second_headers(lab):
    client = lab.connect()
    client.begin(request("/second", method="POST"), end=False)
    client.send_data(1, b"content")
    client.send_headers(1, [("x-sum", "12")], wire.END_HEADERS)
    client.expect_error(1, wire.PROTOCOL_ERROR)


@case("RFC9113-8.1", "pseudo header fields in trailers are malformed")
def pseudo_in_trailers(lab):
    client = lab.connect()
    client.begin(request("/pseudo", method="POST"), end=False)
    client.send_data(1, b"content")
    client.send_headers(1, [("x-sum", "12"), (":path", "/other")])
    client.expect_reset(1, wire.PROTOCOL_ERROR)
    client.expect_alive()


@case("RFC9113-8.1", "an upper-case name in trailers is malformed")
def upper_case_in_trailers(lab):
    client = lab.connect()
    client.begin(request("/upper", method="POST"), end=False)
    client.send_headers(1, [("X-Sum", "12")])
    client.expect_reset(1, wire.PROTOCOL_ERROR)


@case("RFC9113-8.1", "content that was on its way when the answer left is read off: no RST_STREAM breaks the answer")
def content_behind_answer(lab):
    client = lab.connect()
    stream = client.begin(request("/small", ("content-length", "11"), method="POST"), end=False)
    client.answer(stream, 413)
    client.send_data(stream, b"hello", end=False)
    client.send_data(stream, b" world", end=True)
    client.expect_alive()
    check(client.streams[stream].reset is None, f"expected no RST_STREAM; came: {client.told()}")


def send_the_rest(client, stream, left):
    """So much content, behind its answer."""
    came = client.streams[stream]
    while left:
        client.until(lambda: client.may_send(stream) > 0 or came.reset is not None, "a window")
        check(came.reset is None, f"expected no RST_STREAM; came: {client.told()}")
        piece = min(left, client.may_send(stream), wire.FRAME_MAX)
        left -= piece
        client.send_data(stream, bytes(piece), end=not left)
    client.expect_alive()


@case("RFC9113-8.1", "much content behind the answer is read off, too: many clients send all of it before they look")
def much_behind_answer(lab):
    client = lab.connect()
    stream = client.begin(request("/small", ("content-length", "8000000"), method="POST"), end=False)
    client.answer(stream, 413)
    send_the_rest(client, stream, 8000000)


@case("RFC9113-8.1", "content that was looked at before the answer takes no window from the rest")
def window_behind_answer(lab):
    client = lab.connect()
    stream = client.begin(request("/small", method="POST"), end=False)
    window = client.may_send(stream)
    client.upload(stream, bytes(window), end=False)
    client.answer(stream, 413)
    send_the_rest(client, stream, 10 * window)


@case("RFC9113-8.1", "an answer that is whole before the request is ended by RST_STREAM(NO_ERROR)")
def early_answer(lab):
    client = lab.connect()
    stream = client.begin(request("/small", ("content-length", "11"), method="POST"), end=False)
    client.answer(stream, 413)
    client.expect_reset(stream, wire.NO_ERROR)
    client.send_data(stream, b"under way")  # and is no error
    client.expect_alive()


@case("RFC9113-8.1", "a 2xx before the request is whole ends behind it")
def early_success(lab):
    client = lab.connect()
    stream = client.begin(request("/alive", ("content-length", "5"), method="POST"), end=False)
    client.until(lambda: client.streams[stream].status, "the head of the answer")
    client.settle()
    check(not client.streams[stream].over, f"expected no end yet; came: {client.told()}")
    client.send_data(stream, b"hello", end=True)
    client.answer(stream, 204)
    client.expect_alive()
    check(client.streams[stream].reset is None, f"expected no RST_STREAM; came: {client.told()}")


@case("RFC9113-8.1", "a 2xx before the request is whole ends after two seconds, by RST_STREAM(NO_ERROR)", needs_clock=True)
def early_success_of_a_request_without_end(lab):
    client = lab.connect()
    stream = client.begin(request("/alive", ("content-length", "5"), method="POST"), end=False)
    client.settle()
    lab.gateway.advance(3)
    client.answer(stream, 204)
    client.expect_reset(stream, wire.NO_ERROR)
    client.expect_alive()
