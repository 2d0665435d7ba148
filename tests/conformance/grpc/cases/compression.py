"""Header compression towards a backend (RFC 7541)."""
from support import blocks, wire
from support.registry import case, check, equal


def asks(lab, peer, count=30):
    """Requests whose fields change, so that tables move; each arrives as it was."""
    client = lab.client(lab.front(peer))
    for number in range(count):
        fields = [("x-number", str(number)), ("x-same", "same"), ("x-long", f"{number}" * 200)]
        client.get(f"/{number}", *fields)
        call = peer.call(f"/{number}")
        equal([call.value(name.encode()) for name, _ in fields], [value.encode() for _, value in fields], "the fields at the backend")
    peer.expect_order()
    return client


@case("RFC7541-4.2", "a backend whose table has no room: all is sent without it")
def no_table(lab):
    peer = lab.peer(table_size=0)
    asks(lab, peer)


@case("RFC7541-4.2", "a backend whose table is small")
def small_table(lab):
    asks(lab, lab.peer(table_size=100))


@case("RFC7541-4.2", "a backend whose table is large")
def large_table(lab):
    asks(lab, lab.peer(table_size=1 << 20))


@case("RFC7541-2.3.2", "a table of the usual size, through two hundred requests")
def usual_table(lab):
    asks(lab, lab.peer(), 200)


@case("RFC7541-4.3", "a backend that changes its own table's size between answers is understood")
def own_table(lab):
    peer = lab.peer()

    def do(call):
        call.read_content()
        with call.link.lock:
            call.link.encoder.header_table_size = (0, 50, 4096)[call.stream // 2 % 3]
            call.head(200, ("x-same", "same"), ("x-path", call.path))
        call.send_content(b"hello")

    client = lab.client(lab.front(peer))
    for number in range(12):
        peer.on(f"/{number}", do)
        came = client.get(f"/{number}")
        equal([came.value(b"x-same"), came.value(b"x-path")], [b"same", b"/%d" % number], "the fields")


@case("RFC7541-6.2.2", "answers without any compression are understood")
def literals(lab):
    peer = lab.peer()
    octets = b"".join(blocks.literal(name, value, kind) for name, value, kind in [
        (b":status", b"200", blocks.WITHOUT_INDEXING), (b"x-never", b"n", blocks.NEVER_INDEXED), (b"x-table", b"t", blocks.INCREMENTAL)])
    peer.on("/first", lambda call: call.block(octets, end=True))
    peer.on("/second", lambda call: call.block(b"\x88" + blocks.indexed(blocks.FIRST_DYNAMIC), end=True))
    client = lab.client(lab.front(peer))
    came = client.get("/first")
    equal([came.value(b"x-never"), came.value(b"x-table")], [b"n", b"t"], "the fields")
    equal(client.get("/second").value(b"x-table"), b"t", "the field from the table")


@case("RFC7541-7.1.3", "an Authorization that is passed on is never put into a table")
def never_indexed(lab):
    peer = lab.peer()
    client = lab.client(lab.front(peer))
    client.get("/first", ("authorization", "Bearer secret-of-one"))
    client.get("/second", ("authorization", "Bearer secret-of-one"))
    for path in ("/first", "/second"):
        equal(peer.call(path).value(b"authorization"), b"Bearer secret-of-one", "Authorization at the backend")
    table = [bytes(value) for _, value in peer.link().decoder.header_table.dynamic_entries]
    check(not any(b"secret-of-one" in value for value in table), f"expected no secret in the table, came {table}")


@case("RFC9113-4.3.1", "a table size that a backend sets later is obeyed")
def later(lab):
    peer = lab.peer()
    client = asks(lab, peer, 3)
    peer.link().change((wire.HEADER_TABLE_SIZE, 0))
    for number in range(5):
        client.get("/later", ("x-number", str(number)), ("x-same", "same"))
    equal([peer.call("/later", number).value(b"x-number") for number in range(5)], [b"%d" % number for number in range(5)], "the fields")
    equal(len(peer.links), 1, "the connections")
    peer.expect_order()
