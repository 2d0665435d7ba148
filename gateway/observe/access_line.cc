// One line of the access log, formatted without an allocation.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "gateway/base/text.h"
#include "gateway/base/units.h"
#include "gateway/observe/access_log.h"

namespace sallyport::observe {
namespace {

// Writes into a bounded space; once something did not fit, nothing more is written.
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
  void name(Slice key) noexcept {
    raw(first_ ? "{\"" : ",\"");
    first_ = false;
    raw(key);
    raw("\":");
  }
  void number(Slice key, uint64_t value) noexcept {
    name(key);
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    raw({digits.data(), static_cast<size_t>(end - digits.data())});
  }
  void text(Slice key, Slice value, size_t bytes_max) noexcept {
    if (value.empty()) return;
    name(key);
    raw("\"");
    escaped(value.size() > bytes_max ? value.substr(0, bytes_max) : value);
    raw("\"");
  }
  size_t length() const noexcept { return full_ ? 0 : static_cast<size_t>(at_ - begin_); }

 private:
  void escaped(Slice s) noexcept;
  void control(uint8_t byte) noexcept {
    const std::array<char, 6> code = {
        '\\', 'u', '0', '0', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
    raw({code.data(), code.size()});
  }
  char* begin_;
  char* at_;
  char* end_;
  bool first_ = true;
  bool full_ = false;
};

constexpr std::array<bool, 256> plain_table() {
  std::array<bool, 256> all{};
  for (size_t c = 0x20; c < 0x7f; ++c) all[c] = c != '"' && c != '\\';
  return all;
}
constexpr auto plain_chars = plain_table();

void Out::escaped(Slice s) noexcept {
  while (!s.empty() && !full_) {
    size_t plain = 0;  // a run that goes in as it is
    while (plain < s.size() && plain_chars[static_cast<uint8_t>(s[plain])]) ++plain;
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
  out.name("time");
  out.raw("\"");
  out.raw({last_text.data(), last_text.size()});
  out.raw({end.data(), end.size()});
}

}  // namespace

size_t format_access_line(const AccessRecord& r, char* to, size_t room) noexcept {
  Out out(to, room);
  time_of(r.time, out);
  out.text("request_id", r.request_id, 64);
  out.text("client_ip", r.client_ip, 64);
  out.text("listener", r.listener, 64);
  out.text("tls", r.tls, 16);
  out.text("http", r.http, 16);
  out.text("method", r.method, 32);
  out.text("host", r.host, 255);
  out.text("path", r.path, 2048);
  out.text("route", r.route, 64);
  if (r.status > 0) out.number("status", static_cast<uint64_t>(r.status));
  out.number("bytes_in", r.bytes_in);
  out.number("bytes_out", r.bytes_out);
  out.number("duration_us", r.duration_us);
  out.text("upstream", r.upstream, 64);
  if (!r.upstream.empty()) out.number("upstream_us", r.upstream_us);
  out.text("client", r.client, 128);
  out.text("credential", r.credential, 128);
  out.text("refused_by", r.refused_by, 64);
  out.text("reason", r.reason, 64);
  out.text("would_refuse", r.would_refuse, 256);
  out.text("user_agent", r.user_agent, 256);
  out.raw("}\n");
  return out.length();
}

}  // namespace sallyport::observe
