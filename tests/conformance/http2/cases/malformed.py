"""Requests that are malformed (RFC 9113 section 8.1.1): each is refused, the connection lives on, and the backend gets nothing of it.

A malformed request is a stream error PROTOCOL_ERROR; a server may also answer it with 400. Which of the two stands with each case: what the frames
alone show is reset, what has to be understood first is answered.
"""
from support import wire
from support.client import request
from support.registry import case

RESET, ANSWERED = "reset", "answered with 400"


def expect_refusal(client, stream, how):
    if how == RESET:
        client.expect_reset(stream, wire.PROTOCOL_ERROR)
    else:
        client.answer(stream, 400)


def refused(section, name, how, *lists):
    """Requests that end with their HEADERS; each of these header lists is one."""

    @case(section, f"{name} is {how}")
    def run(lab):
        client = lab.connect()
        for fields in lists:
            expect_refusal(client, client.begin(fields), how)
        lab.expect_untouched(client)


def refused_targets(section, name, how, *paths, **pseudo):
    refused(section, name, how, *[request(path, **pseudo) for path in paths])


def refused_fields(section, name, how, *fields):
    refused(section, name, how, *[request("/field", ("x-before", "1"), field, ("x-behind", "1")) for field in fields])


# --- names and values (section 8.2.1)

refused_fields("RFC9113-8.2.1", "an upper-case letter in a name", RESET, ("X-Upper", "1"), ("x-uppeR", "1"), ("Cookie", "a=b"))
refused_fields("RFC9113-8.2.1", "a control character or a space in a name", RESET,
               *[(b"x-" + bytes([octet]) + b"name", b"1") for octet in (0, 1, 9, 10, 13, 31, 32, 127)])
refused_fields("RFC9113-8.2.1", "an octet that is no ASCII in a name", RESET, (b"x-\x80", b"1"), (b"\xff", b"1"), (b"x-\xc3\xa4", b"1"))
refused_fields("RFC9113-8.2.1", "a colon in a name", RESET, ("x:y", "1"), ("host:", "other.test"))
refused_fields("RFC9113-8.2.1", "a separator in a name", RESET, *[(f"x{octet}y", "1") for octet in "\"(),/;<=>?@[\\]{}"])
refused_fields("RFC9113-8.2.1", "an empty name", RESET, ("", "1"))
refused_fields("RFC9113-8.2.1", "CR in a value", RESET, (b"x-a", b"a\rb"), (b"x-a", b"\r"))
refused_fields("RFC9113-8.2.1", "LF in a value", RESET,
               (b"x-a", b"a\nb"), (b"x-a", b"a\r\nx-injected: 1"), (b"x-a", b"a\r\n\r\nGET / HTTP/1.1\r\n\r\n"))
refused_fields("RFC9113-8.2.1", "NUL in a value", RESET, (b"x-a", b"a\0b"), (b"x-a", b"\0"))
refused_fields("RFC9113-8.2.1", "another control character in a value", RESET,
               *[(b"x-a", b"a" + bytes([octet]) + b"b") for octet in (1, 8, 11, 12, 27, 127)])
refused_fields("RFC9113-8.2.1", "a space or tab around a value", RESET, ("x-a", " a"), ("x-a", "a "), ("x-a", "\ta"), ("x-a", "a\t"), ("x-a", " "))
refused_fields("RFC9113-8.2.1", "a control character in a value that the gateway reads itself", RESET,
               (b"cookie", b"a=b\r\nx: 1"), (b"host", b"api.test\0"), (b"expect", b"100-continue\r"), (b"content-length", b"0\n"))

# --- what has no place in HTTP/2 (section 8.2.2)

refused_fields("RFC9113-8.2.2", "connection", RESET, ("connection", "close"), ("connection", "keep-alive"), ("connection", "x-behind"))
refused_fields("RFC9113-8.2.2", "keep-alive", RESET, ("keep-alive", "timeout=5"))
refused_fields("RFC9113-8.2.2", "proxy-connection", RESET, ("proxy-connection", "keep-alive"))
refused_fields("RFC9113-8.2.2", "transfer-encoding", RESET,
               ("transfer-encoding", "chunked"), ("transfer-encoding", "identity"), ("transfer-encoding", ""))
refused_fields("RFC9113-8.2.2", "upgrade", RESET, ("upgrade", "h2c"), ("upgrade", "websocket"))
refused_fields("RFC9113-8.2.2", "te that asks for more than trailers", RESET, ("te", "gzip"), ("te", "trailers, deflate"), ("te", "deflate;q=0.5"))

# --- pseudo header fields (section 8.3)

refused("RFC9113-8.3", "a pseudo header field behind a regular one", RESET,
        [(":method", "GET"), (":scheme", "https"), ("x-a", "1"), (":authority", "api.test"), (":path", "/late")],
        request("/late", ("x-a", "1"), (":authority", "api.test"), authority=None))
refused("RFC9113-8.3", "an unknown pseudo header field", RESET, request("/unknown", (":test", "1")), request("/unknown", (":", "1")),
        request("/unknown", (":Method", "GET")))
refused("RFC9113-8.3", "a pseudo header field of answers", RESET, request("/status", (":status", "200")))
refused("RFC9113-8.3", "a pseudo header field of WebSocket on a request that is no CONNECT", RESET,
        request("/protocol", (":protocol", "websocket")))
for twice, value in ((":method", "GET"), (":scheme", "https"), (":authority", "api.test"), (":path", "/twice")):
    refused("RFC9113-8.3", f"{twice} that comes twice", RESET, request("/twice", (twice, value)))
refused("RFC9113-8.3.1", "a request without :method", RESET, request("/no-method", method=None))
refused("RFC9113-8.3.1", "a request without :scheme", RESET, request("/no-scheme", scheme=None))
refused("RFC9113-8.3.1", "a request without :path", RESET, request(None))
refused("RFC9113-8.3.1", "a request without any pseudo header field", RESET, [("x-a", "1")])
refused("RFC9113-8.3.1", "an empty :path", RESET, request(""))
refused("RFC9113-8.3.1", "an empty :method", RESET, request("/empty", method=""))
refused("RFC9113-8.3.1", "an empty :scheme", RESET, request("/empty", scheme=""))
refused("RFC9113-8.3.1", "an empty :authority", RESET, request("/empty", authority=""))

refused("RFC9113-8.3.1", "a :method that is no token", RESET,
        *[request("/method", method=method) for method in ("GE T", "GET /x HTTP/1.1\r\nX: y", "G\0T", "GET\n", "G:T", "G/T", "(GET)", b"G\x80T")])
refused("RFC9113-8.3.1", "a :scheme with a character that no scheme has", RESET,
        *[request("/scheme", scheme=scheme) for scheme in ("ht tp", "https\r\n", "https:", "https://other.test", "1http", b"http\x80")])
refused("RFC9113-8.3.1", "a :scheme that is neither http nor https", ANSWERED,
        *[request("/scheme", scheme=scheme) for scheme in ("ftp", "httpss", "ws", "file")])

# --- :path (section 8.3.1, RFC 3986)

refused_targets("RFC9113-8.3.1", "a :path without its slash", RESET, "index.html", "?a=b", ";x", "..", "%2fx")
refused_targets("RFC9113-8.3.1", "a :path that is a whole URL", RESET, "http://api.test/x", "https://api.test/x", "http://other.test/x")
refused_targets("RFC9113-8.3.1", "* of another method than OPTIONS", RESET, "*")
refused_targets("RFC9113-8.3.1", "a :path with a control character", RESET,
                "/a\0b", "/a\rb", "/a\nb", "/a\tb", "/\x7f", "/x HTTP/1.1\r\nX: y\r\n\r\n")
refused_targets("RFC9113-8.3.1", "a :path with a space", RESET, "/a b", "/ ", "/x HTTP/1.1")
refused_targets("RFC9113-8.3.1", "a :path with an octet that is no ASCII", ANSWERED, b"/\x80", b"/\xc3\xa4", b"/a?\xff")
refused_targets("RFC9113-8.3.1", "a :path with a fragment", ANSWERED, "/a#b", "/#", "/a?b#c")
refused_targets("RFC9113-8.3.1", "a :path with an encoded slash", ANSWERED, "/a%2fb", "/a%2Fb", "/a%5cb", "/a%5C..%5cb")
refused_targets("RFC9113-8.3.1", "a :path with dot segments", ANSWERED, "/a/../b", "/..", "/.", "/a/.", "/a/..", "/./a", "/a/..;x/b")
refused_targets("RFC9113-8.3.1", "a :path with encoded dot segments", ANSWERED, "/a/%2e%2e/b", "/a/%2E./b", "/%2e", "/a/.%2e")
refused_targets("RFC9113-8.3.1", "a :path with a backslash", ANSWERED, "/a\\b", "/a\\..\\b")
refused_targets("RFC9113-8.3.1", "a :path with a broken escape", ANSWERED, "/a%", "/a%4", "/a%zz", "/a?b=%zz")
refused_targets("RFC9113-8.3.1", "a :path with an encoded control character", ANSWERED, "/a%00b", "/a%0d%0ab", "/a%7f", "/a?b=%00")

# --- :authority and Host (section 8.3.1)

refused("RFC9113-8.3.1", "a request without :authority and Host", RESET, request("/none", authority=None))
refused("RFC9113-8.3.1", "Host that names another host than :authority", ANSWERED, request("/host", ("host", "other.test")),
        request("/host", ("host", "api.test:443")), request("/host", ("host", "api.test.")))
refused("RFC9113-8.3.1", "an empty Host", RESET, request("/host", ("host", "")), request("/host", ("host", ""), authority=None))
refused("RFC9113-8.3.1", "several Hosts", RESET, request("/host", ("host", "api.test"), ("host", "api.test")),
        request("/host", ("host", "api.test"), ("host", "other.test"), authority=None))
refused("RFC9113-8.3.1", "user information in :authority", ANSWERED,
        *[request("/user", authority=authority) for authority in ("user@api.test", "user:password@api.test", "@api.test")])
refused("RFC9113-8.3.1", "an :authority with a control character or a space", RESET,
        *[request("/authority", authority=authority) for authority in ("api.test\r\nX: y", "api.test\0", "api test", "api.test\t", " api.test")])
refused("RFC9113-8.3.1", "an :authority with a character that no authority has", RESET,
        *[request("/authority", authority=authority)
          for authority in ("api.test/x", "api.test?", "api.test#", "api\\test", "<api>", b"\xe4.test")])
refused("RFC9113-8.3.1", "an :authority with a character that no name of a host has", ANSWERED,
        *[request("/authority", authority=authority) for authority in ("api,test", "api!test", "api'test", "a%70i.test")])
refused("RFC9113-8.3.1", "an :authority with a port that is none", ANSWERED,
        *[request("/authority", authority=authority)
          for authority in ("api.test:", "api.test:0", "api.test:65536", "api.test:8a", "api.test:1:2", ":443")])
refused("RFC9113-8.3.1", "an :authority with a broken address", ANSWERED,
        *[request("/authority", authority=authority) for authority in ("[::1", "[]", "[::g]", "[::1]x", "[::1]:x")])

# --- content-length (section 8.1.1), of requests that end with their HEADERS

refused("RFC9113-8.1.1", "a content-length without content", RESET, request("/length", ("content-length", "1"), method="POST"))
refused("RFC9113-8.1.1", "several content-lengths", RESET,
        *[request("/length", ("content-length", "0"), ("content-length", other), method="POST") for other in ("0", "5")])
refused("RFC9113-8.1.1", "a content-length that is no number", RESET,
        *[request("/length", ("content-length", value), method="POST")
          for value in ("", "x", "-1", "+0", "0x0", "0, 0", "0 0", "1e0", "18446744073709551616", "99999999999999999999")])

# --- CONNECT (section 8.5)

refused("RFC9113-8.5", "CONNECT, which is not served,", ANSWERED, [(":method", "CONNECT"), (":authority", "api.test:443")])
refused("RFC9113-8.5", "CONNECT with :scheme and :path", RESET, request("/connect", method="CONNECT"))
refused("RFC9113-8.5", "CONNECT without :authority", RESET, [(":method", "CONNECT")])


def refused_content(name, length, *pieces, passed=b""):
    """A content whose length is not what content-length says. passed: what of it the backend may get as the whole of a request: octets that fill
    content-length are passed on before more of them come."""

    @case("RFC9113-8.1.1", f"{name} is reset")
    def run(lab):
        gate = lab.gate()  # no answer comes before the error does
        lab.backend.on("/length", lambda visit: (visit.read_content(), gate.wait(5), visit.answer()))
        client = lab.connect()
        stream = client.begin(request("/length", ("content-length", length), method="POST"), end=False)
        for piece in pieces[:-1]:
            client.send_data(stream, piece)
        client.send_data(stream, pieces[-1], end=True)
        client.expect_reset(stream, wire.PROTOCOL_ERROR)
        lab.expect_untouched_but(client, "/length", passed, int(length))


refused_content("DATA that is less than content-length", "10", b"less")
refused_content("DATA in several frames that is less than content-length", "10", b"le", b"ss", b"")
refused_content("DATA that is more than content-length", "3", b"more")
refused_content("DATA in several frames that is more than content-length", "3", b"mo", b"re")
refused_content("DATA behind all that content-length allows", "3", b"mor", b"e", passed=b"mor")
refused_content("DATA behind a content-length of 0", "0", b"x")


@case("RFC9113-8.1.1", "trailers before the content is as long as content-length are reset")
def trailers_too_early(lab):
    client = lab.connect()
    stream = client.begin(request("/length", ("content-length", "10"), method="POST"), end=False)
    client.send_data(stream, b"less")
    client.send_headers(stream, [("x-sum", "1")])
    client.expect_reset(stream, wire.PROTOCOL_ERROR)
    lab.expect_untouched_but(client, "/length", b"", 10)
