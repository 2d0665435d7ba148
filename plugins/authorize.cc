#include "plugins/authorize.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gateway/core/setup.h"

namespace sallyport {
namespace {

struct AuthorizeOptions {
  config::Mode mode = config::Mode::enforce;
  std::vector<std::string> roles;   // one of them is enough; empty: no role is asked for
  std::vector<std::string> scopes;  // every one is needed

  template <class IO>
  void fields(IO& io) {
    io.field("mode", mode);
    io.field("roles", roles);
    io.field("scopes", scopes);
  }
  void check(config::Reader& reader) const {
    if (roles.empty() && scopes.empty())
      reader.error("authorize: name roles, scopes or both; without them it says nothing");
  }
};

class Authorize final : public Policy {
 public:
  Authorize(Setup& setup, AuthorizeOptions options)
      : Policy(setup, "authorize", options.mode),
        roles_(std::move(options.roles)),
        scopes_(std::move(options.scopes)) {
    for (const std::string& scope : scopes_) scopes_text_ += (scopes_text_.empty() ? "" : " ") + scope;
  }

  Task<Decision> decide(Exchange& x) override { return Task<Decision>::ready(look(x)); }

 private:
  Decision look(const Exchange& x) const {
    const Principal* who = x.principal.get();
    if (who == nullptr) return refuse(Code::forbidden, "not_authenticated", "nobody is known to call");
    if (!roles_.empty() &&
        std::ranges::none_of(roles_, [&](const std::string& role) { return who->has_role(role); })) {
      return refuse(Code::forbidden, "role_missing", "the caller has none of the roles that may do this");
    }
    if (std::ranges::all_of(scopes_, [&](const std::string& scope) { return who->has_scope(scope); }))
      return pass();
    Decision refusal = refuse(x.bearer ? Code::insufficient_scope : Code::forbidden, "scope_missing",
                              "the caller lacks a scope that this asks for");
    if (x.bearer) {  // RFC 6750 section 3.1
      refusal->headers.emplace_back(
          "WWW-Authenticate", fmt::format("Bearer error=\"insufficient_scope\", scope=\"{}\"", scopes_text_));
    }
    return refusal;
  }

  std::vector<std::string> roles_;
  std::vector<std::string> scopes_;
  std::string scopes_text_;
};

std::unique_ptr<Plugin> make(config::Reader& reader, Setup& setup) {
  AuthorizeOptions options;
  reader.value(options);
  if (options.mode == config::Mode::off) return nullptr;
  return std::make_unique<Authorize>(setup, std::move(options));
}

}  // namespace

const PluginType& authorize_plugin() {
  static constexpr PluginType type = {"authorize", Band::authorize, &make, nullptr,
                                      &describe_as<AuthorizeOptions>};
  return type;
}

}  // namespace sallyport
