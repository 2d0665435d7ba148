"""Frames that are connection errors wherever they stand, each with the code that RFC 9113 names."""
import hpack

from support import wire
from support.client import request
from support.registry import case

BLOCK = hpack.Encoder().encode(request("/block"))  # good as the first block of a connection
OPEN = wire.frame(wire.HEADERS, wire.END_HEADERS, 1, BLOCK)  # its content is still to come
LARGE_FIELD = b"\x00\x01x\x7f\x81\x7f" + b"v" * wire.FRAME_MAX  # "x" with so many octets, not indexed
UNFINISHED = wire.frame(wire.HEADERS, wire.END_STREAM, 1, BLOCK[:5])  # CONTINUATION is to come


def connection_error(section, name, code, *octets, served=False):
    """These octets behind the preface. served: there is a request in them that is good and may be passed on."""

    @case(section, f"{name} is {wire.error_name(code)}")
    def run(lab):
        client = lab.connect()
        client.send(b"".join(octets))
        client.expect_goaway(code)
        if octets[0] != OPEN and not served:
            lab.expect_untouched()


# --- sizes

connection_error("RFC9113-4.2", "a HEADERS frame that is larger than allowed", wire.FRAME_SIZE_ERROR,
                 wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, BLOCK + LARGE_FIELD))
connection_error("RFC9113-4.2", "a DATA frame that is larger than allowed", wire.FRAME_SIZE_ERROR,
                 OPEN, wire.frame(wire.DATA, 0, 1, bytes(wire.FRAME_MAX + 1)))
connection_error("RFC9113-4.2", "a SETTINGS frame that is larger than allowed", wire.FRAME_SIZE_ERROR,
                 wire.settings(*[(0xff00, 1)] * (wire.FRAME_MAX // 6 + 1)))
connection_error("RFC9113-4.2", "an unknown frame that is larger than allowed", wire.FRAME_SIZE_ERROR,
                 wire.frame(0xbb, 0, 0, bytes(wire.FRAME_MAX + 1)))
connection_error("RFC9113-4.2", "a CONTINUATION frame that is larger than allowed", wire.FRAME_SIZE_ERROR,
                 UNFINISHED, wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, BLOCK[5:] + LARGE_FIELD))
# The gateway must not wait for 16 MiB that it will not take.
connection_error("RFC9113-4.2", "the mere header of a frame of 16 MiB", wire.FRAME_SIZE_ERROR,
                 OPEN, wire.frame_header(2**24 - 1, wire.DATA, 0, 1))

# --- DATA, HEADERS

connection_error("RFC9113-6.1", "DATA on stream 0", wire.PROTOCOL_ERROR, OPEN, wire.frame(wire.DATA, 0, 0, b"x"))
connection_error("RFC9113-6.1", "DATA whose padding is as long as its payload", wire.PROTOCOL_ERROR,
                 OPEN, wire.frame(wire.DATA, wire.PADDED | wire.END_STREAM, 1, bytes([6]) + b"12345"))
connection_error("RFC9113-6.1", "DATA whose padding is longer than its payload", wire.PROTOCOL_ERROR,
                 OPEN, wire.frame(wire.DATA, wire.PADDED | wire.END_STREAM, 1, bytes([255]) + b"12345"))
connection_error("RFC9113-6.2", "HEADERS on stream 0", wire.PROTOCOL_ERROR,
                 wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 0, BLOCK))
connection_error("RFC9113-6.2", "HEADERS whose padding is longer than its payload", wire.PROTOCOL_ERROR,
                 wire.frame(wire.HEADERS, wire.PADDED | wire.END_HEADERS | wire.END_STREAM, 1, bytes([len(BLOCK) + 2]) + BLOCK))
connection_error("RFC9113-6.2", "HEADERS whose padding and priority leave no room", wire.PROTOCOL_ERROR,
                 wire.frame(wire.HEADERS, wire.PADDED | wire.WITH_PRIORITY | wire.END_HEADERS | wire.END_STREAM, 1,
                            bytes([10]) + wire.priority_fields() + b"\x82\x84"))
connection_error("RFC9113-4.2", "HEADERS with too few octets for the priority it says it has", wire.FRAME_SIZE_ERROR,
                 wire.frame(wire.HEADERS, wire.WITH_PRIORITY | wire.END_HEADERS | wire.END_STREAM, 1, b"\0\0\0\0"))

# --- PRIORITY, RST_STREAM

connection_error("RFC9113-6.3", "PRIORITY on stream 0", wire.PROTOCOL_ERROR, wire.priority(0))
connection_error("RFC9113-6.4", "RST_STREAM on stream 0", wire.PROTOCOL_ERROR, wire.reset(0))
connection_error("RFC9113-6.4", "RST_STREAM of an idle stream", wire.PROTOCOL_ERROR, wire.reset(1))
connection_error("RFC9113-6.4", "RST_STREAM of three octets", wire.FRAME_SIZE_ERROR, OPEN, wire.frame(wire.RST_STREAM, 0, 1, b"\0\0\0"))
connection_error("RFC9113-6.4", "RST_STREAM of five octets", wire.FRAME_SIZE_ERROR, OPEN, wire.frame(wire.RST_STREAM, 0, 1, bytes(5)))

# --- SETTINGS

connection_error("RFC9113-6.5", "an acknowledgement of SETTINGS with something in it", wire.FRAME_SIZE_ERROR,
                 wire.frame(wire.SETTINGS, wire.ACK, 0, b"\0"))
connection_error("RFC9113-6.5", "SETTINGS on a stream", wire.PROTOCOL_ERROR, wire.frame(wire.SETTINGS, 0, 1, bytes(6)))
connection_error("RFC9113-6.5", "an acknowledgement of SETTINGS on a stream", wire.PROTOCOL_ERROR, wire.frame(wire.SETTINGS, wire.ACK, 1))
connection_error("RFC9113-6.5", "SETTINGS of a length that is no multiple of six", wire.FRAME_SIZE_ERROR,
                 wire.frame(wire.SETTINGS, 0, 0, b"\0\3\0"))
connection_error("RFC9113-6.5.2", "SETTINGS_ENABLE_PUSH 2", wire.PROTOCOL_ERROR, wire.settings((wire.ENABLE_PUSH, 2)))
connection_error("RFC9113-6.5.2", "SETTINGS_INITIAL_WINDOW_SIZE 2^31", wire.FLOW_CONTROL_ERROR,
                 wire.settings((wire.INITIAL_WINDOW_SIZE, 2**31)))
connection_error("RFC9113-6.5.2", "SETTINGS_MAX_FRAME_SIZE 16383", wire.PROTOCOL_ERROR, wire.settings((wire.MAX_FRAME_SIZE, 16383)))
connection_error("RFC9113-6.5.2", "SETTINGS_MAX_FRAME_SIZE 2^24", wire.PROTOCOL_ERROR, wire.settings((wire.MAX_FRAME_SIZE, 2**24)))
connection_error("RFC9113-6.5.2", "a bad value between good ones", wire.PROTOCOL_ERROR,
                 wire.settings((wire.INITIAL_WINDOW_SIZE, 1), (wire.MAX_FRAME_SIZE, 1), (wire.HEADER_TABLE_SIZE, 4096)))

# --- PUSH_PROMISE, PING, GOAWAY

connection_error("RFC9113-8.4", "PUSH_PROMISE from a client", wire.PROTOCOL_ERROR,
                 OPEN, wire.frame(wire.PUSH_PROMISE, wire.END_HEADERS, 1, wire.number(2) + b"\x82\x84\x87\x41\x00"))
connection_error("RFC9113-6.7", "PING on a stream", wire.PROTOCOL_ERROR, wire.frame(wire.PING, 0, 1, bytes(8)))
connection_error("RFC9113-6.7", "PING of six octets", wire.FRAME_SIZE_ERROR, wire.frame(wire.PING, 0, 0, bytes(6)))
connection_error("RFC9113-6.7", "PING of nine octets", wire.FRAME_SIZE_ERROR, wire.frame(wire.PING, 0, 0, bytes(9)))
connection_error("RFC9113-6.8", "GOAWAY on a stream", wire.PROTOCOL_ERROR, OPEN, wire.frame(wire.GOAWAY, 0, 1, bytes(8)))
connection_error("RFC9113-4.2", "GOAWAY of seven octets", wire.FRAME_SIZE_ERROR, wire.frame(wire.GOAWAY, 0, 0, bytes(7)))

# --- WINDOW_UPDATE

connection_error("RFC9113-6.9", "WINDOW_UPDATE by 0 of the connection", wire.PROTOCOL_ERROR, wire.window_update(0, 0))
connection_error("RFC9113-6.9", "WINDOW_UPDATE by 0 with the reserved bit", wire.PROTOCOL_ERROR, wire.window_update(0, 2**31))
connection_error("RFC9113-6.9", "WINDOW_UPDATE of three octets", wire.FRAME_SIZE_ERROR, wire.frame(wire.WINDOW_UPDATE, 0, 0, b"\0\0\1"))
connection_error("RFC9113-6.9", "WINDOW_UPDATE of five octets", wire.FRAME_SIZE_ERROR, OPEN, wire.frame(wire.WINDOW_UPDATE, 0, 1, b"\0\0\0\1\0"))
connection_error("RFC9113-6.9.1", "a window of the connection above 2^31-1", wire.FLOW_CONTROL_ERROR,
                 wire.window_update(0, wire.WINDOW_MAX), wire.window_update(0, 1))

# --- header blocks

connection_error("RFC9113-6.10", "CONTINUATION on stream 0", wire.PROTOCOL_ERROR, UNFINISHED,
                 wire.frame(wire.CONTINUATION, wire.END_HEADERS, 0, BLOCK[5:]))
connection_error("RFC9113-6.10", "CONTINUATION of another stream", wire.PROTOCOL_ERROR, UNFINISHED,
                 wire.frame(wire.CONTINUATION, wire.END_HEADERS, 3, BLOCK[5:]))
connection_error("RFC9113-6.10", "CONTINUATION behind a block that has ended", wire.PROTOCOL_ERROR, OPEN,
                 wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, b"\x40\x01a\x01b"))
connection_error("RFC9113-6.10", "CONTINUATION behind a CONTINUATION that has ended the block", wire.PROTOCOL_ERROR, UNFINISHED,
                 wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, BLOCK[5:]), wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, b"\x82"),
                 served=True)
connection_error("RFC9113-6.10", "CONTINUATION behind DATA", wire.PROTOCOL_ERROR, OPEN, wire.frame(wire.DATA, 0, 1, b"x"),
                 wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, b"\x40\x01a\x01b"))
connection_error("RFC9113-6.10", "CONTINUATION as the first frame of a stream", wire.PROTOCOL_ERROR,
                 wire.frame(wire.CONTINUATION, wire.END_HEADERS, 1, BLOCK))
for kind, between in {
    "PRIORITY": wire.priority(1), "HEADERS of another stream": wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 3, BLOCK),
    "HEADERS of the same stream": wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, BLOCK),
    "DATA": wire.frame(wire.DATA, 0, 1, b"x"), "PING": wire.ping(), "SETTINGS": wire.settings(), "WINDOW_UPDATE": wire.window_update(0, 1),
    "RST_STREAM": wire.reset(1), "GOAWAY": wire.goaway(), "an unknown frame": wire.frame(0xbb, 0, 1, b"x"),
}.items():
    connection_error("RFC9113-6.2" if kind != "an unknown frame" else "RFC9113-5.5",
                     f"{kind} within a header block", wire.PROTOCOL_ERROR, UNFINISHED, between)
connection_error("RFC9113-6.10", "a frame that is no CONTINUATION behind a CONTINUATION that has not ended the block", wire.PROTOCOL_ERROR,
                 UNFINISHED, wire.frame(wire.CONTINUATION, 0, 1, BLOCK[5:7]), wire.frame(wire.DATA, 0, 1, b"x"))

# --- streams

connection_error("RFC9113-5.1", "DATA on an idle stream", wire.PROTOCOL_ERROR, wire.frame(wire.DATA, wire.END_STREAM, 1, b"x"))
connection_error("RFC9113-5.1", "WINDOW_UPDATE of an idle stream", wire.PROTOCOL_ERROR, wire.window_update(1, 100))
connection_error("RFC9113-5.1.1", "a request on an even stream", wire.PROTOCOL_ERROR,
                 wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 2, BLOCK))
