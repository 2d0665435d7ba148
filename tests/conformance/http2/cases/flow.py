"""Flow control, in both directions (RFC 9113 sections 5.2, 6.9)."""
from support import wire
from support.backend import replies
from support.client import request
from support.registry import case, check, equal

BODY = b"".join(b"%07d\n" % i for i in range(50000))  # 400000 octets that show where they were cut


def ask(lab, body=BODY, path="/body", **options):
    """A client that has asked for a content on stream 1."""
    lab.backend.on(path, replies(body=body))
    client = lab.connect(**options)
    client.begin(request(path))
    return client


def expect_exactly(client, count, body=BODY, stream=1):
    """So many octets come, and not one more."""
    came = client.streams[stream].body
    client.until(lambda: len(came) >= count, f"{count} octets on stream {stream}, after {len(came)}")
    client.settle()
    equal(len(came), count, f"the octets on stream {stream}")
    check(bytes(came) == body[:count], f"expected the content as it is, came another: {bytes(came)[:80]}")


# --- the client's windows

@case("RFC9113-6.9.1", "with an initial window of 1, one octet is sent")
def window_of_one(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 1)])
    expect_exactly(client, 1)


@case("RFC9113-6.9.1", "with an initial window of 0, HEADERS are sent and no DATA until WINDOW_UPDATE")
def window_of_zero(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 0)])
    client.until(lambda: client.streams[1].head, "the head")
    expect_exactly(client, 0)
    client.send(wire.window_update(1, 10))
    expect_exactly(client, 10)
    client.send(wire.window_update(1, 1) + wire.window_update(1, 1))
    expect_exactly(client, 12)


@case("RFC9113-6.9.1", "an answer without content needs no window")
def no_content_without_window(lab):
    client = ask(lab, body=b"", settings=[(wire.INITIAL_WINDOW_SIZE, 0)])
    client.answer(1)


@case("RFC9113-6.9.1", "no more than the stream's window is sent, and all of it as it is given")
def stream_window(lab):
    client = ask(lab)
    client.send(wire.window_update(0, 1 << 20))
    expect_exactly(client, wire.WINDOW)
    given = wire.WINDOW
    for more in (1, 16384, 16385, 100000):
        client.send(wire.window_update(1, more))
        given += more
        expect_exactly(client, given)
    client.send(wire.window_update(1, len(BODY)))
    equal(bytes(client.answer(1).body), BODY, "the content")


@case("RFC9113-6.9.1", "a client that gives its window back 4 KiB by 4 KiB, for the stream and for the connection, gets all")
def small_updates(lab):  # as Go's do
    body, step, given = BODY * 20, 4096, 0
    client = ask(lab, body=body, settings=[(wire.INITIAL_WINDOW_SIZE, 1 << 22)])
    client.send(wire.window_update(0, 1 << 22))
    came = client.streams[1]

    def give():
        nonlocal given
        steps = (len(came.body) - given) // step
        given += steps * step
        client.send((wire.window_update(1, step) + wire.window_update(0, step)) * steps)
        return came.ended

    client.until(give, "the end of the answer")
    check(bytes(came.body) == body, "expected the content as it is, came another")


@case("RFC9113-6.9.1", "no more than the connection's window is sent, over all streams")
def connection_window(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 1 << 20)])
    client.begin(request("/body"))
    total = lambda: sum(len(client.streams[stream].body) for stream in (1, 3))
    client.until(lambda: total() >= wire.WINDOW, "the whole window of the connection")
    client.settle()
    equal(total(), wire.WINDOW, "the octets on both streams")
    client.send(wire.window_update(0, 2 * len(BODY)))
    for stream in (1, 3):
        equal(bytes(client.answer(stream).body), BODY, f"the content on stream {stream}")


@case("RFC9113-5.2.1", "a stream without window holds back no other")
def window_of_one_stream(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 0)])
    client.until(lambda: client.streams[1].head, "the head")
    lab.backend.on("/other", replies(body=b"other"))
    stream = client.begin(request("/other"))
    client.send(wire.window_update(stream, 5))
    equal(bytes(client.answer(stream).body), b"other", "the content")
    expect_exactly(client, 0)


@case("RFC9113-6.9.2", "SETTINGS_INITIAL_WINDOW_SIZE that grows counts for streams that are open")
def window_grown(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 5)])
    expect_exactly(client, 5)
    client.send(wire.settings((wire.INITIAL_WINDOW_SIZE, 12)))
    expect_exactly(client, 12)


@case("RFC9113-6.9.2", "a window may become negative by SETTINGS, and is counted from there")
def window_negative(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 100)])
    expect_exactly(client, 100)
    client.send(wire.settings((wire.INITIAL_WINDOW_SIZE, 40)))  # -60
    client.send(wire.window_update(1, 60))  # 0
    expect_exactly(client, 100)
    client.send(wire.window_update(1, 7))
    expect_exactly(client, 107)
    client.send(wire.settings((wire.INITIAL_WINDOW_SIZE, 0)) + wire.settings((wire.INITIAL_WINDOW_SIZE, 41)))
    expect_exactly(client, 108)


@case("RFC9113-6.9.2", "SETTINGS do not change the connection's window")
def settings_and_connection_window(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 1 << 20)])
    client.send(wire.settings((wire.INITIAL_WINDOW_SIZE, 1 << 21)))
    expect_exactly(client, wire.WINDOW)


@case("RFC9113-6.9", "WINDOW_UPDATE by 0 of a stream is an error of the stream")
def update_by_zero(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 1)])
    expect_exactly(client, 1)
    client.send(wire.window_update(1, 0))
    client.expect_error(1, wire.PROTOCOL_ERROR)


@case("RFC9113-6.9.1", "a stream's window above 2^31-1 is FLOW_CONTROL_ERROR of the stream")
def stream_window_overflow(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 1)])
    expect_exactly(client, 1)
    client.send(wire.window_update(1, wire.WINDOW_MAX) + wire.window_update(1, wire.WINDOW_MAX))
    client.expect_reset(1, wire.FLOW_CONTROL_ERROR)
    client.send(wire.settings((wire.INITIAL_WINDOW_SIZE, 100)))
    client.expect_alive()


@case("RFC9113-6.9.2", "a stream's window above 2^31-1 by SETTINGS is FLOW_CONTROL_ERROR")
def window_overflow_by_settings(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, 1)])
    expect_exactly(client, 1)
    # Nothing is wrong with either alone. The window of the connection lets less than the whole content go, so that the stream stays open. nghttp2 1.52
    # resets the stream; the RFC asks for an error of the connection.
    client.send(wire.window_update(1, wire.WINDOW_MAX - 1 - len(BODY)) + wire.settings((wire.INITIAL_WINDOW_SIZE, wire.WINDOW_MAX)))
    client.expect_error(1, wire.FLOW_CONTROL_ERROR)


@case("RFC9113-6.9.1", "the largest windows that there can be are taken")
def largest_windows(lab):
    client = ask(lab, settings=[(wire.INITIAL_WINDOW_SIZE, wire.WINDOW_MAX)])
    client.send(wire.window_update(0, wire.WINDOW_MAX - wire.WINDOW))
    equal(bytes(client.answer(1).body), BODY, "the content")
    client.expect_alive()


# --- the gateway's windows

FIRST = 100  # octets of an upload, with which it is forwarded


def begin_upload(lab, client, path, content):
    """An upload that has come to the backend; its stream."""
    stream = client.begin(request(path, ("content-length", str(len(content))), method="POST"), end=False)
    client.send_data(stream, content[:FIRST])
    lab.narrow.visit(path)
    return stream


def unread(lab, client, content):
    """An upload that the backend does not read before a gate is open; its stream, and the gate."""
    gate = lab.gate()
    lab.narrow.on("/narrow/upload", lambda visit: (gate.wait(30), visit.read_content(), visit.answer()))
    return begin_upload(lab, client, "/narrow/upload", content), gate


def send_all_that_is_allowed(client, stream, content):
    """What follows the first octets, until the window is gone and is not given back: how much that is in all."""
    sent = FIRST
    while sent < len(content):
        if client.may_send(stream) == 0:
            client.settle()
            client.settle()
        piece = content[sent:sent + min(client.may_send(stream), wire.FRAME_MAX)]
        if not piece:
            break
        client.send_data(stream, piece, end=sent + len(piece) == len(content))
        sent += len(piece)
    return sent


@case("RFC9113-5.2.2", "an upload that the backend does not read is stopped, and another stream works")
def unread_upload(lab):
    content = b"".join(b"%07d\n" % i for i in range(1 << 20))
    client = lab.connect()
    stream, gate = unread(lab, client, content)
    sent = send_all_that_is_allowed(client, stream, content)
    window = client.windows.settings.get(wire.INITIAL_WINDOW_SIZE, wire.WINDOW)
    # beside the window there is what the kernel holds of the backend's connection: its receive buffer is small
    check(window <= sent < len(content) - window, f"expected to be stopped soon behind the window of {window} octets, sent {sent}")
    other = client.begin(request("/other", ("content-length", "100000"), method="POST"), end=False)
    client.upload(other, bytes(100000))
    client.answer(other)
    gate.set()
    client.upload(stream, content[sent:])
    client.answer(stream)
    check(bytes(lab.narrow.visit("/narrow/upload").content) == content, "expected the same content at the backend, came another")


@case("RFC9113-6.9.1", "more DATA than the stream's window is FLOW_CONTROL_ERROR")
def stream_window_exceeded(lab):
    client = lab.connect()
    content = bytes(8 << 20)
    stream, _ = unread(lab, client, content)
    send_all_that_is_allowed(client, stream, content)
    equal(client.may_send(stream), 0, "the window that is left")
    client.send_data(stream, b"one more")
    client.expect_error(stream, wire.FLOW_CONTROL_ERROR)


def stick(lab, client, path, gate):
    """An upload of which the backend takes nothing until then: as much of it as may be under way."""
    content = bytes(8 << 20)
    lab.narrow.on(path, lambda visit: gate.wait(30))
    send_all_that_is_allowed(client, begin_upload(lab, client, path, content), content)


@case("RFC9113-6.9.1", "more DATA than the connection's window is FLOW_CONTROL_ERROR")
def connection_window_exceeded(lab):
    client = lab.connect(acknowledge=False)  # until then there is no room but the 64 KB of the beginning
    gate = lab.gate()
    for number in range(16):
        stick(lab, client, f"/narrow/{number}", gate)
        if client.windows[0] == 0:
            break
    equal(client.windows[0], 0, "what is left of the connection's window")
    fresh = client.begin(request("/narrow/fresh", method="POST"), end=False)
    client.send_data(fresh, b"one more")
    client.expect_goaway(wire.FLOW_CONTROL_ERROR)


@case("RFC9113-5.2.1", "uploads that a backend does not read stop no other of their connection")
def stuck_uploads(lab):
    client = lab.connect()
    gate = lab.gate()
    for number in range(6):
        stick(lab, client, f"/narrow/{number}", gate)
    other = client.begin(request("/other", ("content-length", "100000"), method="POST"), end=False)
    client.upload(other, bytes(100000))
    client.answer(other)
    gate.set()


@case("RFC9113-6.9.1", "padding counts for the windows, and is given back")
def padding_counts(lab):
    client = lab.connect()
    stream = client.begin(request("/padded", method="POST"), end=False)
    for _ in range(8000):  # 2 MB of padding, more than the windows
        while client.may_send(stream) < 257:
            client.until(lambda: client.may_send(stream) >= 257, "WINDOW_UPDATE for what was padding")
        client.send(wire.frame(wire.DATA, wire.PADDED, stream, wire.padded(b"x", 255)))
        for which in (0, stream):
            client.windows[which] -= 257
    client.send_data(stream, end=True)
    client.answer(stream)
    equal(bytes(lab.backend.visit("/padded").content), b"x" * 8000, "the content at the backend")


@case("RFC9113-6.9.1", "what was sent on streams that the client resets is given back to the connection")
def window_of_reset_streams(lab):
    client = lab.connect()
    for number in range(12):  # 12 times 200 KB is more than the connection's window
        path = f"/narrow/{number}"
        lab.narrow.on(path, lambda visit: visit.wait_until_gone())
        stream = client.begin(request(path, ("content-length", "300000"), method="POST"), end=False)
        client.upload(stream, bytes(200000), end=False)
        client.send(wire.reset(stream))
    client.expect_alive()


@case("RFC9113-6.9.1", "what was sent on streams that the gateway has reset is given back to the connection")
def window_of_refused_streams(lab):
    client = lab.connect()
    for _ in range(12):
        stream = client.begin(request("/refused", ("connection", "close"), method="POST"), end=False)
        client.expect_reset(stream, wire.PROTOCOL_ERROR)
        client.until(lambda: client.windows[0] >= 33000, "WINDOW_UPDATE for the connection")
        for _ in range(3):
            client.send_data(stream, bytes(11000))
    client.expect_alive()


@case("RFC9113-6.9.1", "what was sent behind an early answer is given back to the connection")
def window_of_answered_streams(lab):
    client = lab.connect()
    for _ in range(12):
        stream = client.begin(request("/small", ("content-length", "200000"), method="POST"), end=False)
        client.until(lambda: client.may_send(stream) >= 200000, "WINDOW_UPDATE for the stream and the connection")
        for _ in range(200000 // 16000):
            client.send_data(stream, bytes(16000))
        client.answer(stream, 413)
    client.expect_alive()


@case("RFC9113-5.2.2", "the windows let more than the 64 KB of the beginning be under way, where so much is announced or has been read")
def useful_windows(lab):
    for announced in (True, False):
        client = lab.connect()
        client.settle()
        lengths = [("content-length", "1000000")] if announced else []
        stream = client.begin(request("/upload", *lengths, method="POST"), end=False)
        if not announced:
            client.upload(stream, bytes(40000), end=False)
        client.until(lambda: client.windows[0] > wire.WINDOW, "a larger window of the connection")
        client.until(lambda: client.windows[stream] > wire.WINDOW, "a larger window of the stream")
        client.upload(stream, bytes(1000000 if announced else 960000))
        client.answer(stream)
