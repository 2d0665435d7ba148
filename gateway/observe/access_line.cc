// One line of the access log, formatted without an allocation, unless a client has written a secret where it
// does not belong.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "gateway/base/escape.h"
#include "gateway/base/secrets.h"
#include "gateway/base/text.h"
#include "gateway/base/units.h"
#include "gateway/observe/access_log.h"

namespace sallyport::observe {
namespace {

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
    if (static_cast<size_t>(end_ - at_) < n + value.size() || !text::needs_no_escape(value))
      return escaped_text({opening, n - 1}, value);
    std::memcpy(at_, opening, n - 1);
    std::memcpy(at_ + n - 1, value.data(), value.size());
    at_ += n + value.size();
    at_[-1] = '"';
  }
  // What a client has written, without the secrets in it.
  template <size_t n>
  void text_of_client(const char (&opening)[n], Slice value, size_t bytes_max) noexcept {
    std::string masked;
    text(opening, text::without_secrets(value, masked, bytes_max), bytes_max);
  }
  size_t length() const noexcept { return full_ ? 0 : static_cast<size_t>(at_ - begin_); }

 private:
  void escaped_text(Slice opening, Slice value) noexcept {
    raw(opening);
    text::escape(value, [this](Slice piece) { raw(piece); });
    raw("\"");
  }
  char* begin_;
  char* at_;
  char* end_;
  bool full_ = false;
};

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
  out.text_of_client(R"(,"client":")", r.client, 128);
  out.text_of_client(R"(,"credential":")", r.credential, 128);
  out.text(R"(,"refused_by":")", r.refused_by, 64);
  out.text(R"(,"reason":")", r.reason, 64);
  out.text(R"(,"would_refuse":")", r.would_refuse, 256);
  out.text_of_client(R"(,"user_agent":")", r.user_agent, 256);
  out.raw("}\n");
  return out.length();
}

}  // namespace sallyport::observe
