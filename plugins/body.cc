#include "plugins/body.h"

#include <fmt/format.h>

#include <utility>

#include "gateway/core/setup.h"

namespace sallyport {
namespace {

struct BodyOptions {
  config::Mode mode = config::Mode::enforce;
  Bytes max{1 << 20};  // 413 above it

  template <class IO>
  void fields(IO& io) {
    io.field("mode", mode);
    io.field("max", max);
  }
};

class BodyLimit final : public Policy {
 public:
  BodyLimit(Setup& setup, const BodyOptions& options)
      : Policy(setup, "body", options.mode),
        max_(options.max.count),
        shadow_(options.mode == config::Mode::shadow) {}

  Task<Decision> decide(Exchange& x) override {
    const bool known = x.request.length.kind == http::BodyLength::Kind::counted;
    if (shadow_ && !known) return Task<Decision>::ready(pass());  // in shadow nothing may be cut off
    if (shadow_ ? x.request.length.bytes <= max_ : x.limit_body(max_).has_value()) {
      return Task<Decision>::ready(pass());
    }
    return Task<Decision>::ready(
        refuse(Code::body_too_large, "body_too_large",
               fmt::format("the content is larger than the {} bytes this route takes", max_)));
  }

 private:
  uint64_t max_;
  bool shadow_;
};

std::unique_ptr<Plugin> make(config::Reader& reader, Setup& setup) {
  BodyOptions options;
  reader.value(options);
  if (!reader.whole() || options.mode == config::Mode::off) return nullptr;
  return std::make_unique<BodyLimit>(setup, options);
}

}  // namespace

const PluginType& body_plugin() {
  static constexpr PluginType type = {"body", Band::size, &make, nullptr, &describe_as<BodyOptions>};
  return type;
}

}  // namespace sallyport
