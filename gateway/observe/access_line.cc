// One line of the access log, formatted without an allocation, unless a client has written an API key where
// it does not belong.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "gateway/base/text.h"
#include "gateway/base/units.h"
#include "gateway/observe/access_log.h"

namespace sallyport::observe {
namespace {

// True for printable ASCII without quotes and backslashes: goes in as it is. Without a branch, so that the
// compiler makes it 16 bytes wide.
bool is_plain(Slice s) noexcept {
  uint8_t odd = 0;
  for (char c : s) {
    const auto byte = static_cast<uint8_t>(c);
    odd |= static_cast<uint8_t>((byte < 0x20) | (byte > 0x7e) | (byte == '"') | (byte == '\\'));
  }
  return odd == 0;
}

// Writes into a bounded space; once something did not fit, the line has no length and is lost whole. The
// openings are literals such as ,"name":" and are copied as constants.
class Out {
 public:
  Out(char* at, size_t room) noexcept : begin_(at), at_(at), end_(at + room) {}

  void raw(Slice s) noexcept {
    if (static_cast<size_t>(end_ - at_) < s.size()) {
      full_ = true;
      return;
    }
    std::memcpy(at_, s.data(), s.size());
    at_ += s.size();
  }
  template <size_t n>
  void number(const char (&opening)[n], uint64_t value) noexcept {
    raw({opening, n - 1});
    text::Digits digits;
    raw(text::decimal(value, digits));
  }
  // Left out if it is empty.
  template <size_t n>
  void text(const char (&opening)[n], Slice value, size_t bytes_max) noexcept {
    if (value.empty()) return;
    value = value.substr(0, bytes_max);
    if (static_cast<size_t>(end_ - at_) < n + value.size() || !is_plain(value))
      return escaped_text({opening, n - 1}, value);
    std::memcpy(at_, opening, n - 1);
    std::memcpy(at_ + n - 1, value.data(), value.size());
    at_ += n + value.size();
    at_[-1] = '"';
  }
  // What a client has written; an API key in it is shown without its secret.
  template <size_t n>
  void text_of_client(const char (&opening)[n], Slice value, size_t bytes_max) noexcept {
    if (!text::may_hold_key(value)) return text(opening, value, bytes_max);
    const std::string masked = text::without_secrets(value);
    text(opening, masked, bytes_max);
  }
  size_t length() const noexcept { return full_ ? 0 : static_cast<size_t>(at_ - begin_); }

 private:
  void escaped_text(Slice opening, Slice value) noexcept {
    raw(opening);
    escaped(value);
    raw("\"");
  }
  void escaped(Slice s) noexcept;
  void control(uint8_t byte) noexcept {
    const std::array<char, 6> code = {
        '\\', 'u', '0', '0', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    raw({code.data(), code.size()});
  }
  char* begin_;
  char* at_;
  char* end_;
  bool full_ = false;
};

void Out::escaped(Slice s) noexcept {
  while (!s.empty() && !full_) {
    size_t plain = 0;  // a run that goes in as it is
    while (plain < s.size() && is_plain(s.substr(plain, 1))) ++plain;
    raw(s.substr(0, plain));
    s.remove_prefix(plain);
    if (s.empty()) return;
    const auto byte = static_cast<uint8_t>(s.front());
    size_t taken = 1;
    if (byte == '"' || byte == '\\') {
      raw("\\");
      raw(s.substr(0, 1));
    } else if (byte < 0x80) {
      control(byte);
    } else if ((taken = text::utf8_sequence(s)) == 0) {
      raw("\\ufffd");
      taken = 1;
    } else if (byte == 0xc2 && static_cast<uint8_t>(s[1]) < 0xa0) {  // C1: commands to some terminals
      control(static_cast<uint8_t>(s[1]));
    } else if (s.starts_with("\xe2\x80\xa8") || s.starts_with("\xe2\x80\xa9")) {  // line ends to some readers
      raw(s.starts_with("\xe2\x80\xa8") ? "\\u2028" : "\\u2029");
    } else {
      raw(s.substr(0, taken));
    }
    s.remove_prefix(taken);
  }
}

// RFC 3339 with milliseconds; the date and time of the last second are kept.
void time_of(Wall t, Out& out) noexcept {
  thread_local int64_t last_second = -1;
  thread_local std::array<char, 19> last_text;
  const int64_t second = unix_seconds(t);
  if (second != last_second) {
    const std::string text = date_time(t);
    std::copy_n(text.begin(), last_text.size(), last_text.begin());
    last_second = second;
  }
  const auto ms =
      static_cast<uint32_t>(std::chrono::floor<milliseconds>(t.time_since_epoch()).count() - second * 1000);
  const std::array<char, 6> end = {'.',
                                   static_cast<char>('0' + ms / 100),
                                   static_cast<char>('0' + ms / 10 % 10),
                                   static_cast<char>('0' + ms % 10),
                                   'Z',
                                   '"'};
  out.raw(R"({"time":")");
  out.raw({last_text.data(), last_text.size()});
  out.raw({end.data(), end.size()});
}

}  // namespace

size_t format_access_line(const AccessRecord& r, char* to, size_t room) noexcept {
  Out out(to, room);
  time_of(r.time, out);
  out.text(R"(,"request_id":")", r.request_id, 64);
  out.text(R"(,"client_ip":")", r.client_ip, 64);
  out.text(R"(,"listener":")", r.listener, 64);
  out.text(R"(,"tls":")", r.tls, 16);
  out.text(R"(,"http":")", r.http, 16);
  out.text_of_client(R"(,"method":")", r.method, 32);
  out.text_of_client(R"(,"host":")", r.host, 255);
  out.text_of_client(R"(,"path":")", r.path, 2048);
  out.text(R"(,"route":")", r.route, 64);
  if (r.status > 0) out.number(R"(,"status":)", static_cast<uint64_t>(r.status));
  out.number(R"(,"bytes_in":)", r.bytes_in);
  out.number(R"(,"bytes_out":)", r.bytes_out);
  out.number(R"(,"duration_us":)", r.duration_us);
  out.text(R"(,"upstream":")", r.upstream, 64);
  if (!r.upstream.empty()) out.number(R"(,"upstream_us":)", r.upstream_us);
  out.text(R"(,"client":")", r.client, 128);
  out.text(R"(,"credential":")", r.credential, 128);
  out.text(R"(,"refused_by":")", r.refused_by, 64);
  out.text(R"(,"reason":")", r.reason, 64);
  out.text(R"(,"would_refuse":")", r.would_refuse, 256);
  out.text_of_client(R"(,"user_agent":")", r.user_agent, 256);
  out.raw("}\n");
  return out.length();
}

}  // namespace sallyport::observe
