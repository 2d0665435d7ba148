#include "gateway/http/head_rules.h"

#include <algorithm>

#include "gateway/base/text.h"
#include "gateway/http/uri.h"

namespace sallyport::http {
namespace {

constexpr size_t method_bytes_max = 32;

}  // namespace

Result<void> check_method(Slice method) {
  if (method.size() <= method_bytes_max && is_token(method)) return {};
  return fail(Code::malformed_request, "bad_method", "the method is not a token of 32 bytes at most");
}

Result<Slice> read_target(Request& out, Arena& arena) {
  if (out.method == Method::connect)
    return fail(Code::malformed_request, "connect", "this is not a tunnel: CONNECT is not served");
  Result<Target> target = parse_target(out.target, arena);
  if (!target) return std::unexpected(std::move(target.error()));
  if (target->path == "*" && out.method != Method::options)
    return fail(Code::malformed_request, "bad_target", "the target * is for OPTIONS only");
  out.path = target->path;
  out.query = target->query;
  return target->authority;
}

Result<void> read_authority(Request& out, Slice authority, Arena& arena) {
  out.authority = authority;
  Result<Authority> host = parse_authority(authority, arena);
  if (!host) return std::unexpected(std::move(host.error()));
  out.host = host->host;
  // "a.test." is the host a.test, named from the root (RFC 3986 section 3.2.2): one host, one route.
  if (out.host.ends_with('.')) out.host.remove_suffix(1);
  return {};
}

Result<void> read_expect(Request& out) {
  const Header* expect = out.headers.find(HeaderId::expect);
  if (expect == nullptr) return {};
  if (!text::iequals(expect->value, "100-continue") || out.headers.count(HeaderId::expect) > 1)
    return fail(Code::expectation_failed, "unknown_expectation", "only Expect: 100-continue is understood");
  out.expects_continue = out.version != Version::http10;
  return {};
}

void read_te(Request& out) noexcept {
  out.takes_trailers = std::ranges::any_of(out.headers, [](const Header& h) {
    return h.id == HeaderId::te && list_has_token(h.value, "trailers");
  });
}

bool may_be_trailer(Slice name) noexcept {
  const HeaderId id = header_id(name);
  return id == HeaderId::other || id == HeaderId::date;
}

}  // namespace sallyport::http
