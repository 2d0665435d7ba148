"""What a route that validates decides, with content and without, of a length that is told and of one that is not (RFC 9113 section 8.1)."""
from support.client import request
from support.registry import case, check

JSON = ("content-type", "application/json")


def decides(section, name, status, path="/checked", fields=(), pieces=None):
    """pieces: of the content, each a DATA frame, the last one with END_STREAM; None: the head ends the stream."""

    @case(section, name)
    def run(lab):
        client = lab.connect()
        stream = client.begin(request(path, *fields, method="POST"), end=pieces is None)
        for i, piece in enumerate(pieces or ()):
            client.send_data(stream, piece, end=i + 1 == len(pieces))
        client.answer(stream, status)
        if status == 400:
            check(b"application/problem+json" in client.streams[stream].value(b"content-type"), "expected a problem document")


decides("RFC9113-8.1", "a document that is there passes, its length untold", 200, fields=[JSON], pieces=[b"{", b"}"])
decides("RFC9113-8.1", "a document that is there passes, its length told", 200, fields=[JSON, ("content-length", "2")], pieces=[b"{}"])
decides("RFC9113-8.1", "a document that does not match is refused", 400, fields=[JSON], pieces=[b"[]"])
decides("RFC9113-8.1", "no content is no document: END_STREAM on the head", 400, fields=[JSON])
decides("RFC9113-8.1", "no content is no document: a length of 0", 400, fields=[JSON, ("content-length", "0")])
decides("RFC9113-8.1", "no content is no document: an empty frame of DATA", 400, fields=[JSON], pieces=[b""])
decides("RFC9113-8.1", "no content is no document: a length of 0 and an empty frame", 400, fields=[JSON, ("content-length", "0")], pieces=[b""])
decides("RFC9110-8.3", "a charset that JSON does not have is refused", 415, fields=[("content-type", "application/json; charset=utf-7")], pieces=[b"{}"])
decides("RFC9110-8.3", "two content types are none", 415, fields=[JSON, JSON], pieces=[b"{}"])
decides("RFC9110-5.3", "a listed header that is there twice is refused", 400,
        fields=[JSON, ("x-tenant", "acme"), ("x-tenant", "../../evil")], pieces=[b"{}"])
decides("RFC9113-8.2.3", "the crumbs of a cookie are one listed header", 200, fields=[JSON, ("cookie", "a=b"), ("cookie", "c=d")], pieces=[b"{}"])
decides("RFC9110-6.4", "a route that describes no content takes none", 400, "/closed", pieces=[b"a"])
decides("RFC9110-6.4", "a route that describes no content takes none, its length told", 400, "/closed", [("content-length", "1")], [b"a"])
decides("RFC9110-6.4", "a route that describes no content takes an end without any", 200, "/closed", pieces=[b"", b""])
decides("RFC9110-6.4", "a route that describes no query takes none", 400, "/closed?a=b")
