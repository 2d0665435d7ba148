#include "gateway/base/error.h"

namespace sallyport {

Side side_of(Code code) noexcept {
  if (code <= Code::client_gone) return Side::client;
  if (code <= Code::upstream_timeout) return Side::upstream;
  return Side::ourselves;
}

}  // namespace sallyport
