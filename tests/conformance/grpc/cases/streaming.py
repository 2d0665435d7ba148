"""Streams of messages, in one direction, in the other, and in both at the same time."""
import queue

import grpc

from support.lab import expect_event
from support.method import expect_status
from support.patience import PATIENCE
from support.registry import case, check, equal

END = object()


def direct_case(name):
    return case("streaming", name, direct=True)


class Sender:
    """Messages that a client sends when the test says so."""

    def __init__(self):
        self.queue = queue.Queue()

    def send(self, message):
        self.queue.put(message)

    def end(self):
        self.queue.put(END)

    def __iter__(self):
        return iter(self.queue.get, END)


def echo(requests, _):
    yield from requests


@direct_case("a hundred messages of the server come in their order")
def from_server(lab):
    method = lab.method("unary_stream", lambda request, _: (request + b"%d" % number for number in range(100)))
    equal(list(method(b"no ")), [b"no %d" % number for number in range(100)], "the messages")


@direct_case("a stream of the server that has no message is empty")
def empty_from_server(lab):
    equal(list(lab.method("unary_stream", lambda _, __: iter(()))()), [], "the messages")


@direct_case("each message of the server comes before the next is sent")
def server_waits(lab):
    go_on = queue.Queue()
    lab.keep(type("Opener", (), {"close": lambda _: go_on.put(None)})())  # so that the server's thread ends, too

    def do(_, __):
        for number in range(20):
            yield b"%d" % number
            go_on.get(timeout=PATIENCE)

    came = lab.method("unary_stream", do)()
    for number in range(20):
        equal(next(came), b"%d" % number, "a message")
        go_on.put(None)
    equal(list(came), [], "the messages behind")


@direct_case("large messages of the server come whole")
def large_from_server(lab):
    messages = [bytes([65 + number]) * 300000 for number in range(10)]
    check(list(lab.method("unary_stream", lambda _, __: iter(messages))()) == messages, "expected the messages as they were sent, came others")


@direct_case("a hundred messages of the client come in their order")
def from_client(lab):
    method = lab.method("stream_unary", lambda requests, _: b",".join(requests))
    sent = [b"%d" % number for number in range(100)]
    equal(method(iter(sent)), b",".join(sent), "what the server got")


@direct_case("a stream of the client that has no message is empty")
def empty_from_client(lab):
    equal(lab.method("stream_unary", lambda requests, _: b"%d" % len(list(requests)))(iter(())), b"0", "how many came")


@direct_case("large messages of the client come whole: 10 MB")
def large_from_client(lab):
    messages = [bytes([65 + number]) * 1000000 for number in range(10)]
    came = lab.method("stream_unary", lambda requests, _: b"".join(requests))(iter(messages))
    check(came == b"".join(messages), "expected the messages as they were sent, came others")


@direct_case("each message of the client is at the server before the next is sent")
def client_waits(lab):
    arrived, sender = queue.Queue(), Sender()

    def do(requests, _):
        for request in requests:
            arrived.put(request)
        return b"thanks"

    call = lab.method("stream_unary", do).start(iter(sender))
    for number in range(20):
        sender.send(b"%d" % number)
        equal(arrived.get(timeout=PATIENCE), b"%d" % number, "a message at the server")
    sender.end()
    equal(call.result(), b"thanks", "the answer")


@direct_case("both ways, each message waits for its echo: nothing is held back")
def interleaved(lab):
    sender = Sender()
    call = lab.method("stream_stream", echo)(iter(sender))
    for number in range(100):
        sender.send(b"%d" % number)
        equal(next(call), b"%d" % number, "the echo")
    sender.end()
    equal(list(call), [], "the messages behind")
    equal(call.code(), grpc.StatusCode.OK, "the status")


@direct_case("both ways, messages of 100000 octets wait for their echoes")
def interleaved_large(lab):
    sender = Sender()
    call = lab.method("stream_stream", echo)(iter(sender))
    for number in range(20):
        message = b"%d" % (number % 10) * 100000
        sender.send(message)
        check(next(call) == message, "expected the echo of the message, came another")
    sender.end()
    equal(list(call), [], "the messages behind")


@direct_case("both ways at full speed: 1000 messages there and back")
def full_speed(lab):
    messages = [b"%d" % number * 50 for number in range(1000)]
    check(list(lab.method("stream_stream", echo)(iter(messages))) == messages, "expected the messages as they were sent, came others")


@direct_case("ten streams both ways over one channel, message by message, by turns")
def side_by_side(lab):
    channel = lab.channel()
    method = lab.method("stream_stream", echo, channel=channel)
    senders = [Sender() for _ in range(10)]
    calls = [method(iter(sender)) for sender in senders]
    for turn in range(10):
        for number, (sender, call) in enumerate(zip(senders, calls)):
            sender.send(b"%d of %d" % (turn, number))
            equal(next(call), b"%d of %d" % (turn, number), "the echo")
    for sender, call in zip(senders, calls):
        sender.end()
        equal(list(call), [], "the messages behind")


@direct_case("the client ends its side, and the server goes on")
def client_ends_first(lab):
    ended = lab.gate()

    def do(requests, _):
        count = sum(1 for _ in requests)
        ended.set()
        for number in range(count):
            yield b"%d" % number

    sender = Sender()
    call = lab.method("stream_stream", do)(iter(sender))
    for _ in range(5):
        sender.send(b"x")
    sender.end()
    expect_event(ended, "the end of the client's side at the server")
    equal(list(call), [b"0", b"1", b"2", b"3", b"4"], "the messages")


@direct_case("the server speaks first")
def server_first(lab):
    def do(requests, _):
        yield b"welcome"
        yield from requests

    sender = Sender()
    call = lab.method("stream_stream", do)(iter(sender))
    equal(next(call), b"welcome", "the first message, before the client has said anything")
    sender.send(b"thanks")
    equal(next(call), b"thanks", "the echo")
    sender.end()
    equal(list(call), [], "the messages behind")


@direct_case("the server ends the call while the client is still sending")
def server_ends_first(lab):
    def do(requests, _):
        yield next(requests)

    sender = Sender()
    call = lab.method("stream_stream", do)(iter(sender))
    sender.send(b"only")
    equal(list(call), [b"only"], "the messages")
    equal(call.code(), grpc.StatusCode.OK, "the status")
    sender.end()


@direct_case("the server ends the call with a code while the client is still sending")
def server_refuses(lab):
    def do(requests, context):
        next(requests)
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")

    sender = Sender()
    call = lab.method("stream_unary", do).start(iter(sender))
    sender.send(b"one")
    expect_status(call.result, grpc.StatusCode.RESOURCE_EXHAUSTED, details="enough")
    sender.end()
