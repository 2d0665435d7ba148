"""Frames of RFC 9113 as bytes. Nothing here checks anything: a test must be able to send what is wrong."""
import struct
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
TYPE_NAMES = ["DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE", "CONTINUATION"]

ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR = range(7)
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED = range(7, 14)
ERROR_NAMES = ["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
               "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
               "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"]

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = range(1, 7)

FRAME_MAX = 16384  # SETTINGS_MAX_FRAME_SIZE until somebody says another
WINDOW = 65535  # of a connection and of a stream, likewise
WINDOW_MAX = 2**31 - 1


class Frame(NamedTuple):
    type: int
    flags: int
    stream: int
    payload: bytes

    def has(self, flag):
        return self.flags & flag != 0

    def number(self, at=0):
        return struct.unpack_from(">I", self.payload, at)[0]

    def __str__(self):
        name = TYPE_NAMES[self.type] if self.type < len(TYPE_NAMES) else f"type {self.type}"
        if self.type == RST_STREAM:
            return f"{name}({error_name(self.number())}) on {self.stream}"
        if self.type == GOAWAY:
            return f"{name}({error_name(self.number(4))}, last stream {self.number()})"
        end = ", END_STREAM" if self.type in (DATA, HEADERS) and self.has(END_STREAM) else ""
        return f"{name}({len(self.payload)} octets{end}) on {self.stream}"


def error_name(code):
    return ERROR_NAMES[code] if code < len(ERROR_NAMES) else str(code)


def error_names(codes):
    return " or ".join(error_name(code) for code in codes)


def frame_header(length, kind, flags, stream):
    return struct.pack(">I", length)[1:] + struct.pack(">BBI", kind, flags, stream)


def frame(kind, flags=0, stream=0, payload=b""):
    return frame_header(len(payload), kind, flags, stream) + payload


def number(value):
    return struct.pack(">I", value)


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def settings_ack():
    return frame(SETTINGS, ACK)


def ping(payload=b"8 octets"):
    return frame(PING, payload=payload)


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, stream=stream, payload=number(increment))


def reset(stream, code=CANCEL):
    return frame(RST_STREAM, stream=stream, payload=number(code))


def goaway(last_stream=0, code=NO_ERROR, debug=b""):
    return frame(GOAWAY, payload=number(last_stream) + number(code) + debug)


def priority_fields(depends_on=0, weight=16, exclusive=False):
    return number(depends_on | (0x80000000 if exclusive else 0)) + bytes([weight - 1])


def priority(stream, **fields):
    return frame(PRIORITY, stream=stream, payload=priority_fields(**fields))


def padded(payload, pad):
    return bytes([pad]) + payload + bytes(pad)
