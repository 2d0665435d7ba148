#include "plugins/authorize.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "gateway/base/text.h"
#include "gateway/core/setup.h"

namespace sallyport {
namespace {

struct AuthorizeOptions {
  config::Mode mode = config::Mode::enforce;
  std::vector<std::string> roles;   // one of them is enough; empty: no role is asked for
  std::vector<std::string> scopes;  // every one is needed
  std::vector<std::string> acr;     // one of these must be the token's acr: how strong the login was
  std::optional<Duration> max_age;  // since the login, by the token's auth_time

  template <class IO>
  void fields(IO& io) {
    io.field("mode", mode);
    io.field("roles", roles);
    io.field("scopes", scopes);
    config::field_unless_empty(io, "acr", acr);
    io.field("max_age", max_age);
  }
  void check(config::Reader& reader) const {
    if (roles.empty() && scopes.empty() && acr.empty() && !max_age)
      reader.error("authorize: name roles, scopes, acr or max_age; without them it says nothing");
    if (std::ranges::find(roles, "") != roles.end())
      reader.error_at("roles", "authorize.roles: a role without a name is none: name it, or leave it out");
    check_words(reader, "scopes", scopes);
    check_words(reader, "acr", acr);
    if (max_age && *max_age < seconds(1)) reader.error_at("max_age", "max_age must be 1s at least");
  }

 private:
  // They go into a header (RFC 6749 section 3.3).
  static void check_words(config::Reader& reader, std::string_view key,
                          const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      const bool good = !word.empty() && std::ranges::all_of(word, [](char c) {
        return c > 0x20 && c < 0x7f && c != '"' && c != '\\';
      });
      if (!good)
        reader.error_at(
            key, fmt::format("{}: \"{}\" has a character that none may have", key, text::printable(word)));
    }
  }
};

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

// The whole second of a NumericDate, which may have a fraction (RFC 7519 section 2); nothing if it is none.
std::optional<int64_t> date_of(const std::string* text) {
  if (text == nullptr) return std::nullopt;
  double date = 0;
  const char* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, date);
  if (read.ec != std::errc() || read.ptr != end || !(date >= 0 && date < 1e12)) return std::nullopt;
  return static_cast<int64_t>(date);
}

class Authorize final : public Policy {
 public:
  Authorize(Setup& setup, AuthorizeOptions options)
      : Policy(setup, "authorize", options.mode),
        options_(std::move(options)),
        scope_challenge_(
            fmt::format("Bearer error=\"insufficient_scope\", scope=\"{}\"", joined(options_.scopes))),
        login_challenge_(challenge_for(options_)) {
    if (!options_.acr.empty()) setup.claim_names()->add("acr");
    if (options_.max_age) setup.claim_names()->add("auth_time");
  }

  Task<Decision> decide(Exchange& x) override { return Task<Decision>::ready(look(x)); }

 private:
  Decision look(const Exchange& x) const {
    const Principal* who = x.principal.get();
    if (who == nullptr) return refuse(Code::forbidden, "not_authenticated", "nobody is known to call");
    const auto has_role = [&](const std::string& role) { return who->has_role(role); };
    if (!options_.roles.empty() && std::ranges::none_of(options_.roles, has_role))
      return refuse(Code::forbidden, "role_missing", "the caller has none of the roles that may do this");
    const auto has_scope = [&](const std::string& scope) { return who->has_scope(scope); };
    if (!std::ranges::all_of(options_.scopes, has_scope)) {
      Decision refusal = refuse(x.bearer ? Code::insufficient_scope : Code::forbidden, "scope_missing",
                                "the caller lacks a scope that this asks for");
      if (x.bearer)
        refusal->headers.emplace_back("WWW-Authenticate", scope_challenge_);  // RFC 6750 section 3.1
      return refusal;
    }
    return look_at_login(*who, unix_seconds(x.loop.wall()));
  }

  // RFC 9470 section 3: the client is told which login would do.
  Decision look_at_login(const Principal& who, int64_t now_s) const {
    const auto stronger = [&](std::string_view reason, std::string detail) {
      Decision refusal = refuse(Code::stronger_login_needed, reason, std::move(detail));
      refusal->headers.emplace_back("WWW-Authenticate", login_challenge_);
      return refusal;
    };
    if (!options_.acr.empty()) {
      const std::string* acr = who.claim("acr");
      if (acr == nullptr || std::ranges::find(options_.acr, *acr) == options_.acr.end())
        return stronger("login_too_weak", "this asks for a stronger login; WWW-Authenticate says which");
    }
    if (options_.max_age) {
      const auto when = date_of(who.claim("auth_time"));
      const auto most = std::chrono::floor<seconds>(*options_.max_age).count();
      if (!when || now_s - *when > most)
        return stronger("login_too_old",
                        "this asks for a more recent login; WWW-Authenticate says how recent");
      if (*when > now_s + who.leeway_s)
        return stronger("login_in_future", "the token tells of a login that is still to come");
    }
    return pass();
  }

  static std::string challenge_for(const AuthorizeOptions& options) {
    std::string out = "Bearer error=\"insufficient_user_authentication\"";
    if (!options.acr.empty()) out += fmt::format(", acr_values=\"{}\"", joined(options.acr));
    if (options.max_age)
      out += fmt::format(", max_age=\"{}\"", std::chrono::floor<seconds>(*options.max_age).count());
    return out;
  }

  AuthorizeOptions options_;
  std::string scope_challenge_;
  std::string login_challenge_;
};

std::unique_ptr<Plugin> make(config::Reader& reader, Setup& setup) {
  AuthorizeOptions options;
  reader.value(options);
  if (!reader.whole() || options.mode == config::Mode::off) return nullptr;
  return std::make_unique<Authorize>(setup, std::move(options));
}

}  // namespace

const PluginType& authorize_plugin() {
  static constexpr PluginType type = {"authorize", Band::authorize, &make, nullptr,
                                      &describe_as<AuthorizeOptions>};
  return type;
}

}  // namespace sallyport
