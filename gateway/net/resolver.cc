#include "gateway/net/resolver.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include <algorithm>
#include <utility>

#include "gateway/base/fd.h"
#include "gateway/base/host_name.h"
#include "gateway/base/text.h"
#include "gateway/base/units.h"

namespace sallyport::net {
namespace {

using Family = AresChannel::Family;
using Outcome = std::shared_ptr<const Result<Addresses>>;

constexpr Duration files_looked_at_every = seconds(1);

// RFC 6761 section 6.3: these are this machine's, and no server is asked for them.
bool is_local(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return text::iequals(host, "localhost") ||
         (host.size() > 10 && text::iequals(host.substr(host.size() - 10), ".localhost"));
}

Addresses localhost(AresChannel& channel) {
  // In capitals: c-ares 1.18 leaks memory for the name that it knows itself. The file is read whatever the
  // case.
  Result<Addresses> listed = channel.in_hosts_file("LOCALHOST");
  return listed ? std::move(*listed) : Addresses{{"127.0.0.1", "::1"}, longest_duration};
}

// Whether this machine has a way to an address of IPv6 and one of its own to come from (RFC 6724 section 6,
// rule 1). Nothing is sent.
bool has_route(const std::string& v6) {
  sockaddr_in6 to{};
  if (uv_ip6_addr(v6.c_str(), 53, &to) != 0) return false;
  const Fd probe(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return probe && connect(probe.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
}

Result<Resolved> with_port(const Result<Addresses>& found, uint16_t port) {
  if (!found) return std::unexpected(found.error());
  Resolved out;
  for (const std::string& address : found->list) out.addresses.push_back({address, port});
  out.good_for = found->good_for;
  out.whole = found->whole;
  return out;
}

// The two by turns (RFC 8305 section 4), so that whoever tries one after the other soon tries both families.
Addresses by_turns(const Addresses& first, const Addresses& second) {
  Addresses all{{}, std::min(first.good_for, second.good_for)};
  const size_t most = std::max(first.list.size(), second.list.size());
  for (size_t i = 0; i < most && all.list.size() < AresChannel::addresses_max; ++i) {
    if (i < first.list.size()) all.list.push_back(first.list[i]);
    if (i < second.list.size()) all.list.push_back(second.list[i]);
  }
  return all;
}

}  // namespace

// Whoever waits for a name. Hears of its outcome when the turn ends, never inside of c-ares.
struct Resolver::Waiter : ListNode {
  Waiter(Loop& loop, Monotonic deadline) noexcept : over(loop, deadline) {}
  WaitUntil over;
  Outcome outcome;
};

// One family's look-up of a name.
struct Resolver::Half final : AresChannel::Asker {
  void answered(Result<Addresses> answer) override;
  // Whether what is waited for is still to come.
  bool running() const noexcept { return busy && wanted; }
  bool found() const noexcept { return !running() && answer; }
  bool has_none() const noexcept {
    return !running() && !answer && answer.error().code == Code::name_not_resolved;
  }

  Resolver* resolver = nullptr;
  Name* name = nullptr;
  bool busy = false;    // DNS is being asked
  bool wanted = false;  // … for what the name's look-up is at
  std::string asked;
  Result<Addresses> answer;
};

struct Resolver::Name : ListNode {
  Name(Resolver& owner, std::string of)
      : resolver(owner), host(std::move(of)), grace(owner.loop_, &Name::grace_over, this) {
    for (Half& half : halves) {
      half.resolver = &owner;
      half.name = this;
    }
  }
  bool running() const noexcept { return halves[0].running() || halves[1].running(); }
  bool busy() const noexcept { return halves[0].busy || halves[1].busy; }
  // That there is no such name is no more than one candidate's answer.
  bool has_more() const noexcept {
    return !candidates.empty() && std::ranges::all_of(halves, &Half::has_none);
  }
  // What both families' look-ups, or the one that is over, have found.
  Result<Addresses> found() const {
    const auto& [v4, v6] = halves;
    if (!v4.found() || !v6.found()) {
      Result<Addresses> one = v6.found() ? v6.answer : v4.answer;
      if (one) one->whole = (v6.found() ? v4 : v6).has_none();
      return one;
    }
    return has_route(v6.answer->list.front()) ? by_turns(*v6.answer, *v4.answer)
                                              : by_turns(*v4.answer, *v6.answer);
  }
  static void grace_over(void* self) {
    auto& me = *static_cast<Name*>(self);
    me.waited = true;
    me.resolver.look_on(me);
  }

  Resolver& resolver;
  std::string host;
  std::vector<std::string> candidates;  // still to be asked for, the next one last
  std::array<Half, 2> halves;           // IPv4, IPv6
  Timer grace;                          // one family has its answer
  bool waited = false;                  // … and the other has had its time
  bool open = false;                    // somebody is to hear of this look-up
  List<Waiter> waiting;
  Outcome outcome;  // of the last one
  Monotonic over_at{};
  Outcome good;  // of the last one that has found something
  Monotonic good_at{};
};

Resolver::Resolver(Loop& loop, Options options) : loop_(loop), options_(std::move(options)) {}

Resolver::~Resolver() {
  for (const auto& [host, name] : names_) name->open = false;
  channel_.reset();  // its askers live in names_
}

void Resolver::use(Options options) {
  if (options == options_) {
    look_at_files_ = Monotonic::min();
    return;
  }
  options_ = std::move(options);
  for (const auto& [host, name] : names_) name->outcome = name->good = nullptr;  // others may know better
  channel_.reset();
  begin_again();
}

Task<Result<Resolved>> Resolver::resolve(std::string host, uint16_t port, Monotonic deadline) {
  if (is_numeric_host(host)) co_return Resolved{{{std::move(host), port}}, longest_duration};
  if (!is_host_name(host))
    co_return fail(Code::name_not_resolved, "name_not_resolved", "this is not a host name");
  Name* name = name_of(host);
  if (name == nullptr)
    co_return fail(Code::name_not_resolved, "name_not_resolved", "too many names are being looked up");
  if (!name->open) co_return with_port(*name->outcome, port);
  Waiter here(loop_, deadline);
  name->waiting.push_back(here);
  const bool in_time = co_await here.over;
  if (!in_time) co_return fail(Code::timed_out, "name_timeout", "the name could not be looked up in time");
  co_return with_port(*here.outcome, port);
}

std::optional<Resolver::Known> Resolver::last_known(const std::string& host, uint16_t port) const {
  const auto at = names_.find(host);
  if (at == names_.end() || at->second->good == nullptr) return std::nullopt;
  return Known{*with_port(*at->second->good, port), at->second->good_at};
}

// The name, with its outcome or its look-up under way; null if there are too many.
Resolver::Name* Resolver::name_of(const std::string& host) {
  auto at = names_.find(host);
  if (at == names_.end()) {
    if (names_.size() >= names_max && !make_room()) return nullptr;
    at = names_.emplace(host, std::make_unique<Name>(*this, host)).first;
  }
  Name& name = *at->second;
  const bool kept = name.outcome != nullptr && loop_.now() - name.over_at < kept_for;
  if (!name.open && !kept) start(name);
  return &name;
}

bool Resolver::make_room() {
  std::erase_if(names_, [](const auto& name) { return !name.second->open && !name.second->busy(); });
  return names_.size() < names_max;
}

// Asked for when the turn ends: by then a new config may have said whom.
void Resolver::start(Name& name) {
  name.open = true;
  starting_.push_back(name);
  loop_.before_wait(*this);
}

void Resolver::at_turn_end() {
  if (!starting_.empty() && follow_files()) begin_again();
  while (Name* name = starting_.pop_front()) look(*name);
  while (Name* name = done_.pop_front()) {
    if (name->has_more())
      ask_next(*name);
    else
      finish(*name, name->found());
  }
}

// A channel that has read the files as they are; true if it is a new one. Where resolv.conf cannot be read,
// what it said before holds.
bool Resolver::follow_files() {
  if (channel_ != nullptr && loop_.now() < look_at_files_) return false;
  look_at_files_ = loop_.now() + files_looked_at_every;
  const FileState state = FileState::of(options_.resolv_conf);
  if (channel_ != nullptr && (state == resolv_conf_ || state == FileState{})) return false;
  auto fresh = AresChannel::make(loop_, options_);
  if (fresh == nullptr && channel_ != nullptr) return false;
  resolv_conf_ = state;
  channel_.reset();
  channel_ = std::move(fresh);
  return true;
}

// What a channel that is gone was asked, and has ended without an answer.
void Resolver::begin_again() {
  for (const auto& [host, name] : names_) {
    if (name->open) start(*name);
  }
}

void Resolver::look(Name& name) {
  name.waited = false;
  name.grace.disarm();
  if (channel_ == nullptr)
    return finish(name, fail(Code::name_not_resolved, "name_not_resolved", "the resolver cannot be set up"));
  if (is_local(name.host)) return finish(name, localhost(*channel_));
  if (Result<Addresses> here = channel_->in_hosts_file(name.host); here) return finish(name, std::move(here));
  name.candidates = channel_->candidates(name.host);
  std::ranges::reverse(name.candidates);
  ask_next(name);
}

// Both families at once. One that is still asked for, by a look-up that did not wait for it, is joined if it
// asks for the same; else there was nothing before what it asks for.
void Resolver::ask_next(Name& name) {
  const std::string candidate = std::move(name.candidates.back());
  name.candidates.pop_back();
  std::array<bool, 2> fresh{};
  for (size_t i = 0; i < fresh.size(); ++i) {
    Half& half = name.halves[i];
    fresh[i] = !std::exchange(half.busy, true);
    if (fresh[i]) half.asked = candidate;
    half.wanted = half.asked == candidate;
    half.answer = fail(Code::name_not_resolved, "name_not_resolved", "the name has no address");
  }
  for (size_t i = 0; i < fresh.size(); ++i) {
    if (fresh[i]) channel_->look_up(candidate, i == 0 ? Family::v4 : Family::v6, name.halves[i]);
  }
  look_on(name);
}

void Resolver::Half::answered(Result<Addresses> got) {
  busy = false;
  if (!wanted) return;
  answer = std::move(got);
  resolver->look_on(*name);
}

// Looks whether enough is known: all, or one family's addresses and that the other has had its time. A server
// that never answers for IPv6 is not rare. Goes on when the turn ends.
void Resolver::look_on(Name& name) {
  if (!name.open || name.linked()) return;
  const bool some = std::ranges::any_of(name.halves, &Half::found);
  if (name.running() && !(some && name.waited)) {
    if (some && !name.grace.armed()) name.grace.arm_after(second_family_grace);
    return;
  }
  name.grace.disarm();
  done_.push_back(name);
  loop_.before_wait(*this);
}

void Resolver::finish(Name& name, Result<Addresses> all) {
  name.outcome = std::make_shared<const Result<Addresses>>(std::move(all));
  name.over_at = loop_.now();
  if (*name.outcome) {
    name.good = name.outcome;
    name.good_at = name.over_at;
  }
  name.open = false;
  const Outcome outcome = name.outcome;
  List<Waiter> now;
  while (Waiter* waiter = name.waiting.pop_front()) now.push_back(*waiter);
  while (Waiter* waiter = now.pop_front()) {  // may ask for others, and the name may go for them
    waiter->outcome = outcome;
    waiter->over.notify();
  }
}

}  // namespace sallyport::net
