#include "plugins/respond.h"

#include <string>
#include <utility>
#include <vector>

#include "gateway/core/setup.h"

namespace sallyport {
namespace {

// What to do instead of naming a header that the gateway writes itself; empty: it may be named.
std::string_view instead_of(http::HeaderId id) {
  using enum http::HeaderId;
  if (id == content_type) return "use content_type";
  if (id == x_request_id || http::is_of_one_hop(id)) return "leave it away";
  return {};
}

struct RespondOptions {
  uint32_t status = 0;
  std::string content_type = "text/plain; charset=utf-8";  // of the body, if there is one
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  template <class IO>
  void fields(IO& io) {
    io.required("status", status);
    io.field("content_type", content_type);
    io.field("body", body);
    io.field("headers", headers);
  }
  void check(config::Reader& reader) const {
    if (reader.has("status") && (status < 200 || status > 599))
      reader.error_at("status", "a status is from 200 to 599");
    const bool without_content = status == 204 || status == 304;
    if (without_content && !body.empty()) reader.error_at("body", "204 and 304 have no content");
    if (!http::is_field_value(content_type))
      reader.error_at("content_type", "this has a character that no header may have");
    for (const auto& [name, value] : headers) {
      if (!http::is_token(name) || !http::is_field_value(value)) {
        reader.error_at("headers", "header \"" + name + "\" has a character that no header may have");
      }
      if (const auto remedy = instead_of(http::header_id(name)); !remedy.empty()) {
        reader.error_at("headers", "header \"" + name + "\" is the gateway's own: " + std::string(remedy));
      }
    }
  }
};

class Respond final : public Plugin {
 public:
  explicit Respond(RespondOptions options) : options_(std::move(options)) {}

  Task<> handle(Exchange& x, Next) override {
    x.answer(static_cast<int>(options_.status),
             options_.body.empty() ? Slice{} : Slice(options_.content_type), options_.body);
    for (const auto& [name, value] : options_.headers) x.response.headers.add(name, value);
    return Task<>::ready();
  }

 private:
  RespondOptions options_;
};

std::unique_ptr<Plugin> make(config::Reader& reader, Setup&) {
  RespondOptions options;
  reader.value(options);
  if (!reader.whole()) return nullptr;
  return std::make_unique<Respond>(std::move(options));
}

}  // namespace

const PluginType& respond_plugin() {
  static constexpr PluginType type = {"respond", Band::forward, &make, nullptr, &describe_as<RespondOptions>};
  return type;
}

}  // namespace sallyport
