// The kinds of authenticators there are, and the files and key sets behind them.
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <map>
#include <utility>

#include "gateway/base/file_state.h"
#include "gateway/base/text.h"
#include "gateway/config/yaml.h"
#include "gateway/observe/log.h"
#include "plugins/authenticate/api_key.h"
#include "plugins/authenticate/authenticator.h"
#include "plugins/authenticate/jwt.h"

namespace sallyport {
namespace {

using observe::Level;
using Handles = std::vector<std::unique_ptr<Background::Handle>>;

// --- API keys
// -----------------------------------------------------------------------------------------------

struct ApiKeyOptions {
  std::string type;
  std::string header = "X-API-Key";  // where clients put it
  config::FilePath file;             // made by `sallyport keys`; watched
  config::Secret pepper;             // mixed into the hashes, so that the file alone is of no use

  template <class IO>
  void fields(IO& io) {
    io.required("type", type);
    io.field("header", header);
    io.required("file", file);
    if constexpr (std::is_same_v<IO, config::Writer>) {
      if (!pepper.present()) return;
    }
    io.field("pepper", pepper);
  }
  void check(config::Reader& reader) const {
    if (!http::is_token(header)) reader.error_at("header", "this is not the name of a header");
  }
};

// The table of one key file, for all workers; the main thread reads the file again when it changes.
struct KeyStore {
  Live<ApiKeyTable> table;
  Handles handles;
};

// The tables that are in use, by file and pepper: a reload whose key files are the same reads none of them.
// Main thread only.
class KeyTables {
 public:
  // Null, with problems, if the file is not good.
  std::shared_ptr<const ApiKeyTable> read(const ApiKeyOptions& options, config::Problems& problems) {
    std::erase_if(known_, [](const auto& one) { return one.second.table.expired(); });
    const std::string* pepper = options.pepper.value.get();
    Known& known = known_[{options.file.resolved, hash_secret("", pepper)}];
    const FileState state = FileState::of(options.file.resolved);  // before it is read: never too new
    auto table = known.table.lock();
    if (table != nullptr && state == known.state) return table;
    table = ApiKeyTable::read(options.file.resolved, options.file.shown, options.pepper.value, problems);
    if (table != nullptr) known = {state, table};
    return table;
  }

 private:
  struct Known {
    FileState state;
    std::weak_ptr<const ApiKeyTable> table;
  };
  std::map<std::pair<std::string, std::string>, Known> known_;
};

std::shared_ptr<KeyStore> key_store(const ApiKeyOptions& options, config::Reader& reader, Setup& setup) {
  const std::string key =
      fmt::format("authenticate.keys {} {}", options.file.resolved, options.pepper.reference);
  return setup.generation.get<KeyStore>(key, [&]() -> std::shared_ptr<KeyStore> {
    auto tables =
        setup.process.get<KeyTables>("authenticate.key_tables", [] { return std::make_shared<KeyTables>(); });
    auto store = std::make_shared<KeyStore>();
    auto again = [options, tables, live = &store->table] {
      config::Problems problems;
      if (auto fresh = tables->read(options, problems)) {
        observe::log(Level::info, "keys_reloaded",
                     {{"file", options.file.shown}, {"keys", std::to_string(fresh->size())}});
        live->publish(std::move(fresh));
      } else {  // what was read before stays in force
        observe::log(Level::error, "keys_reload_failed",
                     {{"file", options.file.shown}, {"detail", problems.text()}});
      }
    };
    // Watched before it is read: a change while it is read is not missed.
    if (setup.background != nullptr)
      store->handles.push_back(setup.background->watch(options.file.resolved, std::move(again)));
    config::Problems found;
    auto table = tables->read(options, found);
    if (table == nullptr) {
      for (const config::Problem& p : found.all()) {
        if (p.mark.line > 0)
          setup.problems.add(p.mark, p.message);
        else
          reader.error_at("file", fmt::format("{}: {}", options.file.shown, p.message));
      }
      return nullptr;
    }
    store->table.publish(std::move(table));
    return store;
  });
}

class ApiKeyAuthenticator final : public Authenticator {
 public:
  ApiKeyAuthenticator(ApiKeyOptions options, std::shared_ptr<KeyStore> store)
      : header_(std::move(options.header)),
        id_(http::header_id(header_)),
        keys_(std::shared_ptr<const Live<ApiKeyTable>>(store, &store->table)) {}

  const std::string& header() const noexcept override { return header_; }
  bool carries(const Exchange& x) const noexcept override {
    return x.request.headers.find(header_) != nullptr;
  }

  Result<std::shared_ptr<const Principal>> verify(Exchange& x, Slice& shown) override {
    Slice key;
    size_t found = 0;
    for (const http::Header& h : x.request.headers) {
      if (id_ != http::HeaderId::other ? h.id != id_ : !text::iequals(h.name, header_)) continue;
      key = h.value;
      ++found;
    }
    if (found != 1)
      return fail(Code::bad_credentials, "several_keys", "there must be one API key, not several");
    shown = key;
    return keys_.find(key, x.loop.wall());
  }
  std::string_view ended(Slice shown, Wall now) override {
    const auto caller = keys_.find(shown, now);
    return caller ? std::string_view{} : caller.error().reason;
  }
  std::string challenge(const Error*) const override { return fmt::format("ApiKey header=\"{}\"", header_); }

 private:
  std::string header_;
  http::HeaderId id_;
  ApiKeyLookup keys_;
};

std::shared_ptr<Authenticator> make_api_key(config::Reader& reader, Setup& setup) {
  ApiKeyOptions options;
  reader.value(options);
  if (options.file.empty()) return nullptr;
  std::shared_ptr<KeyStore> store = key_store(options, reader, setup);
  return store == nullptr ? nullptr
                          : std::make_shared<ApiKeyAuthenticator>(std::move(options), std::move(store));
}

// --- JSON Web Tokens
// ----------------------------------------------------------------------------------------

struct JwksOptions {
  config::FilePath file;  // watched
  std::string url;        // or fetched, before the gateway is ready and then every `refresh`
  Duration refresh = std::chrono::minutes(15);
  config::FilePath ca;  // for an https URL; absent: the system's bundle

  template <class IO>
  void fields(IO& io) {
    config::field_unless_empty(io, "file", file);
    config::field_unless_empty(io, "url", url);
    io.field("refresh", refresh);
    config::field_unless_empty(io, "ca", ca);
  }
  void check(config::Reader& reader) const {
    if (file.empty() == url.empty()) reader.error("jwks: name one of file and url");
    if (!url.empty() && !url.starts_with("https://") && !url.starts_with("http://")) {
      reader.error_at("url",
                      "expected a URL that begins with https:// (or http:// on a network that is trusted)");
    }
    if (refresh < seconds(1)) reader.error_at("refresh", "refresh must be 1s at least");
  }
};

struct JwtOptions {
  std::string type;
  std::string issuer;                   // the claim iss, exactly
  std::vector<std::string> audiences;   // one of these must be in aud
  std::vector<std::string> algorithms;  // of ES256, RS256, PS256, EdDSA; none is implied
  JwksOptions jwks;                     // where the issuer's keys are
  std::string roles_claim = "roles";    // "realm_access.roles" goes into objects
  std::string client_claim = "sub";
  Duration leeway = seconds(30);  // between the issuer's clock and ours
  uint32_t cache = 4096;          // verified tokens remembered, per worker

  template <class IO>
  void fields(IO& io) {
    io.required("type", type);
    io.required("issuer", issuer);
    io.required("audiences", audiences);
    io.required("algorithms", algorithms);
    io.required("jwks", jwks);
    io.field("roles_claim", roles_claim);
    io.field("client_claim", client_claim);
    io.field("leeway", leeway);
    io.field("cache", cache);
  }
  void check(config::Reader& reader) const {
    if (reader.has("audiences") && audiences.empty())
      reader.error_at("audiences", "audiences: at least one is needed");
    if (reader.has("algorithms") && algorithms.empty())
      reader.error_at("algorithms", "algorithms: at least one is needed");
    for (const std::string& name : algorithms) {
      if (!crypto::algorithm_from(name)) {
        reader.error_at("algorithms", fmt::format("\"{}\" is not accepted: use ES256, RS256, PS256 or EdDSA",
                                                  text::printable(name)));
      }
    }
    if (leeway > std::chrono::minutes(10)) reader.error_at("leeway", "leeway can be 10m at most");
    if (cache < 1 || cache > 1'000'000) reader.error_at("cache", "cache must be from 1 to 1000000");
  }
};

struct KeySetStore {
  std::shared_ptr<Live<KeySet>> live = std::make_shared<Live<KeySet>>();
  std::unique_ptr<Background::Handle> not_ready;
  std::shared_ptr<std::atomic<bool>> wanted = std::make_shared<std::atomic<bool>>(false);
  Handles handles;

  void take(Result<std::string> document, const std::string& from) {
    if (!document) return;  // the fetch has been logged; what was there stays
    auto set = KeySet::parse(*document);
    if (!set) {
      observe::log(Level::error, "key_set_refused", {{"from", from}, {"detail", set.error().detail}});
      return;
    }
    live->publish(std::move(*set));
    not_ready.reset();
  }
};

void keys_from_file(KeySetStore& store, const JwksOptions& jwks, config::Reader& reader, Setup& setup) {
  constexpr size_t bytes_max = 1 << 20;
  if (setup.background != nullptr) {  // before it is read: a change meanwhile is not missed
    store.handles.push_back(setup.background->watch(jwks.file.resolved, [&store, jwks] {
      store.take(config::read_file(jwks.file.resolved, bytes_max), jwks.file.shown);
    }));
  }
  Result<std::string> document = config::read_file(jwks.file.resolved, bytes_max);
  auto set = document ? KeySet::parse(*document)
                      : Result<std::shared_ptr<const KeySet>>(std::unexpected(document.error()));
  if (!set) {
    reader.at("jwks").error_at("file", fmt::format("{}: {}", jwks.file.shown, set.error().detail));
    return;
  }
  store.live->publish(std::move(*set));
}

void keys_from_url(KeySetStore& store, const JwksOptions& jwks, Setup& setup) {
  if (setup.background == nullptr) return;  // only checked: no network
  store.not_ready = setup.background->not_ready("the key set at " + jwks.url + " has not been fetched yet");
  Background::Fetch fetch;
  fetch.url = jwks.url;
  fetch.ca_file = jwks.ca.resolved;
  fetch.every = jwks.refresh;
  fetch.wanted = store.wanted;
  store.handles.push_back(setup.background->fetch(
      std::move(fetch),
      [&store, url = jwks.url](Result<std::string> document) { store.take(std::move(document), url); }));
}

class JwtAuthenticator final : public Authenticator {
 public:
  JwtAuthenticator(TokenRules rules, std::shared_ptr<KeySetStore> store, size_t cache,
                   observe::Counter& checks)
      : store_(std::move(store)), verifier_(std::move(rules), store_->live, cache), checks_(checks) {}

  const std::string& header() const noexcept override { return header_; }
  bool carries(const Exchange& x) const noexcept override {
    const http::Header* h = x.request.headers.find(http::HeaderId::authorization);
    return h != nullptr && is_bearer(h->value);
  }
  Result<std::shared_ptr<const Principal>> verify(Exchange& x, Slice&) override {
    x.bearer = true;
    if (x.request.headers.count(http::HeaderId::authorization) != 1) {
      return fail(Code::bad_credentials, "several_tokens",
                  "there must be one Authorization header, not several");
    }
    const Slice token =
        text::trim(x.request.headers.get(http::HeaderId::authorization).substr(scheme.size()));
    const uint64_t before = verifier_.signature_checks();
    auto principal = verifier_.verify(token, x.loop.wall());
    checks_.add(verifier_.signature_checks() - before);
    // Perhaps the issuer signs with a new one.
    if (!principal && principal.error().reason == "unknown_key")
      store_->wanted->store(true, std::memory_order_relaxed);
    return principal;
  }
  std::string_view ended(Slice, Wall) override { return {}; }
  std::string challenge(const Error* error) const override {
    if (error == nullptr) return "Bearer";
    return fmt::format("Bearer error=\"invalid_token\", error_description=\"{}\"", error->detail);
  }

 private:
  static constexpr Slice scheme = "Bearer ";
  static bool is_bearer(Slice value) noexcept {
    return text::iequals(value.substr(0, scheme.size()), scheme);
  }

  std::string header_ = "Authorization";
  std::shared_ptr<KeySetStore> store_;
  TokenVerifier verifier_;
  observe::Counter& checks_;
};

std::shared_ptr<Authenticator> make_jwt(config::Reader& reader, Setup& setup) {
  JwtOptions options;
  reader.value(options);
  if (options.jwks.file.empty() && options.jwks.url.empty()) return nullptr;
  auto store = setup.generation.get<KeySetStore>(
      "authenticate.jwks " + options.jwks.file.resolved + options.jwks.url, [&] {
        auto made = std::make_shared<KeySetStore>();
        if (!options.jwks.file.empty())
          keys_from_file(*made, options.jwks, reader, setup);
        else
          keys_from_url(*made, options.jwks, setup);
        return made;
      });
  TokenRules rules;
  rules.issuer = options.issuer;
  rules.audiences = options.audiences;
  for (const std::string& name : options.algorithms) {
    if (const auto algorithm = crypto::algorithm_from(name)) rules.algorithms.push_back(*algorithm);
  }
  rules.roles_claim = options.roles_claim;
  rules.client_claim = options.client_claim;
  rules.leeway = options.leeway;
  observe::Counter& checks = setup.metrics.counter("sallyport_token_signature_checks_total", {});
  return std::make_shared<JwtAuthenticator>(std::move(rules), std::move(store), options.cache, checks);
}

// --- all of them
// --------------------------------------------------------------------------------------------

struct Kind {
  std::string_view type;
  std::shared_ptr<Authenticator> (*make)(config::Reader&, Setup&);
  config::Node (*describe)(config::Reader&);
};
constexpr std::array<Kind, 2> kinds = {
    {{"api_key", &make_api_key, &describe_as<ApiKeyOptions>}, {"jwt", &make_jwt, &describe_as<JwtOptions>}}};

const Kind* kind_called(std::string_view type) {
  for (const Kind& kind : kinds) {
    if (kind.type == type) return &kind;
  }
  return nullptr;
}

}  // namespace

std::shared_ptr<Authenticator> find_authenticator(const std::string& name, Setup& setup) {
  const config::AuthenticatorBlock& block = *setup.model.authenticator(name);
  return setup.snapshot.get<Authenticator>("authenticator." + name, [&]() -> std::shared_ptr<Authenticator> {
    config::Reader reader(*block.block, setup.problems, block.path, setup.directory);
    if (const Kind* kind = kind_called(block.type)) return kind->make(reader, setup);
    const auto near = text::nearest(block.type, {"api_key", "jwt"});
    reader.error_at("type", fmt::format("there is no type \"{}\"; there are api_key and jwt{}",
                                        text::printable(block.type),
                                        near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
    return nullptr;
  });
}

void prepare_authenticators(Setup& setup) {
  for (const auto& [name, block] : setup.model.authenticators) {
    if (block.block != nullptr) find_authenticator(name, setup);
  }
}

config::Node describe_authenticator(config::Reader& reader) {
  const config::Node* type = reader.node().find("type");
  const Kind* kind = type == nullptr ? nullptr : kind_called(type->text);
  return kind == nullptr ? reader.node() : kind->describe(reader);
}

}  // namespace sallyport
