"""Frames as they should be, and what is to be ignored in them (RFC 9113 sections 4 to 7)."""
from support import wire
from support.client import request
from support.registry import case, check, equal


def open_request(lab, path="/open", *more):
    """A client with a request on stream 1 whose content is still to come."""
    client = lab.connect()
    client.begin(request(path, *more, method="POST"), end=False)
    return client


def expect_content(lab, client, content, path="/open"):
    client.answer(1)
    equal(bytes(lab.backend.visit(path).content), content, "the content at the backend")


# --- what is unknown (sections 4.1, 5.5)

@case("RFC9113-5.5", "frames of unknown types are ignored, whatever their flags and stream")
def unknown_types(lab):
    client = lab.connect()
    for kind in (0x0a, 0x16, 0xbb, 0xff):
        for stream in (0, 1, 2, 7):
            client.send(wire.frame(kind, 0xff, stream, b"what is this"))
    client.send(wire.frame(0xfe, 0, 0, bytes(wire.FRAME_MAX)))
    client.expect_alive()


@case("RFC9113-5.5", "unknown frames within an open stream change nothing of it")
def unknown_types_within(lab):
    client = open_request(lab)
    client.send(wire.frame(0xbb, 0xff, 1, b"??") + wire.frame(wire.DATA, 0, 1, b"one") + wire.frame(0xbc, wire.END_STREAM, 1))
    client.send_data(1, b"two", end=True)
    expect_content(lab, client, b"onetwo")


@case("RFC9113-4.1", "flags that a frame does not define are ignored")
def undefined_flags(lab):
    client = lab.connect()
    client.send(wire.frame(wire.PING, 0xfe, 0, b"flags!!!"))
    client.until(lambda: client.acknowledged_pings(b"flags!!!"), "the acknowledgement of a PING")
    client.send(wire.frame(wire.SETTINGS, 0xfe) + wire.frame(wire.WINDOW_UPDATE, 0xff, 0, wire.number(1)))
    client.expect_alive()


@case("RFC9113-4.1", "the reserved bit before the stream's id is ignored")
def reserved_bit(lab):
    client = lab.connect()
    client.send(wire.frame(wire.PING, 0, 2**31, b"reserved"))
    client.until(lambda: client.acknowledged_pings(b"reserved"), "the acknowledgement of a PING")
    block = client.encoder.encode(request("/reserved"))
    client.send(wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 2**31 | 1, block))
    client.answer(1)


@case("RFC9113-4.1", "frames that come octet by octet are understood")
def frames_in_pieces(lab):
    client = lab.connect()
    block = client.encoder.encode(request("/open", method="POST"))
    frames = wire.frame(wire.HEADERS, wire.END_HEADERS, 1, block) + wire.frame(wire.DATA, wire.PADDED, 1, wire.padded(b"pieces", 3))
    for octet in frames + wire.frame(wire.DATA, wire.END_STREAM, 1):
        client.send(bytes([octet]))
    expect_content(lab, client, b"pieces")


# --- DATA and HEADERS (sections 4.2, 6.1, 6.2)

@case("RFC9113-4.2", "a DATA frame of 16384 octets is taken")
def largest_data(lab):
    client = open_request(lab)
    client.send_data(1, b"d" * wire.FRAME_MAX, end=True)
    expect_content(lab, client, b"d" * wire.FRAME_MAX)


@case("RFC9113-4.2", "a HEADERS frame of nearly 16384 octets is taken")
def large_headers(lab):
    client = lab.connect()
    client.send_headers(client.new_stream(), request("/large", ("x-large", "~" * 9000)))  # 13 bits a character by Huffman's code
    client.answer(1)
    equal(lab.backend.visit("/large").value(b"x-large"), b"~" * 9000, "the header at the backend")


@case("RFC9113-4.2", "the gateway's frames are not larger than a client that says nothing takes")
def gateway_frame_size(lab):
    lab.backend.on("/big", lambda visit: visit.answer(body=b"b" * 300000))
    client = lab.connect(give_back=True)
    came = client.get("/big")
    equal(bytes(came.body), b"b" * 300000, "the answer")
    check(max(came.data_sizes) <= wire.FRAME_MAX, f"expected frames of 16384 octets at most, came one of {max(came.data_sizes)}")


@case("RFC9113-4.2", "the gateway's frames are not larger than the client's SETTINGS_MAX_FRAME_SIZE")
def gateway_frame_size_told(lab):
    lab.backend.on("/big", lambda visit: visit.answer(body=b"b" * 300000))
    client = lab.connect(give_back=True, settings=[(wire.MAX_FRAME_SIZE, 20000), (wire.INITIAL_WINDOW_SIZE, 1 << 20)])
    came = client.get("/big")
    equal(bytes(came.body), b"b" * 300000, "the answer")
    check(max(came.data_sizes) <= 20000, f"expected frames of 20000 octets at most, came one of {max(came.data_sizes)}")


@case("RFC9113-6.1", "DATA in several frames is one content")
def several_data(lab):
    client = open_request(lab)
    for piece in (b"one", b"two", b"three"):
        client.send_data(1, piece)
    client.send_data(1, end=True)
    expect_content(lab, client, b"onetwothree")


@case("RFC9113-6.1", "the padding of DATA does not reach the backend")
def padded_data(lab):
    client = open_request(lab)
    for pad in (0, 1, 255):
        client.send(wire.frame(wire.DATA, wire.PADDED, 1, wire.padded(b"[content]", pad)))
    client.send(wire.frame(wire.DATA, wire.PADDED | wire.END_STREAM, 1, wire.padded(b"", 200)))  # padding and nothing else
    expect_content(lab, client, b"[content]" * 3)


@case("RFC9113-6.1", "padded DATA without an octet for the padding's length is an error")
def padded_data_without_length(lab):
    client = open_request(lab)
    client.send(wire.frame(wire.DATA, wire.PADDED | wire.END_STREAM, 1))
    # section 4.2 makes it FRAME_SIZE_ERROR, as too small; 6.1 makes padding that does not fit PROTOCOL_ERROR
    client.expect_goaway(wire.FRAME_SIZE_ERROR, wire.PROTOCOL_ERROR)


@case("RFC9113-6.2", "padded HEADERS are understood")
def padded_headers(lab):
    client = lab.connect()
    block = client.encoder.encode(request("/padded"))
    client.send(wire.frame(wire.HEADERS, wire.PADDED | wire.END_HEADERS | wire.END_STREAM, 1, wire.padded(block, 255)))
    client.answer(1)
    lab.expect_forwarded("/padded")


@case("RFC9113-6.2", "HEADERS with a priority are understood")
def headers_with_priority(lab):
    client = lab.connect()
    block = client.encoder.encode(request("/priority"))
    fields = wire.priority_fields(depends_on=0, weight=256, exclusive=True)
    client.send(wire.frame(wire.HEADERS, wire.WITH_PRIORITY | wire.END_HEADERS | wire.END_STREAM, 1, fields + block))
    client.answer(1)


@case("RFC9113-6.2", "HEADERS with padding, a priority and CONTINUATION are understood")
def headers_with_everything(lab):
    client = lab.connect()
    block = client.encoder.encode(request("/everything"))
    payload = wire.padded(wire.priority_fields(depends_on=11) + block[:4], 7)
    client.send(wire.frame(wire.HEADERS, wire.PADDED | wire.WITH_PRIORITY | wire.END_STREAM, 1, payload))
    client.send(wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, block[4:]))
    client.answer(1)
    lab.expect_forwarded("/everything")


# --- PRIORITY (section 6.3), which is to be taken and may be ignored

@case("RFC9113-6.3", "PRIORITY is taken in every state of a stream")
def priority_in_every_state(lab):
    client = open_request(lab)
    client.send(wire.priority(1, weight=1) + wire.priority(3, weight=256) + wire.priority(5, depends_on=1) + wire.priority(1, exclusive=True))
    client.send_data(1, b"x", end=True)
    client.send(wire.priority(1))  # half-closed
    client.answer(1)
    client.send(wire.priority(1))  # closed
    client.expect_alive()


@case("RFC9113-6.3", "PRIORITY of an idle stream does not use up the streams below it")
def priority_of_higher_stream(lab):
    client = lab.connect()
    client.send(wire.priority(101))
    client.get("/below")


@case("RFC9113-6.3", "PRIORITY of a length other than five is FRAME_SIZE_ERROR")
def priority_of_wrong_length(lab):
    client = open_request(lab)
    client.send(wire.frame(wire.PRIORITY, 0, 1, bytes(4)))
    client.expect_error(1, wire.FRAME_SIZE_ERROR)


@case("RFC7540-5.3.1", "a stream that depends on itself is PROTOCOL_ERROR")
def priority_of_itself(lab):
    # RFC 9113 has no dependencies any more; who still says one says one that can be
    client = lab.connect()
    block = client.encoder.encode(request("/itself"))
    fields = wire.priority_fields(depends_on=1)
    client.send(wire.frame(wire.HEADERS, wire.WITH_PRIORITY | wire.END_HEADERS | wire.END_STREAM, 1, fields + block))
    client.expect_error(1, wire.PROTOCOL_ERROR)
    other = lab.connect()
    other.send(wire.priority(1, depends_on=1))
    other.expect_error(1, wire.PROTOCOL_ERROR)


# --- RST_STREAM, PING, GOAWAY, WINDOW_UPDATE

@case("RFC9113-6.4", "RST_STREAM ends a stream and not the connection, whatever its code")
def reset_with_any_code(lab):
    client = lab.connect()
    for code in (wire.NO_ERROR, wire.CANCEL, wire.INTERNAL_ERROR, 0xff, 2**32 - 1):
        stream = client.begin(request("/reset", method="POST"), end=False)
        client.send(wire.reset(stream, code))
    client.expect_alive()


@case("RFC9113-6.7", "a PING is acknowledged with the same octets")
def ping(lab):
    client = lab.connect()
    client.send(wire.ping(b"\0\xff\1\xfe\2\xfd\3\xfc"))
    client.until(lambda: client.acknowledged_pings(b"\0\xff\1\xfe\2\xfd\3\xfc"), "the acknowledgement of a PING")


@case("RFC9113-6.7", "the acknowledgement of a PING is not answered")
def ping_acknowledgement(lab):
    client = lab.connect()
    client.send(wire.frame(wire.PING, wire.ACK, 0, b"unasked!"))
    client.expect_alive()
    check(all(b"unasked!" != frame.payload for frame in client.frames), f"expected no answer; came: {client.told()}")


@case("RFC9113-6.8", "what is under way when the client says GOAWAY is finished")
def goaway_of_client(lab):
    gate = lab.gate()
    lab.backend.on("/slow", lambda visit: (gate.wait(5), visit.answer(body=b"finished")))
    client = lab.connect()
    stream = client.begin(request("/slow"))
    lab.backend.visit("/slow")
    client.send(wire.goaway(0, wire.NO_ERROR, b"that is all"))
    client.settle()
    gate.set()
    equal(bytes(client.answer(stream).body), b"finished", "the answer")


@case("RFC9113-7", "GOAWAY with an unknown code does nothing special")
def goaway_with_unknown_code(lab):
    client = open_request(lab)
    client.send(wire.goaway(0, 0xff))
    client.settle()
    client.send_data(1, b"still", end=True)
    expect_content(lab, client, b"still")


@case("RFC9113-6.8", "the GOAWAY of a connection error tells the last stream that was begun")
def last_stream_of_error(lab):
    client = lab.connect()
    client.get("/one")
    client.get("/three")
    client.send(wire.frame(wire.PING, 0, 0, bytes(7)))
    client.expect_goaway(wire.FRAME_SIZE_ERROR)
    equal(client.goaways[0].number(), 3, "the last stream of GOAWAY")


@case("RFC9113-6.9", "WINDOW_UPDATE is taken on the connection, and on streams that are open, half-closed and closed")
def window_updates(lab):
    client = open_request(lab)
    client.send(wire.window_update(0, 1) + wire.window_update(1, 1) + wire.frame(wire.WINDOW_UPDATE, 0, 1, wire.number(2**31 | 5)))
    client.send_data(1, b"x", end=True)
    client.send(wire.window_update(1, 1))
    client.answer(1)
    client.send(wire.window_update(1, 1))
    client.expect_alive()


# --- CONTINUATION (section 6.10)

@case("RFC9113-6.10", "a header block in several CONTINUATION frames is understood, empty ones included")
def continuations(lab):
    client = lab.connect()
    block = client.encoder.encode(request("/continued", ("x-one", "1"), ("x-two", "2")))
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, 1, b""))
    for at in range(0, len(block), 10):
        client.send(wire.frame(wire.CONTINUATION, 0, 1, block[at:at + 10]))
    client.send(wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1))
    client.answer(1)
    equal(lab.backend.visit("/continued").value(b"x-two"), b"2", "a header at the backend")


@case("RFC9113-6.10", "END_STREAM of HEADERS counts when the block has ended")
def end_stream_before_continuation(lab):
    client = lab.connect()
    block = client.encoder.encode(request("/ended", ("content-length", "0"), method="POST"))
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, 1, block[:3]) + wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, block[3:]))
    client.answer(1)
    equal(lab.backend.visit("/ended").value(b"Content-Length"), b"0", "Content-Length at the backend")
