"""Header compression: RFC 7541, towards the gateway and from it."""
from support import blocks, wire
from support.blocks import INCREMENTAL, NEVER_INDEXED, WITHOUT_INDEXING
from support.client import request
from support.registry import case, check, equal


def send_block(client, stream, block):
    client.send(wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, stream, block))


def connect_behind(lab, before):
    """A connection on which these blocks were requests that have been answered."""
    client = lab.connect()
    for block in before:
        stream = client.new_stream()
        send_block(client, stream, block)
        client.answer(stream)
    return client


def decoding_error(section, name, block, *before):
    """A block that cannot be decoded, on a connection that has had the blocks before."""

    @case(section, f"{name} is COMPRESSION_ERROR")
    def run(lab):
        client = connect_behind(lab, before)
        send_block(client, client.new_stream(), block)
        client.expect_goaway(wire.COMPRESSION_ERROR)
        check("/block" not in lab.backend.paths(), "expected nothing at the backend, came a request")


def accepted(section, name, fields, expected, *before):
    """Header fields behind a request, and what the backend gets of them."""

    @case(section, name)
    def run(lab):
        client = connect_behind(lab, before)
        stream = client.new_stream()
        send_block(client, stream, blocks.get(b"/accepted") + fields)
        client.answer(stream)
        head = lab.backend.visit("/accepted").head
        for line in expected:
            check(b"\r\n" + line + b"\r\n" in head, f"expected {line} at the backend, came {head}")


KEEP_ONE = blocks.get(b"/before") + blocks.literal(b"x-kept", b"one", INCREMENTAL)
KEEP_TWO = blocks.get(b"/before") + blocks.literal(b"x-kept", b"one", INCREMENTAL) + blocks.literal(b"x-kept", b"two", INCREMENTAL)

# --- what cannot be decoded

decoding_error("RFC7541-2.3.3", "an indexed field behind the end of both tables", blocks.get() + blocks.indexed(blocks.FIRST_DYNAMIC))
decoding_error("RFC7541-2.3.3", "an indexed field far behind the end of both tables", blocks.get() + blocks.indexed(2**20))
decoding_error("RFC7541-2.3.3", "a name behind the end of both tables", blocks.get() + blocks.literal(70, b"value", INCREMENTAL))
decoding_error("RFC7541-2.3.3", "a name behind the end of both tables, without indexing,", blocks.get() + blocks.literal(62, b"value"))
decoding_error("RFC7541-2.3.3", "an index behind what the dynamic table has", blocks.get() + blocks.indexed(63), KEEP_ONE)
decoding_error("RFC7541-4.2", "a table size update at the end of a block", blocks.get() + blocks.size_update(0))
decoding_error("RFC7541-4.2", "a table size update between fields", blocks.METHOD_GET + blocks.size_update(100) + blocks.get()[1:])
decoding_error("RFC7541-4.3", "an index that a smaller table has lost", blocks.size_update(0) + blocks.get() + blocks.indexed(62), KEEP_ONE)
decoding_error("RFC7541-4.4", "an index that a field larger than the table has lost",
               blocks.get() + blocks.indexed(62), KEEP_ONE, blocks.get(b"/before") + blocks.literal(b"x-large", b"v" * 4096, INCREMENTAL))
decoding_error("RFC7541-5.1", "an integer that does not end", blocks.get() + b"\xff" + b"\xff" * 10 + b"\x0f")
decoding_error("RFC7541-5.1", "an integer of 70 bits", blocks.get() + b"\xff" + b"\x80" * 9 + b"\x01")
decoding_error("RFC7541-5.1", "an integer that the block's end cuts", blocks.get() + b"\xff\x80")
decoding_error("RFC7541-5.2", "a string that is longer than its block", blocks.get() + b"\x00\x01x\x05abc")
decoding_error("RFC7541-5.2", "a name that is longer than its block", blocks.get() + b"\x00\x7f\x80\x80\x80\x01name")
decoding_error("RFC7541-5.2", "a literal without a value", blocks.get() + b"\x00\x01x")
# "test" has 20 bits by Huffman's code
decoding_error("RFC7541-5.2", "Huffman's code padded with more than 7 bits", blocks.get() + b"\x00\x01x" + blocks.huffman_string(b"test", "1" * 12))
decoding_error("RFC7541-5.2", "Huffman's code padded with zeros", blocks.get() + b"\x00\x01x" + blocks.huffman_string(b"test", "0000"))
decoding_error("RFC7541-5.2", "Huffman's code with the symbol EOS",
               blocks.get() + b"\x00\x01x" + blocks.huffman_string(b"test", "1" * 30 + "00011" + "1"))  # EOS, "a", padding
decoding_error("RFC7541-6.1", "an indexed field with index 0", blocks.get() + b"\x80")
decoding_error("RFC7541-6.3", "a table size update above SETTINGS_HEADER_TABLE_SIZE", blocks.size_update(blocks.TABLE_SIZE + 1) + blocks.get())
decoding_error("RFC7541-6.3", "a table size update of 2^32", blocks.size_update(2**32) + blocks.get())

# --- what can

for kind, how in ((INCREMENTAL, "with incremental indexing"), (WITHOUT_INDEXING, "without indexing"), (NEVER_INDEXED, "never indexed")):
    section = {INCREMENTAL: "RFC7541-6.2.1", WITHOUT_INDEXING: "RFC7541-6.2.2", NEVER_INDEXED: "RFC7541-6.2.3"}[kind]
    for huffman in (False, True):
        coding = ", by Huffman's code," if huffman else ""
        accepted(section, f"a literal with a new name {how}{coding} is understood",
                 blocks.literal(b"x-new", b"value", kind, huffman), [b"x-new: value"])
        accepted(section, f"a literal with an indexed name {how}{coding} is understood",
                 blocks.literal(blocks.USER_AGENT, b"tests", kind, huffman), [b"User-Agent: tests"])
accepted("RFC7541-6.1", "an indexed field of the static table is understood", blocks.indexed(16), [b"accept-encoding: gzip, deflate"])
accepted("RFC7541-6.1", "indexed fields of the dynamic table are understood, the newest first",
         blocks.indexed(62) + blocks.indexed(63), [b"x-kept: two\r\nx-kept: one"], KEEP_TWO)
accepted("RFC7541-6.2", "a name of the dynamic table is understood", blocks.literal(62, b"other"), [b"x-kept: other"], KEEP_ONE)
accepted("RFC7541-2.3.2", "the dynamic table may have one field twice",
         blocks.indexed(62) + blocks.indexed(63), [b"x-kept: one\r\nx-kept: one"], KEEP_ONE, KEEP_ONE)
accepted("RFC7541-5.1", "an integer may have more octets than it needs", b"\x00\x7f\x80\x00" + b"n" * 127 + b"\x01v", [b"n" * 127 + b": v"])
accepted("RFC7541-5.2", "an empty value is understood, by Huffman's code, too", b"\x00\x03x-a\x00" + b"\x00\x03x-b\x80", [b"x-a: ", b"x-b: "])
accepted("RFC7541-4.4", "a field larger than the table empties it, and is a field nevertheless",
         blocks.literal(b"x-large", b"v" * 4096, INCREMENTAL) + blocks.literal(b"x-next", b"1", INCREMENTAL) + blocks.indexed(62),
         [b"x-large: " + b"v" * 4096, b"x-next: 1\r\nx-next: 1"], KEEP_ONE)
# 32 octets each beside name and value (section 4.1): three fields of 1366 octets do not fit
accepted("RFC7541-4.4", "the table has room for as much as its size says",
         b"".join(blocks.literal(b"x-%d" % i, b"%d" % i + b"v" * 1329, INCREMENTAL) for i in range(3)) + blocks.indexed(63) + blocks.indexed(62),
         [b"x-2: 2" + b"v" * 1329 + b"\r\nx-1: 1" + b"v" * 1329 + b"\r\nx-2: 2" + b"v" * 1329])
decoding_error("RFC7541-4.4", "an index that the table had no room for",
               b"".join(blocks.literal(b"x-%d" % i, b"%d" % i + b"v" * 1330, INCREMENTAL) for i in range(3)) + blocks.indexed(64) + blocks.get())


@case("RFC7541-6.3", "table size updates at the beginning of a block are understood, several too")
def size_updates(lab):
    client = lab.connect()
    send_block(client, 1, blocks.size_update(0) + KEEP_ONE)
    client.answer(1)
    send_block(client, 3, blocks.size_update(0) + blocks.size_update(blocks.TABLE_SIZE) + KEEP_ONE)
    client.answer(3)
    send_block(client, 5, blocks.get(b"/kept") + blocks.indexed(62))
    client.answer(5)
    equal(lab.backend.visit("/kept").value(b"x-kept"), b"one", "the header at the backend")


def kept_after(lab, client, stream, way=""):
    """The table has x-kept, whatever became of the block that brought it."""
    send_block(client, stream, blocks.get(b"/kept") + blocks.indexed(62))
    client.answer(stream)
    equal(lab.backend.visit("/kept").value(b"x-kept"), b"one", f"the header at the backend {way}")


@case("RFC9113-4.3", "the block of a request that is refused counts for the table")
def table_after_malformed(lab):
    client = lab.connect()
    send_block(client, 1, blocks.get(b"/bad") + blocks.literal(b"connection", b"close") + blocks.literal(b"x-kept", b"one", INCREMENTAL))
    client.expect_reset(1, wire.PROTOCOL_ERROR)
    kept_after(lab, client, 3)


@case("RFC9113-4.3", "the block of a request that is answered with 400 counts for the table")
def table_after_bad_request(lab):
    client = lab.connect()
    send_block(client, 1, blocks.get(b"/a/../b") + blocks.literal(b"x-kept", b"one", INCREMENTAL))
    client.answer(1, 400)
    kept_after(lab, client, 3)


@case("RFC9113-4.3", "a block that is too large for a request counts for the table")
def table_after_too_large(lab):
    client = lab.connect()
    large = b"".join(blocks.literal(b"x-%d" % i, b"v" * 3000) for i in range(5))
    client.send(wire.frame(wire.HEADERS, wire.END_STREAM, 1, blocks.get(b"/large") + large))
    client.send(wire.frame(wire.CONTINUATION, 0, 1, large))
    client.send(wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, large + blocks.literal(b"x-kept", b"one", INCREMENTAL)))
    client.answer(1, 431)
    kept_after(lab, client, 3)


@case("RFC9113-4.3", "trailers count for the table")
def table_after_trailers(lab):
    client = lab.connect()
    client.send(wire.frame(wire.HEADERS, wire.END_HEADERS, 1, blocks.METHOD_POST + blocks.get()[1:]))
    client.send(wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, blocks.literal(b"x-kept", b"one", INCREMENTAL)))
    client.answer(1)
    kept_after(lab, client, 3)


@case("RFC9113-4.3", "the trailers of a stream that the gateway has reset count for the table")
def table_after_reset(lab):
    client = lab.connect()
    bad = blocks.METHOD_POST + blocks.get()[1:] + blocks.literal(b"connection", b"close")
    client.send(wire.frame(wire.HEADERS, wire.END_HEADERS, 1, bad))
    client.expect_reset(1, wire.PROTOCOL_ERROR)
    client.send(wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, blocks.literal(b"x-kept", b"one", INCREMENTAL)))
    kept_after(lab, client, 3)


# --- the gateway's own blocks

@case("RFC7541-4.2", "the gateway uses no more table than the client has")
def small_table(lab):
    lab.backend.on("/indexed", lambda visit: visit.answer(headers=[("x-same", "value")]))
    client = lab.connect()
    client.get("/indexed")
    client.send(wire.settings((wire.HEADER_TABLE_SIZE, 0)))
    client.settle()
    client.decoder.max_allowed_table_size = 0  # and the decoder fails if no size update says so
    for _ in range(3):
        came = client.get("/indexed")
        equal(came.value(b"x-same"), b"value", "a header of the answer")
    equal(client.decoder.header_table_size, 0, "the size that the gateway's table has")


@case("RFC7541-4.2", "of a table that was made small and large again, the gateway tells the smallest size first")
def table_small_and_large(lab):
    lab.backend.on("/indexed", lambda visit: visit.answer(headers=[("x-same", "value")]))
    client = lab.connect()
    client.get("/indexed")
    client.send(wire.settings((wire.HEADER_TABLE_SIZE, 0), (wire.HEADER_TABLE_SIZE, 4096)))
    client.settle()
    stream = client.begin(request("/indexed"))
    client.answer(stream)
    block = next(frame for frame in client.frames if frame.type == wire.HEADERS and frame.stream == stream).payload
    expected = blocks.size_update(0) + blocks.size_update(4096)
    check(block.startswith(expected), f"expected a block that begins with {expected}, came {block[:12]}")


@case("RFC7541-4.2", "a client that has a larger table gets answers that it can decode")
def large_table(lab):
    lab.backend.on("/indexed", lambda visit: visit.answer(headers=[("x-same", "value" * 300)]))
    client = lab.connect(settings=[(wire.HEADER_TABLE_SIZE, 65536)])
    client.decoder.max_allowed_table_size = 65536
    for _ in range(3):
        equal(client.get("/indexed").value(b"x-same"), b"value" * 300, "a header of the answer")
