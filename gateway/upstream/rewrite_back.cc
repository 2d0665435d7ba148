#include "gateway/upstream/rewrite_back.h"

#include <algorithm>
#include <array>
#include <span>

#include "gateway/base/small_pool.h"
#include "gateway/base/text.h"
#include "gateway/http/uri.h"

namespace sallyport::upstream {
namespace {

using config::PathPattern;
using config::Segment;
using http::HeaderId;

bool is_literal(const Segment& s) noexcept { return s.kind == Segment::Kind::literal; }
bool is_rest(const Segment& s) noexcept { return s.kind == Segment::Kind::rest; }

std::span<const Segment> literals(const PathPattern& pattern) {
  const auto end = std::ranges::find_if_not(pattern.segments, is_literal);
  return {pattern.segments.begin(), end};
}

std::span<const Segment> without_rest(const PathPattern& pattern) {
  const bool rest = !pattern.segments.empty() && is_rest(pattern.segments.back());
  return std::span(pattern.segments).first(pattern.segments.size() - (rest ? 1 : 0));
}

// If the patterns differ in the literals at their front only, these are all that there is to rewrite.
bool same_tail(const PathPattern& a, const PathPattern& b) {
  return a.trailing_slash == b.trailing_slash &&
         std::ranges::equal(std::span(a.segments).subspan(literals(a).size()),
                            std::span(b.segments).subspan(literals(b).size()));
}

std::string prefix_text(const PathPattern& pattern) {
  std::string text;
  for (const Segment& segment : literals(pattern)) text += "/" + segment.text;
  return text;
}

bool lies_in(Slice path, Slice prefix) noexcept {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

bool is_visible(Slice value) noexcept {
  return std::ranges::all_of(value, [](char c) { return c > 0x20 && c < 0x7f; });
}

// A URL's authority that is the target's: what we have told the backend in Host, or its address written out.
bool names_target(Slice authority, bool tls, const Target& target, Arena& arena) {
  const Result<http::Authority> read = http::parse_authority(authority, arena);
  if (!read) return false;
  Slice host = read->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (!text::iequals(host, target.host)) return false;
  if (read->port) return *read->port == target.port;
  return text::iequals(authority, target.authority) || target.port == (tls ? 443 : 80);
}

// RFC 6265 section 5.1.3, for names.
bool domain_matches(Slice host, Slice domain) noexcept {
  if (text::iequals(host, domain)) return true;
  return host.size() > domain.size() && host[host.size() - domain.size() - 1] == '.' &&
         text::iequals(host.substr(host.size() - domain.size()), domain);
}

// The backend's own name, which a browser that knows us by another one would not take the cookie for. One
// that the client's host lies in is good as it is.
bool is_backends_domain(Slice domain, const RewriteBack::View& view) noexcept {
  if (domain.starts_with('.')) domain.remove_prefix(1);
  return text::iequals(domain, view.backend.host) && !domain_matches(view.host, domain);
}

struct Split {
  Slice name, value;
};
Split split_attribute(Slice attribute) noexcept {
  const size_t equals = attribute.find('=');
  if (equals == Slice::npos) return {text::trim(attribute), {}};
  return {text::trim(attribute.substr(0, equals)), text::trim(attribute.substr(equals + 1))};
}

}  // namespace

RewriteBack::RewriteBack(const PathPattern& match, const PathPattern& forward)
    : from_slash_(forward.trailing_slash),
      to_slash_(match.trailing_slash),
      from_prefix_(prefix_text(forward)),
      to_prefix_(prefix_text(match)) {
  const bool shorter = same_tail(match, forward);
  const auto from = shorter ? literals(forward) : without_rest(forward);
  const auto to = shorter ? literals(match) : without_rest(match);
  from_.assign(from.begin(), from.end());
  to_.assign(to.begin(), to.end());
  whole_ = from_.size() == without_rest(forward).size();
  exact_ = from_.size() == forward.segments.size() && to_.size() == match.segments.size();
  nested_ = to_prefix_.size() > from_prefix_.size() && lies_in(to_prefix_, from_prefix_);
}

void RewriteBack::apply(Exchange& x, const Target& backend) const {
  const View view = {backend,
                     x.request.headers.get(HeaderId::x_forwarded_proto),
                     x.request.authority,
                     x.request.host,
                     x.params,
                     x.arena};
  x.response.headers.map_values([&](const http::Header& h) {
    if (h.id == HeaderId::set_cookie) return set_cookie(h.value, view);
    const bool place = h.id == HeaderId::location || h.id == HeaderId::content_location;
    return place ? location(h.value, view) : h.value;
  });
}

// The client's path for one of the backend's; nothing if forward.path does not lead there.
std::optional<Slice> RewriteBack::path(Slice canonical, const View& view) const {
  // "/app/{rest...}" to "/{rest...}", and the backend has been told where it is: that is the client's
  // already.
  if (nested_ && lies_in(canonical, to_prefix_)) return std::nullopt;
  std::array<Slice, PathPattern::segments_max> values;  // what stands for each segment of from_
  Slice left = canonical == "/" && from_.empty() && exact_ ? Slice{} : canonical;
  for (size_t i = 0; i < from_.size(); ++i) {
    if (!left.starts_with('/')) return std::nullopt;
    left.remove_prefix(1);
    values[i] = left.substr(0, left.find('/'));
    const bool fits = is_literal(from_[i]) ? values[i] == from_[i].text : !values[i].empty();
    if (!fits) return std::nullopt;
    left.remove_prefix(values[i].size());
  }
  if (whole_ && from_slash_ && left.empty()) return std::nullopt;
  if (exact_ && left == (from_slash_ ? "/" : "")) left = to_slash_ ? "/" : "";
  std::array<Slice, 2 * PathPattern::segments_max + 1> pieces;
  size_t count = 0;
  for (const Segment& segment : to_) {
    const auto same = std::ranges::find(from_, segment);
    const std::optional<Slice> piece = is_literal(segment) ? Slice(segment.text)
                                       : same != from_.end()
                                           ? values[static_cast<size_t>(same - from_.begin())]
                                           : view.params.value(segment.text);
    if (!piece) return std::nullopt;
    pieces[count++] = "/";
    pieces[count++] = *piece;
  }
  if (count == 0 && left.empty()) left = "/";
  pieces[count++] = left;
  const Slice made = view.arena.concat(std::span<const Slice>(pieces).first(count));
  if (made.starts_with("//")) return std::nullopt;  // would name a host (RFC 3986 section 4.2)
  return made;
}

Slice RewriteBack::location(Slice value, const View& view) const {
  if (!is_visible(value)) return value;
  const Slice fragment = value.substr(std::min(value.find('#'), value.size()));
  Slice url = value.substr(0, value.size() - fragment.size());
  if (url.starts_with("//")) url = view.arena.concat({view.scheme, ":", url});
  const Result<http::Target> read = http::parse_target(url, view.arena);
  if (!read || read->path == "*") return value;
  // A backend that goes by X-Forwarded-Host names the client's authority, and still its own path.
  const bool clients = text::iequals(read->authority, view.authority);
  const bool tls = text::iequals(url.substr(0, 6), "https:");
  const bool ours =
      read->authority.empty() || clients || names_target(read->authority, tls, view.backend, view.arena);
  if (!ours) return value;
  const std::optional<Slice> made = path(read->path, view);
  if (!made || (*made == read->path && (clients || read->authority.empty()))) return value;
  const Slice mark = url.find('?') == Slice::npos ? "" : "?";
  // A client that has sent no Host resolves a path as well (RFC 9110 section 10.2.2).
  if (read->authority.empty() || view.authority.empty())
    return view.arena.concat({*made, mark, read->query, fragment});
  const Slice scheme = clients ? Slice(tls ? "https" : "http") : view.scheme;
  return view.arena.concat({scheme, "://", view.authority, *made, mark, read->query, fragment});
}

// Bytes are compared here, as browsers do it (RFC 6265 section 5.1.4).
std::optional<Slice> RewriteBack::cookie_path(Slice value, const View& view) const {
  if (!value.starts_with('/') || !is_visible(value)) return std::nullopt;
  std::optional<Slice> made = path(value, view);
  if (made && value == "/" && made->size() > 1 && made->ends_with('/')) made->remove_suffix(1);
  const Slice rest = value.substr(std::min(value.size(), from_prefix_.size()));
  if (!made && value.starts_with(from_prefix_) && (rest.empty() || rest == "/"))
    made = to_prefix_.empty() ? Slice("/") : view.arena.concat({to_prefix_, rest});
  // A value of the client's, or a literal of the config, may have what ends an attribute.
  if (made && made->contains(';')) return std::nullopt;
  return made;
}

Slice RewriteBack::set_cookie(Slice value, const View& view) const {
  // The browser takes that one with the path "/" only, and with no domain.
  if (text::iequals(text::trim(value).substr(0, 7), "__Host-")) return value;
  small_pool::Vector<Slice> pieces;
  size_t done = 0;  // what stands in front of it is in the pieces, or was left out
  for (size_t at = value.find(';'); at != Slice::npos;) {
    const size_t end = std::min(value.find(';', at + 1), value.size());
    const Split attribute = split_attribute(value.substr(at + 1, end - at - 1));
    if (text::iequals(attribute.name, "Domain") && is_backends_domain(attribute.value, view)) {
      pieces.push_back(value.substr(done, at - done));
      done = end;
    } else if (text::iequals(attribute.name, "Path")) {
      if (const std::optional<Slice> made = cookie_path(attribute.value, view)) {
        const auto written = static_cast<size_t>(attribute.value.data() - value.data());
        pieces.push_back(value.substr(done, written - done));
        pieces.push_back(*made);
        done = written + attribute.value.size();
      }
    }
    at = end < value.size() ? end : Slice::npos;
  }
  if (pieces.empty()) return value;
  pieces.push_back(value.substr(done));
  return view.arena.concat(pieces);
}

}  // namespace sallyport::upstream
