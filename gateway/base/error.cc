#include "gateway/base/error.h"

namespace sallyport {

Side side_of(Code code) noexcept {
  if (code <= Code::client_gone) return Side::client;
  if (code <= Code::upstream_timeout) return Side::upstream;
  return Side::ourselves;
}

bool may_retry(Code code) noexcept {
  switch (code) {
    case Code::over_limit:
    case Code::upstream_unreachable:
    case Code::upstream_timeout:
    case Code::dependency_down:
    case Code::overloaded:
    case Code::end_of_stream:
    case Code::connection_reset:
    case Code::connection_refused:
    case Code::timed_out:
    case Code::name_not_resolved:
      return true;
    default:
      return false;
  }
}

}  // namespace sallyport
