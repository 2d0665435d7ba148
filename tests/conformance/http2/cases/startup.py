"""How a connection begins: the protocol agreed on, the preface, the first SETTINGS (RFC 9113 sections 3 and 9.2)."""
import ssl

from support import wire
from support.client import PATIENCE, Client, connect_tcp, connect_tls, request
from support.registry import Failure, case, check, equal


def ask_http1(connection, request_text=b"GET /http1 HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n"):
    """Everything that is answered to it."""
    with connection:
        connection.settimeout(PATIENCE)
        connection.sendall(request_text)
        answer = b""
        while octets := connection.recv(65536):
            answer += octets
        return answer


def expect_http1(answer, status=b"200"):
    check(answer.startswith(b"HTTP/1.1 " + status), f"expected an answer of HTTP/1.1 with {status}, came {answer[:80]}")


@case("RFC9113-3.2", "a client that offers h2 and http/1.1 gets h2")
def both_offered(lab):
    with connect_tls(lab.gateway.port("edge"), ("http/1.1", "h2")) as secure:
        equal(secure.selected_alpn_protocol(), "h2", "the protocol agreed on")


@case("RFC9113-3.2", "a client that offers only http/1.1 gets that")
def only_http1_offered(lab):
    secure = connect_tls(lab.gateway.port("edge"), ("http/1.1",))
    equal(secure.selected_alpn_protocol(), "http/1.1", "the protocol agreed on")
    expect_http1(ask_http1(secure))


@case("RFC9113-3.2", "a client that offers nothing gets HTTP/1.1")
def nothing_offered(lab):
    secure = connect_tls(lab.gateway.port("edge"), ())
    equal(secure.selected_alpn_protocol(), None, "the protocol agreed on")
    expect_http1(ask_http1(secure))


@case("RFC9113-3.2", "a listener without http2 does not agree on h2")
def listener_without_http2(lab):
    secure = connect_tls(lab.gateway.port("old"), ("h2", "http/1.1"))
    equal(secure.selected_alpn_protocol(), "http/1.1", "the protocol agreed on")
    expect_http1(ask_http1(secure))


@case("RFC9113-3.2", "the preface where nobody agreed on h2 is no request")
def preface_without_agreement(lab):
    expect_http1(ask_http1(connect_tls(lab.gateway.port("edge"), ("http/1.1",)), wire.PREFACE + wire.settings()), b"400")


@case("RFC9113-3.2", "h2c is nothing that TLS agrees on")
def cleartext_name_in_tls(lab):
    try:
        with connect_tls(lab.gateway.port("edge"), ("h2c",)) as secure:
            equal(secure.selected_alpn_protocol(), None, "the protocol agreed on")
    except ssl.SSLError as error:  # RFC 7301 section 3.2 lets a server end the handshake, too
        check("no application protocol" in str(error).lower().replace("_", " "), f"expected the alert no_application_protocol, came {error}")


@case("RFC9113-9.2.2", "TLS 1.2 without an AEAD cipher finds no connection")
def cipher_of_the_prohibited_list(lab):
    try:
        connect_tls(lab.gateway.port("edge"), maximum_version=ssl.TLSVersion.TLSv1_2,
                    ciphers="ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA").close()
    except (ssl.SSLError, ConnectionError):
        return
    raise Failure("expected no handshake with a cipher that RFC 9113 prohibits, came one")


@case("RFC9113-9.2", "TLS 1.2 with forward secrecy and AEAD serves h2")
def tls12(lab):
    secure = connect_tls(lab.gateway.port("edge"), maximum_version=ssl.TLSVersion.TLSv1_2)
    equal(secure.selected_alpn_protocol(), "h2", "the protocol agreed on")
    lab.keep(Client(secure)).get("/tls12")


@case("RFC9113-3.4", "the first frame of the server is SETTINGS, before the client has said a word")
def server_preface(lab):
    client = lab.connect(greet=False)
    client.until(lambda: client.frames, "a frame")
    equal((client.frames[0].type, client.frames[0].has(wire.ACK), client.frames[0].stream), (wire.SETTINGS, False, 0), "the first frame")


@case("RFC9113-3.4", "a request in one write with the preface is served")
def eager_client(lab):
    client = lab.connect(greet=False)
    head = wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, client.encoder.encode(request("/eager")))
    client.send(wire.PREFACE + wire.settings() + head)
    client.answer(1)


@case("RFC9113-3.4", "the preface, SETTINGS and a request that come octet by octet are understood")
def slow_client(lab):
    client = lab.connect(greet=False)
    head = wire.frame(wire.HEADERS, wire.END_HEADERS | wire.END_STREAM, 1, client.encoder.encode(request("/slow")))
    for octet in wire.PREFACE + wire.settings((wire.INITIAL_WINDOW_SIZE, 1000)) + head:
        client.send(bytes([octet]))
    client.answer(1)


@case("RFC9113-3.4", "a preface that is another one ends the connection with PROTOCOL_ERROR")
def wrong_preface(lab):
    client = lab.connect(greet=False)
    client.send(b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n" + wire.settings())
    client.expect_goaway(wire.PROTOCOL_ERROR)
    lab.expect_serving()


@case("RFC9113-3.4", "a request of HTTP/1.1 where h2 was agreed on is not served")
def http1_in_http2(lab):
    client = lab.connect(greet=False)
    client.send(b"GET /http1 HTTP/1.1\r\nHost: api.test\r\n\r\n")
    client.expect_goaway(wire.PROTOCOL_ERROR)
    lab.expect_untouched()


@case("RFC9113-3.4", "a preface without SETTINGS behind it is PROTOCOL_ERROR")
def preface_without_settings(lab):
    client = lab.connect(greet=False)
    client.send(wire.PREFACE + wire.ping())
    client.expect_goaway(wire.PROTOCOL_ERROR)


@case("RFC9113-3.4", "an acknowledgement instead of the first SETTINGS is PROTOCOL_ERROR")
def preface_with_acknowledgement(lab):
    client = lab.connect(greet=False)
    client.send(wire.PREFACE + wire.settings_ack())
    client.expect_goaway(wire.PROTOCOL_ERROR)


@case("RFC9113-3.4", "a request before the first SETTINGS is not served")
def request_before_settings(lab):
    client = lab.connect(greet=False)
    client.send(wire.PREFACE)
    client.begin(request("/early"))
    client.expect_goaway(wire.PROTOCOL_ERROR)
    lab.expect_untouched()


@case("RFC9113-6.5.2", "the server tells its limits, and nothing that only a client may")
def server_settings(lab):
    client = lab.connect()
    client.settle()
    told = client.windows.settings
    equal(told.get(wire.MAX_CONCURRENT_STREAMS), 128, "SETTINGS_MAX_CONCURRENT_STREAMS")
    equal(told.get(wire.MAX_HEADER_LIST_SIZE), 32 * 1024, "SETTINGS_MAX_HEADER_LIST_SIZE")
    check(told.get(wire.ENABLE_PUSH, 0) == 0, "a server must not say SETTINGS_ENABLE_PUSH 1")
    check(wire.FRAME_MAX <= told.get(wire.MAX_FRAME_SIZE, wire.FRAME_MAX) < 2**24, f"expected a legal SETTINGS_MAX_FRAME_SIZE, came {told}")
    check(told.get(wire.INITIAL_WINDOW_SIZE, 0) <= wire.WINDOW_MAX, f"expected a legal SETTINGS_INITIAL_WINDOW_SIZE, came {told}")


@case("RFC9113-3.3", "h2 with prior knowledge is served without TLS")
def prior_knowledge(lab):
    client = lab.connect_plain()
    client.get("/plain", scheme="http")
    equal(lab.backend.visit("/plain").value(b"X-Forwarded-Proto"), b"http", "X-Forwarded-Proto")


@case("RFC9113-3.3", "without TLS, a preface that comes octet by octet is understood")
def slow_prior_knowledge(lab):
    client = lab.connect_plain(greet=False)
    for octet in wire.PREFACE + wire.settings():
        client.send(bytes([octet]))
    client.get("/plain", scheme="http")


@case("RFC9113-3.3", "HTTP/1.1 is served on the same listener without TLS")
def http1_without_tls(lab):
    expect_http1(ask_http1(connect_tcp(lab.gateway.port("mesh"))))
    # this method begins as the preface does
    expect_http1(ask_http1(connect_tcp(lab.gateway.port("mesh")), b"PRI /x HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n"))


@case("RFC9113-3.4", "without TLS, half a preface and then something else is answered with 400")
def broken_prior_knowledge(lab):
    expect_http1(ask_http1(connect_tcp(lab.gateway.port("mesh")), b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), b"400")
    lab.expect_untouched()


@case("RFC9113-3.1", "Upgrade: h2c, which is no more, is not answered with 101")
def upgrade(lab):
    text = (b"GET /upgrade HTTP/1.1\r\nHost: api.test\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
    expect_http1(ask_http1(connect_tcp(lab.gateway.port("mesh")), text))
    head = lab.backend.visit("/upgrade").head.lower()
    check(b"upgrade:" not in head and b"http2-settings" not in head, f"expected nothing of the upgrade at the backend, came {head}")
