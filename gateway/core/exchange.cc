#include "gateway/core/exchange.h"

#include <algorithm>
#include <vector>

#include "gateway/base/text.h"
#include "gateway/core/plugin.h"
#include "gateway/core/problem.h"
#include "gateway/core/request_id.h"
#include "gateway/core/world.h"
#include "gateway/observe/log.h"

namespace sallyport {
namespace {

http::EmptyBody no_content;  // has no state
constexpr size_t usual_headers = 16;
constexpr int hops_max = 32;  // proxies that a request may have come by

// A list without its empty elements, of which a sender leaves none (RFC 9110 section 5.6.1.1).
Slice without_gaps(Slice list, Arena& arena) {
  std::vector<Slice> pieces;
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    const Slice element = text::trim(list.substr(at, end - at));
    at = end + 1;
    if (element.empty()) continue;
    if (!pieces.empty()) pieces.emplace_back(", ");
    pieces.push_back(element);
  }
  return arena.concat(pieces);
}

}  // namespace

Exchange::Exchange(Loop& on, const ConnectionInfo& from, http::Responder& responder)
    : loop(on), connection(from), arena(on.blocks()), responder_(responder), content_(*this, on.blocks()) {
  request.headers.reserve(usual_headers);
  response.headers.reserve(usual_headers);
}

Exchange::~Exchange() { release_held(); }

void Exchange::begin(std::shared_ptr<const World> in) {
  if (used_) clear();
  used_ = true;
  world = std::move(in);
  route = world->none.get();
  request.body = &no_content;
  sent_ = sallyport::fail(Code::client_gone, "client_gone");  // until it is sent
  began = loop.now();
  began_wall = loop.wall();
  client_ip = forwarded_for = connection.client_ip;
  behind_proxy = false;
  request_id = IdGenerator::here().request_id(arena);
}

void Exchange::clear() noexcept {
  used_ = false;
  release_held();
  request.clear();
  response.clear();
  route = nullptr;
  world.reset();
  params.size = 0;
  answered = false;
  principal.reset();
  admission = nullptr;
  bearer = false;
  proofs.clear();
  notes = {};
  answer_headers_.clear();
  ends_with_client = false;
  content_.clear();
  lasting_content_.clear();
  sent_ = {};
  request_id = {};
  arena.clear();
}

size_t Exchange::bytes_held() const noexcept {
  return arena.held() + content_.bytes_held() + (held_ != nullptr ? held_->bytes_held() : 0);
}

// From the right: each proxy has added whom it got the request from. The first that is not trusted is the
// client; what stands left of it anybody may have written. What is no address ends the way: the last hop that
// is one is the client. An empty element is none (RFC 9110 section 5.6.1).
void Exchange::find_client() {
  const CidrSet& trusted = world->trusted_proxies;
  if (trusted.empty() || !trusted.contains(connection.client_ip)) return;
  behind_proxy = true;
  std::vector<Slice> lines;
  for (const http::Header& h : request.headers) {
    if (h.id != http::HeaderId::x_forwarded_for) continue;
    if (!lines.empty()) lines.emplace_back(", ");
    lines.push_back(h.value);
  }
  const Slice way = arena.concat(lines);
  size_t begin = way.size() + 1;  // of the client's entry
  size_t at = begin;
  bool gaps = false;
  for (int hops = 0; at > 1 && hops < hops_max; ++hops) {
    const size_t end = at - 1;
    const size_t comma = way.substr(0, end).rfind(',');
    at = comma == Slice::npos ? 0 : comma + 1;
    const Slice hop = text::trim(way.substr(at, end - at));
    gaps = gaps || hop.empty();
    if (hop.empty()) continue;
    const auto ip = parse_ip_port(hop);
    if (!ip) break;
    begin = at;
    client_ip = arena.copy(ip_text(*ip));
    if (!trusted.contains(client_ip)) break;
  }
  if (begin >= way.size()) return;
  const Slice kept = text::trim(way.substr(begin));
  forwarded_for = arena.concat({gaps ? without_gaps(kept, arena) : kept, ", ", connection.client_ip});
}

void Exchange::watch_content() {
  if (admission == nullptr || request.length.is_nothing()) return;
  http::Body*& from = content_.source();
  lasting_content_.begin(*this, *from, false);
  from = &lasting_content_;
}

// What has a length is let finish: it has an end, and was allowed when it began.
void Exchange::watch_answer() {
  if (admission == nullptr || response.body == nullptr) return;
  const bool unknown = response.length.is_unknown();
  const bool events = http::is_event_stream(response);
  if (!unknown && !events) return;
  lasting_body_.begin(*this, *response.body, unknown && events);
  response.body = &lasting_body_;
}

Task<> Exchange::fail(Error error) {
  if (notes.reason.empty()) notes.reason = error.reason;
  if (side_of(error.code) != Side::client) {
    // Of those that find no room there are as many as come: of each kind one line a second.
    const bool many = error.code == Code::overloaded;
    observe::log(observe::Level::warn, many ? error.reason : "request_failed",
                 {{"route", route->name},
                  {"reason", error.reason},
                  {"detail", error.detail},
                  {"request_id", request_id}},
                 many ? 1 : observe::lines_a_second_max);
  }
  write_problem(*this, error, nullptr);
  return Task<>::ready();
}

Task<> Exchange::refuse(const Refusal& refusal) {
  notes.reason = refusal.error.reason;
  write_problem(*this, refusal.error, &refusal);
  return Task<>::ready();
}

void Exchange::answer(int status, Slice content_type, Slice content) {
  response.clear();
  response.status = status;
  if (!content_type.empty()) response.headers.add(http::HeaderId::content_type, content_type);
  memory_body_.reset(content);
  response.body = &memory_body_;
  const bool may = http::may_have_content(http::Method::get, status);
  response.length = {may ? http::BodyLength::Kind::counted : http::BodyLength::Kind::none, content.size()};
  answered = true;
}

void Exchange::add_answer_header(Slice name, Slice value) {
  answer_headers_.emplace_back(name, arena.copy(value));
}

bool Exchange::limit_body(uint64_t bytes_max, ContentLimiter& by) {
  using Kind = http::BodyLength::Kind;
  if (request.length.kind == Kind::counted) return request.length.bytes <= bytes_max;
  if (request.length.kind == Kind::chunked) {
    content_.begin();
    content_.limit(bytes_max, by);
  }
  return true;
}

Task<Result<Slice>> Exchange::read_body(size_t bytes_max) {
  if (request.length.kind == http::BodyLength::Kind::counted && request.length.bytes > bytes_max)
    return Task<Result<Slice>>::ready(content_too_large());
  content_.begin();
  return content_.read(bytes_max);
}

Task<Result<void>> Exchange::first_content() {
  content_.begin();
  return content_.first();
}

bool Exchange::rewind_body() noexcept {
  if (request.length.is_nothing()) return true;
  return request.body == &content_ && content_.rewind();
}

Task<> Exchange::send() {
  finish_headers();
  sent_ = co_await responder_.respond(request, response);
  if (!sent_ && sent_.error().code != Code::client_gone && answered && !responder_.head_sent()) {
    // The upstream's content broke off before a byte of the answer had left; or a header is not fit to be
    // sent.
    if (sent_.error().code == Code::internal) answer_headers_.clear();
    co_await fail(sent_.error());
    finish_headers();
    sent_ = co_await responder_.respond(request, response);
  }
  if (!sent_ && notes.reason.empty()) notes.reason = sent_.error().reason;
}

void Exchange::finish_headers() {
  response.headers.remove(http::HeaderId::x_request_id);
  response.headers.add(http::HeaderId::x_request_id, request_id);
  for (const auto& [name, value] : answer_headers_) response.headers.add(name, value);
}

}  // namespace sallyport
