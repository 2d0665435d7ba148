// The life of a request.
#include "gateway/core/serve.h"

#include <utility>

#include "gateway/core/find_route.h"
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

// What a request takes of memory until its answer is on the way to a client that does not read it.
constexpr size_t likely_bytes = 48 * 1024;

// OPTIONS * asks for the server itself, not for anything that it serves (RFC 9110 section 9.3.7): that it
// answers is all that it tells.
bool asks_the_server(const http::Request& request) noexcept { return request.path == "*"; }

}  // namespace

Task<> serve(Exchange& x) {
  x.route = x.world->none.get();
  FinishGuard done(x);
  if (!x.answered) {  // it could be read
    x.find_client();  // behind the proxies that are trusted
    if (x.loop.blocks().pressure() == Pressure::full) {
      co_await x.fail(memory_full().error());
    } else if (asks_the_server(x.request)) {
      x.answer(204);
    } else if (Result<const Route*> route = find_route(x); !route) {
      co_await x.fail(std::move(route.error()));
    } else {
      x.route = *route;
      const Reservation likely(x.loop.blocks(), likely_bytes);
      co_await x.route->chain.run(x);  // authenticate, authorize, limit, validate, …, forward
    }
  }
  co_await x.send();  // head, then the body, pulled from the upstream as fast as the client takes it
}

}  // namespace sallyport
