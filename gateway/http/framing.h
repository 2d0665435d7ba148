// Framing: the one place that decides where a message ends (RFC 9112 section 6), and that refuses what is
// ambiguous.
//
// Everything is strict: no repair, no guess. Pure functions; any thread. Errors: malformed_request for a
// request, upstream_bad_answer for a response, with a reason slug and a detail that names the rule.
#pragma once

#include <cstdint>
#include <string>

#include "gateway/base/bytes.h"
#include "gateway/base/error.h"
#include "gateway/http/message.h"

namespace sallyport::http {

struct HeadLimits {
  size_t header_bytes = 32 * 1024;  // the whole block, request line included
  size_t uri_bytes = 8 * 1024;
  size_t headers = 100;
};
// What a backend's response is held to.
constexpr HeadLimits response_limits = {64 * 1024 - 1, 0, 200};

// The interim responses to one request, which are kept as long as that: 32 at most, together no larger than
// one head.
class Interims {
 public:
  // One more, of so many bytes. Errors: upstream_bad_answer.
  Result<void> add(size_t bytes);

 private:
  size_t count_ = 0, bytes_ = 0;
};

// Looks for the empty line that ends a head. Gives the head's length with that line, 0 if it is not there
// yet. `scanned` remembers how far an earlier call came (start with 0). Too long: uri_too_long or
// headers_too_large.
Result<size_t> find_head_end(Slice bytes, size_t& scanned, const HeadLimits& limits);

// What llhttp lets through and we do not: bare CR or LF, obs-fold, space before the colon, NUL and other
// controls, an empty name, HTAB and bytes above 0x7e in a request line. `head` is a whole head, as found
// above.
Result<void> check_request_head(Slice head);
Result<void> check_response_head(Slice head);

// RFC 9112 section 6.3 for a request whose headers are all there. Refused: Content-Length with
// Transfer-Encoding, several lengths (equal ones too), a length that is not digits or above 2^63,
// Transfer-Encoding with HTTP/1.0, a coding other than one single "chunked", an empty one. HTTP/2 (RFC 9113
// section 8.1.1) has no Transfer-Encoding, and content until END_STREAM, which Kind::chunked stands for here;
// `ended`: it came with the head.
Result<BodyLength> request_length(const Request& request, bool ended = false);
// The same for a response to `method`: HEAD, 1xx, 204, 304 have none; without a length, until the close, or
// in HTTP/2 until END_STREAM.
Result<BodyLength> response_length(const Response& response, Method method, bool ended = false);

// Holds an answer's content to the length that its head tells, piece by piece.
class LengthCheck {
 public:
  explicit LengthCheck(const BodyLength& length) noexcept
      : counted_(length.kind == BodyLength::Kind::counted), left_(length.bytes) {}
  // The piece that was pulled of the body, empty at its end. True if it is the last one: behind content that
  // is all there, trailers may still come. Error: internal, if it is too much or too little.
  Result<bool> is_last(Slice piece, const Body& body) {
    if (!counted_) return piece.empty();
    if (piece.size() > left_ || (piece.empty() && left_ > 0)) return fail(Code::internal, "wrong_length");
    left_ -= piece.size();
    return piece.empty() || (left_ == 0 && body.remaining() == 0);
  }

 private:
  bool counted_;
  uint64_t left_;
};

// How far the extensions of a chunk have been read; chunked.cc has the states.
enum class ChunkExtension : uint8_t;

// The chunked coding (RFC 9112 section 7.1), read as it comes; strict: CRLF only, at most 16 digits,
// extensions by the letter of section 7.1.1 (blanks in front of ";" and around "=" and behind them, and
// nowhere else), at most 256 bytes a chunk and, beyond twice the content, 8 KiB in all; trailers well-formed
// and at most 8 KiB in all.
class ChunkedReader {
 public:
  struct Step {
    size_t consumed = 0;    // bytes of the input that are done with, content included
    Slice content;          // a piece of content, within the input; may be empty
    Slice trailer;          // a whole line of the trailers, without CRLF, until the next read; if asked for
    bool finished = false;  // the last chunk and the trailers have been read
  };
  // Takes what it can of `input`; call again with the rest. consumed == 0 and not finished: more input is
  // needed.
  Result<Step> read(Slice input);
  void reset() noexcept { *this = ChunkedReader{}; }
  // Of this message; without it they are checked, and not told.
  void tell_trailers() noexcept { wanted_ = true; }

 private:
  enum class State : uint8_t {
    size,
    extension,
    size_lf,
    content,
    content_cr,
    content_lf,
    trailer,
    trailer_lf,
    end_lf,
    done
  };
  size_t usual_frame(Slice input) noexcept;
  void begin_chunk() noexcept;
  Result<Step> step(Slice input);
  Result<Step> size_byte(char c);
  Result<Step> extension_byte(char c);
  Result<Step> trailer_byte(char c);

  State state_ = State::size;
  uint64_t left_ = 0;  // of the chunk
  uint32_t digits_ = 0;
  uint32_t line_bytes_ = 0;  // of the extension, or of all trailers
  ChunkExtension extension_{};
  uint64_t excess_ = 0;  // of all extensions, beyond what the content pays for
  bool line_empty_ = true;
  bool name_done_ = false;  // a trailer line has had its colon
  bool wanted_ = false;     // the trailers
  std::string line_;        // of them
};

}  // namespace sallyport::http
