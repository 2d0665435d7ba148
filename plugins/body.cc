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

class BodyLimit final : public Policy, public ContentLimiter {
 public:
  BodyLimit(Setup& setup, const BodyOptions& options)
      : Policy(setup, "body", options.mode), max_(options.max.count) {}

  Task<Decision> decide(Exchange& x) override {
    if (x.limit_body(max_, *this)) return Task<Decision>::ready(pass());
    return Task<Decision>::ready(
        refuse(Code::body_too_large, too_large,
               fmt::format("the content is larger than the {} bytes this route takes", max_)));
  }
  bool exceeded(Exchange& x) override { return refuses(x, too_large); }

 private:
  static constexpr std::string_view too_large = "body_too_large";
  uint64_t max_;
};

std::unique_ptr<Plugin> make(config::Reader& reader, Setup& setup) {
  BodyOptions options;
  reader.value(options);
  if (!reader.whole() || options.mode == config::Mode::off) return nullptr;
  return std::make_unique<BodyLimit>(setup, options);
}

}  // namespace

std::optional<Bytes> body_limit(const config::Node& block) {
  BodyOptions options;
  config::Problems untold;  // by the plugin itself
  config::Reader(block, untold, "", "").value(options);
  if (!untold.empty() || options.mode != config::Mode::enforce) return std::nullopt;
  return options.max;
}

const PluginType& body_plugin() {
  static constexpr PluginType type = {.name = "body",
                                      .band = Band::size,
                                      .make = &make,
                                      .describe = &describe_as<BodyOptions>,
                                      .everywhere = true};
  return type;
}

}  // namespace sallyport
