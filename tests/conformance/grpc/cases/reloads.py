"""Another config while requests are under way: the old one's connections go with the last of them."""
from support.client import request
from support.peer import replies
from support.registry import case, check, equal

OLD = b"GET /asked HTTP/1.1\r\nHost: api.test\r\n\r\n"


def under_way(lab, do, ask):
    """Asks a backend that the config then has no more, and lets it answer. Gives what the client was asked to wait for."""
    gate = lab.gate()
    old, new = lab.peer(), lab.peer()
    old.on("/asked", lambda call: (gate.wait(20), do(call)))
    gateway = lab.front(old)
    wait = ask(gateway)
    call = old.call("/asked")
    lab.refront(gateway, new)
    equal(bytes(lab.client(gateway).get("/next").body), b"hello", "the content by the new config")
    equal(new.paths(), ["/next"], "the requests at the new backend")
    gate.set()
    came = wait()
    lab.refront(gateway, new)  # what nobody uses any more goes with the next one
    check(call.link.gone.wait(20), "expected the end of the old backend's connection, it did not come")
    equal(bytes(lab.client(gateway).get("/last").body), b"hello", "the content by the new config")
    return came


def asks_old(lab, ending):
    """A client of HTTP/1.1, and how to wait for the end of its answer."""

    def ask(gateway):
        client = lab.old_client(gateway)
        client.sendall(OLD)

        def wait():
            came = b""
            while ending not in came:
                piece = client.recv(65536)
                if not piece:
                    break
                came += piece
            return came

        return wait

    return ask


def asks(lab):
    def ask(gateway):
        client = lab.client(gateway)
        stream = client.begin(request("/asked"))
        came = client.streams[stream]
        return lambda: (client.until(lambda: came.over, "an end"), came)[1]

    return ask


@case("reload", "an answer of the old backend to a client of HTTP/1.1")
def old_client(lab):
    came = under_way(lab, replies(headers=[("content-length", "5")]), asks_old(lab, b"hello"))
    check(came.startswith(b"HTTP/1.1 200 ") and came.endswith(b"hello"), f"expected the answer, came {came}")


@case("reload", "an answer of the old backend that is only a head")
def only_head(lab):
    came = under_way(lab, replies(204, body=b""), asks_old(lab, b"\r\n\r\n"))
    check(came.startswith(b"HTTP/1.1 204 "), f"expected the answer, came {came}")


@case("reload", "a reset by the old backend")
def reset(lab):
    came = under_way(lab, lambda call: call.reset(), asks_old(lab, b"\r\n\r\n"))
    check(came.startswith(b"HTTP/1.1 502 "), f"expected 502, came {came}")


@case("reload", "the old backend closes its connection")
def closes(lab):
    came = under_way(lab, lambda call: call.link.close(), asks_old(lab, b"\r\n\r\n"))
    check(came.startswith(b"HTTP/1.1 50"), f"expected 502 or 503, came {came}")


@case("reload", "an answer of the old backend to a client of HTTP/2")
def new_client(lab):
    equal(bytes(under_way(lab, replies(), asks(lab)).body), b"hello", "the content")
