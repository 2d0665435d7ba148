"""Flow control towards a backend, in both directions (RFC 9113 sections 5.2, 6.9)."""
import socket
import time

from support import wire
from support.client import request
from support.lab import expect_event
from support.registry import case, check, equal

MIB = 1 << 20
BOUND = 2 * MIB  # of one stream, that the gateway may hold while nobody takes it
PATTERN = b"".join(b"%07d\n" % i for i in range(MIB))  # 8 MiB that show where they were cut
ROUNDS = 20  # round trips without progress, until it is believed that there will be none


def stalled(lab, gateway, progress):
    """The progress at which something came to stand; another connection's round trips are the pace."""
    last, rounds = None, 0
    pacer = lab.client(gateway)
    while rounds < ROUNDS:
        rounds = rounds + 1 if progress() == last else 0
        last = progress()
        pacer.settle()
        time.sleep(0.005)
    return last


def expect_room(lab, peer, gateway):
    """Another client gets a large answer whole."""
    peer.on("/other", fills)
    expect_other(lab, gateway)


# --- what the backend takes

@case("RFC9113-6.9.2", "a backend whose window is one octet gets the whole content, octet by octet")
def window_of_one(lab):
    peer = lab.peer(settings=[(wire.INITIAL_WINDOW_SIZE, 1)])
    client = lab.client(lab.front(peer))
    client.get("/first")
    peer.link().wait(lambda: peer.link().settled, 20)
    content = PATTERN[:1000]
    stream = client.begin(request("/asked", ("content-length", "1000"), method="POST"), end=False)
    client.upload(stream, content)
    client.answer(stream)
    call = peer.call("/asked")
    equal(bytes(call.content), content, "the content")
    check(max(call.data_sizes) == 1, f"expected one octet at a time, came {max(call.data_sizes)}")


@case("RFC9113-6.9.2", "a backend whose window is 0 gets HEADERS, and content as it gives windows")
def window_of_zero(lab):
    peer = lab.peer(settings=[(wire.INITIAL_WINDOW_SIZE, 0)], give_back=False)
    gateway = lab.front(peer)
    client = lab.client(gateway)
    client.get("/first")
    peer.link().wait(lambda: peer.link().settled, 20)
    stream = client.begin(request("/asked", method="POST"), end=False)
    client.send_data(stream, b"0123456789", end=True)
    call = peer.call("/asked")
    for window in (1, 2, 3, 4):
        before = len(call.content)
        equal(stalled(lab, gateway, lambda: len(call.content)), before, "the octets that came without a window")
        call.link.send(wire.window_update(call.stream, window))
        call.expect_content(before + window)
    call.expect_whole()
    equal(bytes(call.content), b"0123456789", "the content")
    client.answer(stream)


@case("RFC9113-6.9.2", "a backend that makes its windows smaller on the way is obeyed, below 0, too")
def shrinking_window(lab):
    peer = lab.peer(give_back=False)
    gateway = lab.front(peer)
    client = lab.client(gateway)
    stream = client.begin(request("/asked", method="POST"), end=False)
    client.send_data(stream, PATTERN[:10000])
    call = peer.call("/asked")
    call.expect_content(10000)
    call.link.change((wire.INITIAL_WINDOW_SIZE, 5000))  # the stream's is -5000 now
    client.send_data(stream, PATTERN[10000:20000], end=True)
    call.link.send(wire.window_update(call.stream, 5000))
    equal(stalled(lab, gateway, lambda: len(call.content)), 10000, "the octets that came")
    call.link.send(wire.window_update(call.stream, 10000))
    call.expect_whole()
    check(bytes(call.content) == PATTERN[:20000], "expected the content as it was sent, came another")


@case("RFC9113-6.9.1", "the window of the connection is obeyed, over all streams")
def connection_window(lab):
    peer = lab.peer(settings=[(wire.INITIAL_WINDOW_SIZE, MIB)], give_back=False)
    gateway = lab.front(peer)
    client = lab.client(gateway)
    client.get("/first")
    peer.link().wait(lambda: peer.link().settled, 20)
    streams = [client.begin(request(f"/{number}", ("content-length", "30000"), method="POST"), end=False) for number in range(3)]
    for stream in streams:
        client.upload(stream, PATTERN[:30000])
    calls = [peer.call(f"/{number}") for number in range(3)]
    for link in {call.link for call in calls}:
        its = [call for call in calls if call.link is link]
        most = stalled(lab, gateway, lambda: sum(len(call.content) for call in its))
        check(most <= wire.WINDOW, f"expected {wire.WINDOW} octets at most, came {most}")
        link.send(wire.window_update(0, MIB))
    for call in calls:
        call.expect_whole()
        check(bytes(call.content) == PATTERN[:30000], "expected the content as it was sent, came another")


@case("RFC9113-5.2.1", "an upload that the backend does not take does not hold back those of others")
def stuck_beside(lab):
    peer = lab.peer(settings=[(wire.INITIAL_WINDOW_SIZE, MIB)], give_back=False)
    peer.on("/stuck", lambda call: call.wait_until_gone())
    gateway = lab.front(peer)
    client = lab.client(gateway)
    stream = client.begin(request("/stuck", method="POST"), end=False)
    client.upload(stream, PATTERN[:wire.WINDOW], end=False)
    peer.call("/stuck").expect_content(wire.WINDOW)
    for number in range(3):
        other = lab.client(gateway)
        stream = other.begin(request(f"/other/{number}", method="POST"), end=False)
        other.upload(stream, PATTERN[:1000])
        other.answer(stream)
    check(peer.call("/stuck").link is not peer.call("/other/0").link, "expected another connection")


@case("RFC9113-5.2.1", "nor, where there can be no other connection, what has no content")
def stuck_beside_the_last(lab):
    peer = lab.peer(settings=[(wire.INITIAL_WINDOW_SIZE, MIB)], give_back=False)
    peer.on("/stuck", lambda call: call.wait_until_gone())
    gateway = lab.front(peer, upstream="connections_max: 1")
    client = lab.client(gateway)
    stream = client.begin(request("/stuck", method="POST"), end=False)
    client.upload(stream, PATTERN[:wire.WINDOW], end=False)
    peer.call("/stuck").expect_content(wire.WINDOW)
    for _ in range(3):
        lab.client(gateway).get("/other")


@case("RFC9113-4.2", "no frame is larger than the backend takes")
def frame_size(lab):
    peer = lab.peer(settings=[(wire.INITIAL_WINDOW_SIZE, MIB)])
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked", method="POST"), end=False)
    client.upload(stream, PATTERN[:500000])
    client.answer(stream)
    call = peer.call("/asked")
    check(bytes(call.content) == PATTERN[:500000], "expected the content as it was sent, came another")
    check(max(call.data_sizes) <= wire.FRAME_MAX, f"expected {wire.FRAME_MAX} octets at most, came {max(call.data_sizes)}")


@case("RFC9113-5.2", "content of 8 MiB arrives as it was sent")
def large_upload(lab):
    peer = lab.peer()
    client = lab.client(lab.front(peer))
    stream = client.begin(request("/asked", ("content-length", str(len(PATTERN))), method="POST"), end=False)
    client.upload(stream, PATTERN)
    client.answer(stream)
    check(bytes(peer.call("/asked").content) == PATTERN, "expected the content as it was sent, came another")


@case("RFC9113-5.2", "a backend that takes nothing holds the client back, within 2 MiB")
def upload_back_pressure(lab):
    peer = lab.peer(give_back=False)
    gateway = lab.front(peer)
    client = lab.client(gateway)
    stream = client.begin(request("/asked", method="POST"), end=False)
    sent = send_until_stalled(lab, gateway, client, stream)
    check(sent < BOUND, f"expected less than {BOUND} octets, the gateway took {sent}")
    link = peer.call("/asked").link
    link.give_back = True
    link.send(wire.window_update(0, MIB) + wire.window_update(peer.call("/asked").stream, MIB))
    client.upload(stream, PATTERN[sent:])
    client.answer(stream)
    check(bytes(peer.call("/asked").content) == PATTERN, "expected the content as it was sent, came another")


def send_until_stalled(lab, gateway, client, stream):
    sent = 0

    def progress():
        nonlocal sent
        client.read_what_is_there()
        while sent < BOUND and client.may_send(stream) > 0:
            piece = PATTERN[sent:sent + min(client.may_send(stream), wire.FRAME_MAX)]
            client.send_data(stream, piece)
            sent += len(piece)
        return sent

    return stalled(lab, gateway, progress)


# --- what the client takes

def fills(call):
    call.head()
    call.send_content(PATTERN)


@case("RFC9113-5.2", "a client that takes nothing holds the backend back, within 2 MiB")
def answer_back_pressure(lab):
    peer = lab.peer()
    peer.on("/asked", fills)
    gateway = lab.front(peer)
    client = lab.client(gateway, settings=[(wire.INITIAL_WINDOW_SIZE, 10)])
    stream = client.begin(request("/asked"))
    client.until(lambda: len(client.streams[stream].body) == 10, "ten octets")
    call = peer.call("/asked")
    sent = stalled(lab, gateway, lambda: call.sent)
    check(sent < BOUND, f"expected less than {BOUND} octets, the gateway took {sent}")
    client.give_back = True
    client.send(wire.window_update(0, 1 << 24) + wire.window_update(stream, 1 << 24))
    check(bytes(client.answer(stream).body) == PATTERN, "expected the content as it was sent, came another")


@case("RFC9113-5.2", "a client of HTTP/1.1 that reads nothing holds the backend back")
def old_client_back_pressure(lab):
    peer = lab.peer()
    body = PATTERN * 8  # more than any buffer of the system takes

    def do(call):
        call.head(200, ("content-length", str(len(body))))
        call.send_content(body)

    peer.on("/asked", do)
    gateway = lab.front(peer)
    client = lab.old_client(gateway)
    client.sendall(b"GET /asked HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n")
    call = peer.call("/asked")
    sent = stalled(lab, gateway, lambda: call.sent)
    check(sent < len(body) // 2, f"expected that the backend is held back, it could send {sent} octets")
    came = b"".join(iter(lambda: client.recv(MIB), b""))
    check(came.endswith(PATTERN) and len(came) - came.index(b"\r\n\r\n") - 4 == len(body), f"expected the whole content, came {len(came)} octets")


def expect_other(lab, gateway):
    """Another client gets the whole of a long answer."""
    other = lab.client(gateway, give_back=True)
    check(bytes(other.get("/other").body) == PATTERN, "expected the content as it was sent, came another")


@case("RFC9113-5.2.1", "a client that takes nothing does not hold back another's answer from the same backend")
def stalled_beside(lab):
    peer = lab.peer()
    for number in range(6):
        peer.on(f"/{number}", fills)
    peer.on("/other", fills)
    gateway = lab.front(peer)
    client = lab.client(gateway, settings=[(wire.INITIAL_WINDOW_SIZE, 10)])
    for number in range(6):
        stream = client.begin(request(f"/{number}"))
        client.until(lambda: len(client.streams[stream].body) == 10, "ten octets")
    other = lab.client(gateway, give_back=True)
    check(bytes(other.get("/other").body) == PATTERN, "expected the content as it was sent, came another")


@case("RFC9113-5.2.1", "nor do ninety of them, however long the other's answer is")
def many_stalled_beside(lab):
    peer = lab.peer()

    def long(call):
        call.head(200, ("content-length", str(len(PATTERN))))
        call.send_content(PATTERN)

    gateway = lab.front(peer, upstream="connections_max: 1")
    client = lab.client(gateway, settings=[(wire.INITIAL_WINDOW_SIZE, 10)])
    for number in range(90):
        peer.on(f"/{number}", long)
        client.begin(request(f"/{number}"))
    client.until(lambda: sum(len(stream.body) for stream in client.streams.values()) == 900, "ten octets of each")
    peer.on("/other", long)
    for _ in range(2):
        expect_other(lab, gateway)


@case("RFC9113-5.2.1", "answers that are whole, but that no client takes, do not hold back others from the same backend")
def whole_and_stalled(lab):
    peer = lab.peer()
    content = PATTERN[:4096]  # a stream's window at first
    gateway = lab.front(peer)
    client = lab.client(gateway, settings=[(wire.INITIAL_WINDOW_SIZE, 0)])
    for number in range(105):  # one after the other: the backend is done with each
        done = lab.gate()
        peer.on(f"/{number}", lambda call, done=done: (call.answer(body=content), done.set()))
        client.begin(request(f"/{number}"))
        expect_event(done, f"that answer {number} could be sent")
    expect_room(lab, peer, gateway)


@case("RFC9113-5.2.1", "answers that nobody waits for any more give their part of the connection's window back")
def given_up(lab):
    peer = lab.peer()
    gateway = lab.front(peer)
    client = lab.client(gateway, settings=[(wire.INITIAL_WINDOW_SIZE, 10)])
    for number in range(30):  # each leaves some octets unread
        peer.on(f"/{number}", fills)
        stream = client.begin(request(f"/{number}"))
        client.until(lambda: len(client.streams[stream].body) == 10, "ten octets")
        client.send(wire.reset(stream))
        peer.call(f"/{number}").expect_gone()
    expect_room(lab, peer, gateway)


@case("RFC9113-5.2.1", "uploads that are given up take nothing of the connection's window with them")
def given_up_uploads(lab):
    peer = lab.peer()
    gateway = lab.front(peer)
    client = lab.client(gateway)
    for number in range(30):
        peer.on(f"/{number}", lambda call: call.wait_until_gone())
        stream = client.begin(request(f"/{number}", method="POST"), end=False)
        client.upload(stream, PATTERN[:10000], end=False)
        peer.call(f"/{number}").expect_content(10000)
        client.send(wire.reset(stream))
        peer.call(f"/{number}").expect_gone()
    stream = client.begin(request("/last", method="POST"), end=False)
    client.upload(stream, PATTERN[:MIB])
    client.answer(stream)
    check(bytes(peer.call("/last").content) == PATTERN[:MIB], "expected the content as it was sent, came another")


@case("RFC9110-10.1.1", "100 Continue comes also where it is asked for beside an answer that is not read yet")
def invited_beside_unread(lab):
    peer = lab.peer()
    peer.on("/large", fills)
    client = lab.client(gateway := lab.front(peer), settings=[(wire.INITIAL_WINDOW_SIZE, 1 << 30)])
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.send(wire.window_update(0, 1 << 30))
    client.begin(request("/large"))
    call = peer.call("/large")
    stalled(lab, gateway, lambda: call.sent)
    post = client.begin(request("/post", ("expect", "100-continue"), ("content-length", "5"), method="POST"), end=False)
    lab.client(gateway).settle()
    client.until(lambda: client.streams[post].informational, "the interim answer")
    client.send_data(post, b"hello", end=True)
    client.answer(post)
