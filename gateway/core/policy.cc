#include <utility>

#include "gateway/core/plugin.h"
#include "gateway/core/setup.h"

namespace sallyport {
namespace {

// Not the policy's judgement: the request itself broke off while it was read, and nothing is left to let
// pass.
bool request_is_lost(Code code) noexcept {
  return code == Code::client_gone || code == Code::request_timeout || code == Code::malformed_request;
}

}  // namespace

Policy::Policy(Setup& setup, std::string_view name, config::Mode mode)
    : name_(name),
      mode_(mode),
      refusals_(setup.metrics, "sallyport_refusals_total",
                {{"route", std::string(setup.route)},
                 {"policy", std::string(name)},
                 {"mode", std::string(config::enum_names(mode)[static_cast<size_t>(mode)])}},
                "reason") {}

Policy::~Policy() = default;

Task<> Policy::handle(Exchange& x, Next next) {
  if (mode_ == config::Mode::off) return next(x);
  Task<Decision> pending = decide(x);
  if (!pending.done()) return wait(x, next, std::move(pending));
  Decision decision = pending.take();
  if (decision == nullptr) return passed(x, next);
  return act(x, next, std::move(decision));
}

Task<> Policy::wait(Exchange& x, Next next, Task<Decision> pending) {
  Decision decision = co_await pending;
  if (decision == nullptr) {
    co_await passed(x, next);
  } else {
    co_await act(x, next, std::move(decision));
  }
}

Task<> Policy::act(Exchange& x, Next next, Decision decision) {
  const Error& error = decision->error;
  if (x.content_cut_off()) return x.refuse(*decision);  // whoever bounds the content has told of it
  if (request_is_lost(error.code)) {
    refusals_.add(error.reason);
    x.notes.refused_by = name_;
  } else if (!refuses(x, error.reason)) {
    return passed(x, next);
  }
  return x.refuse(*decision);
}

bool Policy::refuses(Exchange& x, std::string_view reason) {
  refusals_.add(reason);
  if (mode_ == config::Mode::shadow) {
    const Slice before = x.notes.would_refuse;
    x.notes.would_refuse = x.arena.concat({before, before.empty() ? "" : ",", name_, ":", reason});
    return false;
  }
  x.notes.refused_by = name_;
  x.notes.reason = reason;
  return true;
}

}  // namespace sallyport
