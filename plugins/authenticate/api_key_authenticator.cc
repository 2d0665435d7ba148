// type: api_key: a key in a header of its own, and the file behind it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "gateway/base/file.h"
#include "gateway/base/file_state.h"
#include "gateway/base/text.h"
#include "gateway/observe/log.h"
#include "plugins/authenticate/api_key.h"
#include "plugins/authenticate/authenticator.h"

namespace sallyport {
namespace {

using observe::Level;

// Headers that the protocol, browsers or the gateway itself read, also where a backend would take another
// spelling for them. What an authenticator reads is taken from the request.
bool has_another_meaning(std::string_view header) {
  std::string name = text::to_lower(header);
  std::ranges::replace(name, '_', '-');
  for (const std::string_view family :
       {"content-", "proxy-", "sec-", "if-", "accept", "access-control-", "x-client-", "x-forwarded-"}) {
    if (name.starts_with(family)) return true;
  }
  constexpr std::array names = {
      "host",         "connection", "keep-alive",   "te",        "trailer",        "transfer-encoding",
      "upgrade",      "expect",     "date",         "via",       "origin",         "cookie",
      "set-cookie",   "range",      "user-agent",   "referer",   "forwarded",      "cache-control",
      "traceparent",  "tracestate", "x-request-id", "x-real-ip", "http2-settings", "grpc-timeout",
      "max-forwards", "pragma",     "priority"};
  return std::ranges::find(names, name) != names.end();
}

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
    if (http::is_token(header) && !http::is_plain_name(header)) {
      reader.error_at(
          "header",
          fmt::format("\"{}\" is another name to many backends, which read \"_\" and the like as \"-\": a "
                      "key under that name could not be told from this; write it with letters, digits "
                      "and hyphens",
                      header));
    }
    if (has_another_meaning(header)) {
      reader.error_at("header",
                      fmt::format("\"{}\" has a meaning of its own, and cannot carry a key as well", header));
    }
  }
};

// The table of one key file, for all workers; the main thread reads the file again when it changes.
struct KeyStore {
  Live<ApiKeyTable> table;
  std::unique_ptr<Background::Handle> watch;
};

// The tables that are in use, by file and pepper: a reload whose key files are the same reads none of them.
// Main thread only.
class KeyTables {
 public:
  // The one that is in use, if the file has changed just now: half of what somebody is writing may be as good
  // a file as the whole, and have a revoked key in force. Null: what is read now may be used.
  std::shared_ptr<const ApiKeyTable> while_written(const ApiKeyOptions& options) const {
    const auto at = known_.find(key_of(options));
    const FileState state = FileState::of(options.file.resolved);
    if (at == known_.end() || state == at->second.state || !state.is_fresh()) return nullptr;
    return at->second.table.lock();
  }
  struct Read {
    std::shared_ptr<const ApiKeyTable> table;  // null, with problems, if the file is not good
    FileState state;                           // of before it was read: never too new
  };
  // Errors: of read_file. Whoever puts the table in force keeps it.
  Result<Read> read(const ApiKeyOptions& options, config::Problems& problems) {
    std::erase_if(known_, [](const auto& one) { return one.second.table.expired(); });
    const auto known = known_.find(key_of(options));
    const FileState state = FileState::of(options.file.resolved);
    if (known != known_.end() && state == known->second.state) {
      if (auto table = known->second.table.lock()) return Read{std::move(table), state};
    }
    Result<std::string> text = read_file(options.file.resolved, ApiKeyFile::bytes_max);
    if (!text) {
      text.error().detail.insert(0, "cannot read it: ");
      return std::unexpected(std::move(text.error()));
    }
    return Read{
        ApiKeyTable::parse(*text, options.file.resolved, options.file.shown, options.pepper.value, problems),
        state};
  }
  void keep(const ApiKeyOptions& options, const Read& in_force) {
    known_[key_of(options)] = {in_force.state, in_force.table};
  }

 private:
  using Key = std::pair<std::string, std::string>;
  static Key key_of(const ApiKeyOptions& options) {
    return {options.file.resolved, hash_secret("", options.pepper.value.get())};
  }
  struct Known {
    FileState state;
    std::weak_ptr<const ApiKeyTable> table;
  };
  std::map<Key, Known> known_;
};

std::shared_ptr<KeyStore> key_store(const ApiKeyOptions& options, config::Reader& reader, Setup& setup) {
  const std::string key =
      fmt::format("authenticate.keys {} {}", options.file.resolved, options.pepper.reference);
  return setup.generation.get<KeyStore>(key, [&]() -> std::shared_ptr<KeyStore> {
    auto tables =
        setup.process.get<KeyTables>("authenticate.key_tables", [] { return std::make_shared<KeyTables>(); });
    auto store = std::make_shared<KeyStore>();
    auto again = [options, tables, live = &store->table,
                  background = setup.background](Background::Unread& unread) {
      config::Problems problems;
      auto fresh = tables->read(options, problems);
      if (!fresh && is_unread(fresh.error()) && !unread.is_news(fresh.error().detail)) return;
      const FileState now = FileState::of(options.file.resolved);
      if (fresh && now != fresh->state && now.is_file_of(fresh->state))
        return;  // half of two states: told of once it rests
      const bool good = fresh && fresh->table != nullptr;
      background->count_reload("api_keys", good);
      if (good) {
        observe::log(Level::info, "keys_reloaded",
                     {{"file", options.file.shown}, {"keys", std::to_string(fresh->table->size())}});
        tables->keep(options, *fresh);
        live->publish(std::move(fresh->table));
      } else {  // what was read before stays in force
        observe::log(Level::error, "keys_reload_failed",
                     {{"file", options.file.shown},
                      {"detail", fresh ? problems.in_one_line() : fresh.error().detail}});
      }
    };
    const auto in_use = setup.background != nullptr ? tables->while_written(options) : nullptr;
    // Watched before it is read: a change while it is read is not missed.
    if (setup.background != nullptr)
      store->watch = setup.background->watch(options.file.resolved, std::move(again), in_use != nullptr);
    config::Problems found;
    Result<KeyTables::Read> read = tables->read(options, found);
    if (!read) found.add({}, std::move(read.error().detail));
    std::shared_ptr<const ApiKeyTable> table = read ? read->table : nullptr;
    if (table != nullptr && in_use == nullptr) tables->keep(options, *read);
    if (table != nullptr && in_use != nullptr) table = in_use;
    if (table == nullptr) {
      for (const config::Problem& p : found.all()) {
        if (p.mark.line > 0)
          setup.problems.add(p.mark, p.message);
        else
          reader.error_at("file", fmt::format("{}: {}", options.file.shown, p.message));
      }
      return nullptr;
    }
    if (const size_t plain = table->without_pepper(); options.pepper.present() && plain > 0)
      setup.problems.warn(
          reader.node().find("file")->mark,
          fmt::format("{} of {} keys in {} were made without --pepper: they are good, but the "
                      "pepper does not protect their hashes; make them anew with --pepper {}",
                      plain, table->size(), text::printable(options.file.shown),
                      text::printable(options.pepper.reference)));
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

  Verdict verify(Exchange& x, Exchange::Proof& proof) override {
    Slice key;
    size_t found = 0;
    for (const http::Header& h : x.request.headers) {
      if (id_ != http::HeaderId::other ? h.id != id_ : !text::iequals(h.name, header_)) continue;
      key = h.value;
      ++found;
    }
    if (found != 1)
      return fail(Code::bad_credentials, "several_keys", "there must be one API key, not several");
    proof.shown = key;
    return keys_.find(key, x.loop.wall());
  }
  std::string_view ended(Exchange::Proof& proof, Wall now) override {
    const Verdict verdict = keys_.find(proof.shown, now);
    return verdict.good ? std::string_view{} : verdict.good.error().reason;
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
  if (!reader.whole()) return nullptr;
  std::shared_ptr<KeyStore> store = key_store(options, reader, setup);
  return store == nullptr ? nullptr
                          : std::make_shared<ApiKeyAuthenticator>(std::move(options), std::move(store));
}

}  // namespace

const AuthenticatorKind& api_key_kind() {
  static constexpr AuthenticatorKind kind = {"api_key", &make_api_key, &describe_as<ApiKeyOptions>};
  return kind;
}

}  // namespace sallyport
