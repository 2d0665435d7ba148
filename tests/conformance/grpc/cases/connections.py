"""Many calls, few connections."""
from support import wire
from support.client import request
from support.patience import PATIENCE
from support.registry import case, check, equal


def echo(request, _):
    return request


def connections(method):
    return {visit.peer for visit in method.visits()}


@case("connections", "a hundred calls at the same time over one channel", direct=True)
def hundred_at_once(lab):
    gate, together = lab.gate(), []

    def do(request, _):
        together.append(request)
        if len(together) == 100:  # all of them are at the server now
            gate.set()
        gate.wait(PATIENCE)
        return request

    method = lab.method("unary_unary", do)
    calls = [method.start(b"%d" % number) for number in range(100)]
    equal([call.result() for call in calls], [b"%d" % number for number in range(100)], "the answers")


@case("connections", "two hundred calls, one after the other, share connections", direct=True)
def two_hundred(lab):
    method = lab.method("unary_unary", echo)
    for number in range(200):
        equal(method(b"%d" % number), b"%d" % number, "the answer")
    check(len(connections(method)) <= 2, f"expected 2 connections at most, came {len(connections(method))}")


@case("connections", "calls of fifty clients, one after the other, share connections to the server")
def fifty_clients(lab):
    name = None
    for number in range(50):
        channel = lab.channel()
        method = lab.method("unary_unary", echo, channel=channel) if name is None else method.over(channel)
        name = method.name
        equal(method(b"%d" % number), b"%d" % number, "the answer")
        channel.close()
    check(len(connections(method)) <= 2, f"expected 2 connections at most, came {len(connections(method))}")


@case("connections", "a hundred calls at the same time need few connections to the server")
def multiplexed(lab):
    gate, together = lab.gate(), []

    def do(request, _):
        together.append(request)
        if len(together) == 100:
            gate.set()
        gate.wait(PATIENCE)
        return request

    method = lab.method("unary_unary", do)
    for call in [method.start(b"%d" % number) for number in range(100)]:
        call.result()
    check(len(connections(method)) <= 20, f"expected 20 connections at most for 100 calls, came {len(connections(method))}")


@case("connections", "a cancelled call does not cost its connection", direct=True)
def cancelled(lab):
    gate = lab.gate()
    channel = lab.channel()
    method = lab.method("unary_unary", lambda request, _: request if request else gate.wait(PATIENCE) and b"late", channel=channel)
    for _ in range(10):
        before = len(method.visits())
        call = method.start()
        method.expect_visits(before + 1)
        call.cancel()
        method.visits()[-1].expect_gone()
        equal(method(b"kept"), b"kept", "the answer")
    check(len(connections(method)) <= 2, f"expected 2 connections at most, came {len(connections(method))}")


@case("connections", "whoever has opened the connection leaves before it is up: the others that wait for it open one")
def opener_leaves(lab):
    peer = lab.peer(greet=False, acknowledge=False)
    client = lab.client(gateway := lab.front(peer, upstream="connect_timeout: 60s"))
    first = client.begin(request("/first"))
    peer.link()
    peer.manners = {}  # the next one speaks
    second = client.begin(request("/second"))
    client.settle()
    client.send(wire.reset(first, wire.CANCEL))
    equal(bytes(client.answer(second).body), b"hello", "the content")
    equal(peer.paths(), ["/second"], "the requests at the backend")
    check(peer.link().gone.wait(PATIENCE), "expected the end of the connection that was not up, it did not come")
    lab.client(gateway).get("/next")
