#include "gateway/http/message.h"

#include <algorithm>
#include <span>

namespace sallyport::http {

Method method_from(std::string_view name) noexcept {
  const auto known = std::span(method_names).first(static_cast<size_t>(Method::other));
  const auto found = std::ranges::find(known, name);
  return static_cast<Method>(found - known.begin());
}

}  // namespace sallyport::http
