#include "gateway/http/framing.h"

#include <doctest/doctest.h>

#include <string>

#include "gateway/http/connection_options.h"
#include "gateway/http/h1_message.h"
#include "gateway/http/uri.h"

using namespace sallyport;
using namespace sallyport::http;

namespace {

// All of a chunked body, given in pieces of that size; "!" and the reason after a refusal, "?" if it is not
// whole.
std::string dechunk(const std::string& bytes, size_t piece, bool trailers = true) {
  ChunkedReader reader;
  if (trailers) reader.tell_trailers();
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const Slice input = Slice(bytes).substr(at, piece);
    auto step = reader.read(input);
    if (!step) return "!" + std::string(step.error().reason);
    out += step->content;
    if (!step->trailer.empty()) out += "[" + std::string(step->trailer) + "]";
    at += step->consumed;
    if (step->finished) return at == bytes.size() ? out : out + "+rest";
    if (step->consumed == 0) return "stuck";
  }
  return out + "?";
}

std::string reason(const std::string& head) {
  BlockPool pool;
  Arena arena(pool);
  Request request;
  const auto read = h1::read_request_head(head, {}, arena, request);
  return read ? "good" : std::string(read.error().reason);
}

}  // namespace

TEST_CASE("chunks come out the same however they are cut") {
  const std::string body = "4\r\nWiki\r\nA;n=v;w=\"x\"\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\n";
  for (size_t piece = 1; piece <= body.size(); ++piece) {
    CAPTURE(piece);
    CHECK(dechunk(body, piece) == "Wiki0123456789[A: b][C:]");
  }
  CHECK(dechunk(body, 100, false) == "Wiki0123456789");
  CHECK(dechunk("0\r\n\r\nGET", 100) == "+rest");
  CHECK(dechunk("3\r\nab", 100) == "ab?");
}

TEST_CASE("chunk extensions are read by the letter of RFC 9112 section 7.1.1, and go no further") {
  for (const char* good : {";a", ";a=b", ";a=\"b\"", " ; a = b", "\t;\ta\t=\tb", ";a;b", ";a ;b", ";a=b;c=d",
                           ";a=\"b;c\"", ";a=\"\"", ";a=\"b\\\"c\"", ";a=\"b\\\\\"", ";a=\"b\" ; c",
                           ";a=\"\x80\tb c\"", ";!#$%&'*+-.^_`|~9=1"}) {
    CAPTURE(good);
    for (const size_t piece : {1, 100})
      CHECK(dechunk("3" + std::string(good) + "\r\nabc\r\n0" + good + "\r\n\r\n", piece) == "abc");
  }
  for (const char* bad : {";",         ";;a",           "; ",          " ",           "\t",
                          ";a ",       ";a=",           ";a= ",        ";a=b ",       ";=x",
                          ";a==b",     ";a=b=c",        ";a=b,c",      ",a",          ";bad[=x",
                          ";a=b[",     ";a b",          ";a=b c",      ";a=\"b",      ";a=\"b\\\"",
                          ";a=\"b\"c", ";a=\"b\"\"c\"", ";a=b\"c\"",   ";\"a\"=b",    ";a\x80",
                          ";a=\x80",   ";a\x01",        ";a=\"\x01\"", ";a=\"\x7f\"", " a",
                          "=b"}) {
    CAPTURE(bad);
    for (const size_t piece : {1, 100}) {
      CHECK(dechunk("3" + std::string(bad) + "\r\nabc\r\n0\r\n\r\n", piece).starts_with("!bad_chunk_"));
      CHECK(dechunk("3\r\nabc\r\n0" + std::string(bad) + "\r\n\r\n", piece).starts_with("!bad_chunk_"));
    }
  }
  CHECK(dechunk("3;a=\"b\r\n\"\r\nabc\r\n0\r\n\r\n", 1) == "!bad_chunk_extension");
  CHECK(dechunk("3;" + std::string(300, 'a') + "\r\nabc\r\n0\r\n\r\n", 1) == "!chunk_extensions_too_large");
}

TEST_CASE("chunk extensions are paid for by the content") {
  const auto body = [](size_t chunks, size_t content, size_t extension) {
    std::string out;
    for (size_t i = 0; i < chunks; ++i)
      out += (content == 1 ? "1;" : "80;") + std::string(extension - 1, 'a') + "\r\n" +
             std::string(content, 'c') + "\r\n";
    return out + "0\r\n\r\n";
  };
  CHECK(dechunk(body(1000, 128, 200), 4096).size() == 128'000);
  CHECK(dechunk(body(1000, 1, 3), 4096).size() == 1000);
  CHECK(dechunk(body(1000, 1, 200), 4096) == "!chunk_extensions_too_large");
}

TEST_CASE("chunks that are not exactly right are refused") {
  for (const char* bad :
       {"3\nabc\r\n0\r\n\r\n", "3 \r\nabc", " 3\r\nabc", "0x3\r\nabc", "g\r\n", "\r\n", ";a\r\n", "3\r\nabcd",
        "3\r\nabc\n0\r\n\r\n", "11111111111111111\r\n", "ffffffffffffffff\r\n", "0\r\nA\r\n\r\n",
        "0\r\n A: b\r\n\r\n", "0\r\nA: b\x01\r\n\r\n", "0\r\n\n"}) {
    CAPTURE(bad);
    CHECK(dechunk(bad, 1).find('!') != std::string::npos);
    CHECK(dechunk(bad, 100).find('!') != std::string::npos);
  }
}

TEST_CASE("a head is whole at its empty line, and not longer than allowed") {
  const HeadLimits limits{64, 16, 4};
  size_t scanned = 0;
  CHECK(find_head_end("GET / HTTP/1.1\r\n", scanned, limits).value() == 0);
  CHECK(find_head_end("GET / HTTP/1.1\r\n\r\nmore", scanned, limits).value() == 18);
  scanned = 0;
  CHECK(find_head_end(std::string(65, 'a'), scanned, limits).error().code == Code::headers_too_large);
  scanned = 0;
  CHECK(find_head_end("GET / HTTP/1.1\n\n", scanned, limits).error().reason == "bare_cr_or_lf");
}

TEST_CASE("requests: what is good and what is refused, by name") {
  const std::string host = "Host: a\r\n";
  CHECK(reason("GET / HTTP/1.1\r\n" + host + "\r\n") == "good");
  CHECK(reason("GET http://A/x HTTP/1.1\r\n" + host + "\r\n") == "good");
  CHECK(reason("BREW / HTTP/1.1\r\n" + host + "\r\n") == "good");
  CHECK(reason("OPTIONS * HTTP/1.1\r\n" + host + "\r\n") == "good");
  CHECK(reason("GET * HTTP/1.1\r\n" + host + "\r\n") == "bad_target");
  CHECK(reason("GET http://b/x HTTP/1.1\r\n" + host + "\r\n") == "host_mismatch");
  CHECK(reason("CONNECT a:1 HTTP/1.1\r\n" + host + "\r\n") == "connect");
  CHECK(reason("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n") == "bad_host");
  CHECK(reason("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n") == "bad_host");
  CHECK(reason("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n") == "bad_host");
  CHECK(reason("GET / HTTP/1.1\r\nHost:\r\n\r\n") == "bad_host");
  CHECK(reason("GET / HTTP/1.1\r\nHost: a:0\r\n\r\n") == "bad_host");
  CHECK(reason("GET / HTTP/1.1\r\n" + host + "Content-Length: +3\r\n\r\n") != "good");
  CHECK(reason("GET / HTTP/1.1\r\n" + host + "Content-Length: 3, 3\r\n\r\n") != "good");
  CHECK(reason("GET / HTTP/1.1\r\n" + host + "Content-Length: 3\r\nContent-Length: 3\r\n\r\n") != "good");
  CHECK(reason("GET / HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n\r\n") != "good");
  CHECK(reason("GET / HTTP/1.1\r\n" + host +
               "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n") != "good");
  CHECK(reason("GET / HTTP/1.1\r\n" + host + "A: b\xff\r\n\r\n") == "good");
  CHECK(reason("GET /\xff HTTP/1.1\r\n" + host + "\r\n") == "control_character");
  CHECK(reason("GET / HTTP/1.1\r\n" + host + "A: b\x7f\r\n\r\n") == "control_character");
  CHECK(reason("GET / HTTP/1.1\r\n" + host + "A\t: b\r\n\r\n") == "space_before_colon");
  CHECK(reason("GET / HTTP/1.1 \r\n" + host + "\r\n") == "bad_version");
}

TEST_CASE("a byte has the same verdict wherever it stands in a head") {
  const auto head_with = [](size_t before, int byte) {
    return "GET / HTTP/1.1\r\nHost: a\r\nName: " + std::string(before, 'v') + static_cast<char>(byte) +
           "end\r\n\r\n";
  };
  for (size_t before = 0; before < 18; ++before) {
    for (int byte = 0; byte < 256; ++byte) {
      CAPTURE(before);
      CAPTURE(byte);
      const bool ends_line = byte == '\r' || byte == '\n';
      const bool control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
      CHECK(reason(head_with(before, byte)) == (ends_line ? "bare_cr_or_lf"
                                                : control ? "control_character"
                                                          : "good"));
    }
    CHECK(reason("GET / HTTP/1.1\r\nHost: a\r\nna" + std::string(before, 'm') + "\x80" + "e: v\r\n\r\n") ==
          "bad_name");
    if (before > 0)
      CHECK(reason("GET / HTTP/1.1\r\nHost: a\r\n" + std::string(before, 'n') + "\r\n\r\n") == "no_colon");
    CHECK(reason("GET /" + std::string(before, 'p') + "\x80 HTTP/1.1\r\nHost: a\r\n\r\n") ==
          "control_character");
    CHECK(reason("GET /" + std::string(before, 'p') + "\t HTTP/1.1\r\nHost: a\r\n\r\n") ==
          "control_character");
  }
}

TEST_CASE("names are known in any case, and no other name is taken for one") {
  CHECK(header_id("content-length") == HeaderId::content_length);
  CHECK(header_id("CONTENT-LENGTH") == HeaderId::content_length);
  CHECK(header_id("tE") == HeaderId::te);
  CHECK(header_id("hOsT") == HeaderId::host);
  CHECK(header_id("Content\rLength") == HeaderId::other);
  CHECK(header_id("Content-Lengt\x88") == HeaderId::other);
  CHECK(header_id("") == HeaderId::other);
}

TEST_CASE("paths have one form") {
  BlockPool pool;
  Arena arena(pool);
  const auto path = [&](const char* target) {
    const auto read = parse_target(target, arena);
    return read ? std::string(read->path) : "!" + std::string(read.error().reason);
  };
  CHECK(path("/a%7Eb") == "/a~b");
  CHECK(path("/%c3%a9") == "/%C3%A9");
  CHECK(path("/a%3Bb;c") == "/a%3Bb;c");
  CHECK(path("/a\"b") == "/a%22b");
  CHECK(path("//a//") == "//a//");
  CHECK(path("http://h") == "/");
  CHECK(path("/a/..;x/b") == "!dot_segment");
  CHECK(path("/.%2e") == "!dot_segment");
  CHECK(path("/...") == "/...");
  CHECK(path("/a%2Fb") == "!encoded_slash");
  CHECK(path("/a%0a") == "!encoded_control");
  CHECK(path("a") == "!bad_target");
}

TEST_CASE("paths that backends read in two ways are known, and so is the other reading") {
  BlockPool pool;
  Arena arena(pool);
  CHECK(has_empty_segment("/a//b"));
  CHECK_FALSE(has_empty_segment("/a/b/"));
  CHECK(has_parameters("/a;b"));
  CHECK_FALSE(has_parameters("/a%3Bb"));
  CHECK(merge_slashes("//a///b/", arena) == "/a/b/");
  CHECK(merge_slashes("//", arena) == "/");
  CHECK(cut_parameters("/a;x/;y/b;z=1;w", arena) == "/a/b");
  CHECK(cut_parameters("/;a//b/;", arena) == "/b/");
  CHECK(cut_parameters("//a", arena) == "/a");
}

TEST_CASE("Connection: each option is one thing, and there are not many of them") {
  using enum ConnectionOption;
  CHECK(connection_option("Close") == close);
  CHECK(connection_option("keep-alive") == keep_alive);
  CHECK(connection_option("UPGRADE") == upgrade);
  for (const char* name : {"te", "Trailer", "Proxy-Connection", "HTTP2-Settings", "Transfer-Encoding"})
    CHECK(connection_option(name) == of_one_hop);
  for (const char* name : {"X-Tenant", "Content-Type", "Content-Length", "closed", "a b", "\"close\""})
    CHECK(connection_option(name) == field);
  const auto request = [](const std::string& options) {
    return reason("GET / HTTP/1.1\r\nHost: a\r\n" + options + "\r\n");
  };
  std::string list = "Connection: te";
  for (size_t i = 1; i < ConnectionOptions::max; ++i) list += ",te";
  CHECK(request(list + "\r\n") == "good");
  CHECK(request(list + ",te\r\n") == "connection_options");
  CHECK(request("Connection: " + std::string(ConnectionOptions::max + 1, ',') + "\r\n") ==
        "connection_options");
  CHECK(request(list + "\r\nConnection: close\r\n") == "connection_options");
}

TEST_CASE("what is for one hop stays on it") {
  Headers h;
  h.add("Connection", "close, X-Hop");
  h.add("X-Hop", "1");
  h.add("Keep-Alive", "1");
  h.add("TE", "trailers");
  h.add("Upgrade", "h2c");
  h.add("HTTP2-Settings", "x");
  h.add("Accept", "*/*");
  h.add("X-Hop-2", "1");
  h.add("connection", ",, x-hop-2 ,");
  remove_hop_by_hop(h);
  CHECK(h.size() == 1);
  CHECK(h.get("accept") == "*/*");
}
