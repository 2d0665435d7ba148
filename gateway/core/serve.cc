// The life of a request.
#include "gateway/core/serve.h"

#include "gateway/core/record.h"
#include "gateway/core/world.h"

namespace sallyport {
namespace {

// Whatever happens to the request, also if the client leaves and the task is destroyed: every plugin hears of
// its end, it is counted, and one line of the access log tells of it.
class FinishGuard {
 public:
  explicit FinishGuard(Exchange& x) noexcept : x_(x) {}
  FinishGuard(const FinishGuard&) = delete;
  ~FinishGuard() {
    x_.route->chain.finished(x_);
    x_.release_held();
    record(x_);
  }

 private:
  Exchange& x_;
};

Task<> not_found(Exchange& x, const Router::Match& match) {
  if (match.allow.empty())
    return x.fail(Error{Code::no_route, "no_route", "no route matches this host and path"});
  x.add_answer_header("Allow", match.allow);
  return x.fail(
      Error{Code::method_not_allowed, "method_not_allowed", "the path exists, but not with this method"});
}

}  // namespace

Task<> serve(Exchange& x) {
  x.route = x.world->none.get();
  FinishGuard done(x);
  if (!x.answered) {  // it could be read
    x.find_client();  // behind the proxies that are trusted
    const http::Request& r = x.request;
    const Router::Match match = x.world->routes.find(r.host, r.path, r.method, r.method_text, x.params);
    if (match.route == nullptr) {
      co_await not_found(x, match);
    } else {
      x.route = match.route;
      co_await x.route->chain.run(x);  // authenticate, authorize, limit, validate, …, forward
    }
  }
  co_await x.send();  // head, then the body, pulled from the upstream as fast as the client takes it
}

}  // namespace sallyport
