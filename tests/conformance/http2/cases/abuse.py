"""Clients that make work without asking for anything: each is told ENHANCE_YOUR_CALM within a bounded count, and the next connection is served."""
from support import blocks, wire
from support.backend import replies
from support.client import request
from support.registry import case, check, equal

WHOLE = wire.END_HEADERS | wire.END_STREAM
TRAILER = blocks.literal(b"a", b"b")
CALM = wire.ENHANCE_YOUR_CALM
REQUESTS_MOST = 3000  # as many attacks by requests as may be tried before the gateway has had enough


def flood(lab, client, octets, most, *codes, pace=None):
    """Sends octets(number), again and again, until the gateway has had enough; most: when it must have. pace: awaited behind each fifty."""
    sent = 0
    while sent < most and not client.goaways and not client.closed:
        client.send(b"".join(octets(number) for number in range(sent, sent + 50)))
        client.read_what_is_there()
        sent += 50
        if pace:
            pace()
    client.expect_goaway(*codes)
    lab.expect_serving()


def in_step(client):
    """The gateway has seen what was sent, so that no more streams are open at once than there may be."""

    def wait():
        before = client.acknowledged_pings(b"in step.")
        client.send(wire.ping(b"in step."))
        client.until(lambda: client.acknowledged_pings(b"in step.") > before or client.goaways, "the acknowledgement of a PING")

    return wait


def head_octets(client, fields, flags=WHOLE):
    return wire.frame(wire.HEADERS, flags, client.new_stream(), client.encoder.encode(fields))


def flood_of(section, name, most, octets, codes=(CALM,), begin=None):
    """A flood of frames that need no request, or need the one that begin sends."""

    @case(section, name)
    def run(lab):
        client = lab.connect()
        if begin:
            begin(client)
        flood(lab, client, octets, most, *codes)


def flood_of_requests(section, name, octets, codes=(CALM,)):
    """octets(client): a request on a new stream, and what makes it an attack."""

    @case(section, name)
    def run(lab):
        client = lab.connect()
        client.settle()
        flood(lab, client, lambda _: octets(client), REQUESTS_MOST, *codes, pace=in_step(client))
        check(len(lab.backend.paths()) <= 1000, f"expected 1000 requests at the backend at most, came {len(lab.backend.paths())}")


def open_upload(client):
    client.begin(request("/upload", method="POST"), end=False)


# --- streams that are reset, by either side

def reset_request(client):
    return head_octets(client, request("/reset")) + wire.reset(client.next_stream - 2)


def spoil(fields, *then, flags=wire.END_HEADERS):
    """A request, open if nothing else is said, and frames that make the gateway reset it."""

    def octets(client):
        head = head_octets(client, fields, flags)
        return head + b"".join(make(client.next_stream - 2) for make in then)

    return octets


POST = request("/post", method="POST")
flood_of_requests("CVE-2023-44487", "requests that are reset at once (rapid reset)", reset_request)
flood_of_requests("CVE-2023-44487", "requests that are half sent and reset",
                  spoil(POST, lambda s: wire.frame(wire.DATA, 0, s, b"x"), wire.reset))
flood_of_requests("CVE-2025-8671", "streams reset for WINDOW_UPDATE by 0",
                  spoil(POST, lambda s: wire.window_update(s, 0)), (CALM, wire.PROTOCOL_ERROR))
flood_of_requests("CVE-2025-8671", "streams reset for a window above 2^31-1", spoil(POST, lambda s: wire.window_update(s, wire.WINDOW_MAX)))
flood_of_requests("CVE-2025-8671", "streams reset for DATA behind END_STREAM",
                  spoil(request("/ended"), lambda s: wire.frame(wire.DATA, 0, s, b"x"), flags=WHOLE), (CALM, wire.STREAM_CLOSED))
flood_of_requests("CVE-2025-8671", "streams reset for HEADERS behind END_STREAM",
                  spoil(request("/ended"), lambda s: wire.frame(wire.HEADERS, WHOLE, s, TRAILER), flags=WHOLE), (CALM, wire.STREAM_CLOSED))
flood_of_requests("CVE-2025-8671", "streams reset for more DATA than content-length",
                  spoil(request("/long", ("content-length", "1"), method="POST"), lambda s: wire.frame(wire.DATA, 0, s, b"two")))
flood_of_requests("CVE-2025-8671", "streams reset for PRIORITY of a wrong length",
                  spoil(POST, lambda s: wire.frame(wire.PRIORITY, 0, s, bytes(4))), (CALM, wire.FRAME_SIZE_ERROR))
flood_of_requests("CVE-2025-8671", "streams reset for trailers that do not end them",
                  spoil(POST, lambda s: wire.frame(wire.HEADERS, wire.END_HEADERS, s, TRAILER)), (CALM, wire.PROTOCOL_ERROR))
flood_of_requests("CVE-2019-9514", "streams reset because they are malformed", lambda client: head_octets(client, request("/bad", ("te", "gzip"))))
flood_of_requests("CVE-2019-9514", "streams refused because there are too many", lambda client: head_octets(client, POST, wire.END_HEADERS),
                  (CALM, wire.PROTOCOL_ERROR))


@case("RFC9113-10.5", "a client that resets hundreds of requests, as of a page that is left, is no attacker")
def some_resets(lab):
    client = lab.connect()
    for _ in range(800):
        client.send(reset_request(client))
    client.expect_alive()


@case("RFC9113-10.5", "a client that takes one answer for each request that it resets is no attacker, for however long")
def resets_between_answers(lab):
    client = lab.connect()
    for _ in range(1600):
        client.send(reset_request(client))
        client.get("/taken")
    client.expect_alive()


# --- control frames

flood_of("CVE-2019-9512", "PING", 5000, lambda n: wire.ping(b"%08d" % n))
flood_of("CVE-2019-9512", "acknowledgements of PINGs that nobody sent", 5000, lambda n: wire.frame(wire.PING, wire.ACK, 0, b"%08d" % n))
flood_of("CVE-2019-9515", "empty SETTINGS", 5000, lambda n: wire.settings())
flood_of("CVE-2019-9515", "SETTINGS that change the windows", 5000, lambda n: wire.settings((wire.INITIAL_WINDOW_SIZE, n)))
flood_of("CVE-2019-9515", "acknowledgements of SETTINGS that nobody sent", 5000, lambda n: wire.settings_ack(), (CALM, wire.PROTOCOL_ERROR))
flood_of("CVE-2019-9513", "PRIORITY of idle streams", 5000, lambda n: wire.priority(2 * n + 3, depends_on=2 * n + 1))
flood_of("CVE-2019-9513", "PRIORITY of one stream, again and again", 5000,
         lambda n: wire.priority(1, depends_on=3 + 2 * (n % 2)), begin=open_upload)
flood_of("RFC9113-10.5", "WINDOW_UPDATE of the connection", 5000, lambda n: wire.window_update(0, 1))
flood_of("RFC9113-10.5", "WINDOW_UPDATE of a stream", 5000, lambda n: wire.window_update(1, 1), begin=open_upload)
flood_of("RFC9113-10.5", "GOAWAY, again and again", 5000, lambda n: wire.goaway(0), begin=open_upload)
flood_of("RFC9113-10.5", "unknown frames", 5000, lambda n: wire.frame(0xbb, 0, 0, b"?"))
flood_of("RFC9113-10.5", "unknown frames of an open stream", 5000, lambda n: wire.frame(0xbb, 0, 1), begin=open_upload)
flood_of("CVE-2019-9518", "DATA without content", 5000, lambda n: wire.frame(wire.DATA, 0, 1), begin=open_upload)

@case("CVE-2019-9518", "DATA of nothing but padding")
def padding_only(lab):
    client = lab.connect()
    client.settle()
    open_upload(client)
    octets = wire.frame(wire.DATA, wire.PADDED, 1, wire.padded(b"", 4))
    for _ in range(60):
        client.until(lambda: client.goaways or client.may_send(1) >= 500, "WINDOW_UPDATE for what was padding")
        if client.goaways:
            break
        client.send(octets * 100)
        for which in (0, 1):
            client.windows[which] -= 500
    client.expect_goaway(CALM)
    lab.expect_serving()


flood_of("RFC9113-10.5", "RST_STREAM of one stream, again and again", 5000, lambda n: wire.reset(1), begin=open_upload)


def leave_streams_out(client):
    for stream in range(1, 41, 4):
        client.send_headers(stream, request("/used"))
        client.answer(stream)


# nghttp2 decodes the block and drops it: no stream begins, and no callback tells of it.
flood_of("RFC9113-10.5", "HEADERS of a stream that was left out long ago", 5000,
         lambda n: wire.frame(wire.HEADERS, WHOLE, 3, blocks.get(b"/three")), begin=leave_streams_out)


@case("RFC9113-10.5", "a client that ends two thousand requests with trailers is no attacker")
def many_trailers(lab):
    lab.backend.on("/no-content", replies(204, body=b""))  # without DATA that would pay for them
    client = lab.connect()
    for _ in range(40):
        streams = [client.new_stream() for _ in range(50)]
        for stream in streams:
            client.send_headers(stream, request("/no-content", method="POST"), wire.END_HEADERS)
            client.send(wire.frame(wire.HEADERS, WHOLE, stream, TRAILER))
        for stream in streams:
            client.answer(stream, 204)
    client.expect_alive()


@case("RFC9113-10.5", "a client that sends a hundred of each control frame is no attacker")
def some_control_frames(lab):
    client = lab.connect()
    open_upload(client)
    for number in range(100):
        client.send(wire.ping() + wire.settings() + wire.priority(1) + wire.window_update(0, 1) + wire.window_update(1, 1) + wire.frame(0xbb))
        client.send_data(1, b"x" * (number % 2))
    client.send_data(1, end=True)
    client.answer(1)
    client.expect_alive()


# --- header blocks

def block_that_goes_on(client):
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, 1, client.encoder.encode(request("/endless"))))


flood_of("CVE-2024-27316", "CONTINUATION without end", 1000,
         lambda n: wire.frame(wire.CONTINUATION, 0, 1, blocks.literal(b"x-%d" % n, b"v" * 1000)), begin=block_that_goes_on)
flood_of("CVE-2024-27316", "CONTINUATION without end, of one octet", 1000,
         lambda n: wire.frame(wire.CONTINUATION, 0, 1, b"\x82"), begin=block_that_goes_on)
flood_of("CVE-2019-9518", "empty CONTINUATION without end", 1000, lambda n: wire.frame(wire.CONTINUATION, 0, 1), begin=block_that_goes_on)


@case("CVE-2024-27316", "a block of CONTINUATION without end on a stream that is refused, too, is stopped")
def continuation_of_trailers(lab):
    client = lab.connect()
    open_upload(client)
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, 1, b""))
    flood(lab, client, lambda n: wire.frame(wire.CONTINUATION, 0, 1, blocks.literal(b"x-%d" % n, b"v" * 1000)), 1000, CALM)


@case("CVE-2016-6581", "a header block of 16 KB that is 48 MB when decoded (HPACK bomb)")
def hpack_bomb(lab):
    client = lab.connect()
    bomb = blocks.literal(b"x-bomb", b"v" * 4000, blocks.INCREMENTAL) + blocks.indexed(blocks.FIRST_DYNAMIC) * 12000
    client.send(wire.frame(wire.HEADERS, WHOLE, 1, blocks.get() + bomb))
    client.expect_goaway(CALM)
    lab.expect_untouched()


@case("CVE-2016-6581", "trailers of 16 KB that are 48 MB when decoded")
def hpack_bomb_in_trailers(lab):
    client = lab.connect()
    open_upload(client)
    bomb = blocks.literal(b"x-bomb", b"v" * 4000, blocks.INCREMENTAL) + blocks.indexed(blocks.FIRST_DYNAMIC) * 12000
    client.send(wire.frame(wire.HEADERS, WHOLE, 1, bomb))
    # nobody reads trailers: to drop them is as good as to refuse them
    client.until(lambda: client.streams[1].over or client.goaways, "the end of the request")
    lab.expect_serving()


@case("CVE-2019-9516", "a header block of thousands of empty fields")
def empty_fields(lab):
    client = lab.connect()
    client.send(wire.frame(wire.HEADERS, WHOLE, 1, blocks.get() + b"\x00\x00\x00" * 5000))
    client.expect_error(1, CALM, wire.PROTOCOL_ERROR)
    lab.expect_untouched()


@case("RFC9113-10.5.1", "a header list that is larger than SETTINGS_MAX_HEADER_LIST_SIZE is answered with 431")
def large_header_list(lab):
    client = lab.connect()
    large = b"".join(blocks.literal(b"x-%d" % number, b"v" * 3000) for number in range(4))
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, 1, blocks.get() + large) + wire.frame(wire.CONTINUATION, 0, 1, large)
                + wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, large))
    client.answer(1, 431)
    client.next_stream = 3
    lab.expect_untouched(client)


@case("RFC9113-10.5.1", "more header fields than are allowed are answered with 431")
def many_header_fields(lab):
    client = lab.connect()
    client.get("/ninety", *[(f"x-{number}", "1") for number in range(90)])
    client.get("/many", *[(f"x-{number}", "1") for number in range(101)], status=431)
    equal(lab.backend.paths(), ["/ninety"], "the requests at the backend")


@case("RFC9113-10.5.1", "a :path that is larger than is allowed is answered with 414")
def large_path(lab):
    client = lab.connect()
    client.get("/" + "p" * 8000)
    client.get("/" + "p" * 9000, status=414)
    equal(len(lab.backend.paths()), 1, "the requests at the backend")


@case("RFC9113-10.5.1", "a header block that is much larger than any list may be ends the connection")
def huge_header_block(lab):
    client = lab.connect()
    client.send(wire.frame(wire.HEADERS, 0, 1, blocks.get()))
    flood(lab, client, lambda n: wire.frame(wire.CONTINUATION, 0, 1, blocks.literal(b"x-%d" % n, b"v" * 16000)), 50, CALM)
