// Router: from host, path and method to a route. Immutable after building; one a snapshot.
//
// The most specific path wins, of those that the request's host may ask for: a literal segment before {name},
// {name} before {rest...}. Of one path a named host comes before *.suffix, and that before none; for methods
// that it does not take, the next. The cost does not depend on the number of paths; of hosts that share one
// path it is the logarithm.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/base/bytes.h"
#include "gateway/http/message.h"

namespace sallyport {

namespace config {
struct PathPattern;
}
struct Route;

// The values that the {names} of the route's own path took: slices of the request's canonical path, still
// percent-encoded.
struct PathParams {
  static constexpr size_t max = 16;
  struct Param {
    Slice name;
    Slice value;
  };
  std::array<Param, max> items;
  size_t size = 0;
  // Of the segment of that name; nothing if the route has none. Empty: a {rest...} that is nothing.
  std::optional<Slice> value(Slice name) const noexcept;
  const Param* begin() const noexcept { return items.data(); }
  const Param* end() const noexcept { return items.data() + size; }
};

class Router {
 public:
  struct Entry {
    std::string host;  // lower case; "" for any; "*.example.com" for all below it
    const config::PathPattern* path;
    std::vector<std::string> methods;  // empty: all
    const Route* route;
  };
  struct Match {
    const Route* route = nullptr;  // null: nothing fits
    std::string allow;  // if the path exists, but not with this method: the methods that do ("GET, POST")
  };

  Router();
  explicit Router(const std::vector<Entry>& entries);
  Router(Router&&) noexcept;
  Router& operator=(Router&&) noexcept;
  ~Router();

  // host without port, lower case; path canonical (http/uri.h). Fills params of the route that matched.
  Match find(Slice host, Slice path, http::Method method, Slice method_text, PathParams& params) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport
