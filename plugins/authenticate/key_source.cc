#include "plugins/authenticate/key_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "gateway/base/arena.h"
#include "gateway/base/cidr.h"
#include "gateway/base/file.h"
#include "gateway/base/file_state.h"
#include "gateway/base/host_name.h"
#include "gateway/base/text.h"
#include "gateway/config/ranges.h"
#include "gateway/crypto/certificate.h"
#include "gateway/crypto/hash.h"
#include "gateway/http/uri.h"
#include "gateway/observe/log.h"

namespace sallyport {
namespace {

using observe::Level;

constexpr size_t file_bytes_max = 1 << 20;

// What is wrong with the URL of a key set, or nothing. Never says the URL, which may hold a password.
std::optional<std::string> wrong_with_url(std::string_view url) {
  const size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0)
    return "expected a URL that begins with https:// (or http:// on a network that is trusted)";
  const size_t slash = std::min(url.find('/', scheme), url.size());
  const std::string_view authority = url.substr(scheme, slash - scheme);
  if (authority.contains('@')) return "a key set is public: no name and no password in its url";
  if (url.contains('#')) return "a fragment (#…) is never sent: leave it away";
  BlockPool pool;
  Arena arena(pool);
  const auto parsed = http::parse_authority(authority, arena);
  if (!parsed) return "the host or the port of the url is wrong: " + parsed.error().detail;
  if (!parsed->host.starts_with('[') && !is_numeric_host(parsed->host) && !is_host_name(parsed->host))
    return "the host of the url is neither an address nor a name";
  if (slash == url.size()) return std::nullopt;
  if (const auto good = http::parse_target(url.substr(slash), arena); !good)
    return "the path of the url is wrong: " + good.error().detail;
  return std::nullopt;
}

// By http:// from another machine than this one: whoever is in between signs what they like.
bool is_exposed(std::string_view url) {
  constexpr std::string_view scheme = "http://";
  if (!url.starts_with(scheme)) return false;
  url.remove_prefix(scheme.size());
  BlockPool pool;
  Arena arena(pool);
  const auto authority = http::parse_authority(url.substr(0, url.find('/')), arena);
  if (!authority || authority->host == "localhost") return false;
  std::string_view host = authority->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return !CidrSet({"127.0.0.0/8", "::1"}).contains(host);
}

// A key set with keys in it of which none is of use is a mistake of whoever made it: nothing is withdrawn by
// that. One that is empty says so on purpose.
Result<std::shared_ptr<const KeySet>> parse_usable(std::string_view document) {
  auto set = KeySet::parse(document);
  if (set && (*set)->size() == 0 && (*set)->listed() > 0) {
    return fail(Code::invalid_data, "no_keys",
                "the key set has no key to verify ES256, RS256, PS256 or EdDSA with");
  }
  return set;
}

// What became of a document: no key set, one without keys, one with keys.
enum class Taken : uint8_t { no, empty, yes };

// A set that is read now and then, from wherever.
class KnownKeys {
 public:
  const std::shared_ptr<Live<KeySet>>& live() const noexcept { return live_; }

  // One without keys is obeyed, too: the issuer has withdrawn them.
  Taken take(const std::string& document, const std::string& from) {
    auto set = parse_usable(document);
    if (!set) {
      refuse(from, set.error().detail);
      return Taken::no;
    }
    const size_t keys = (*set)->size();
    const bool news = publish(document, std::move(*set), from);
    if (keys > 0 && (news || refused_))
      observe::log(Level::info, "key_set_reloaded", {{"from", from}, {"keys", fmt::format("{}", keys)}});
    refused_ = false;
    return keys > 0 ? Taken::yes : Taken::empty;
  }
  void refuse(const std::string& from, const std::string& detail) {
    refused_ = true;
    observe::log(Level::error, "key_set_refused", {{"from", from}, {"detail", detail}});
  }
  // False: the same set once more, which is no news: what was verified with it stays remembered.
  bool publish(const std::string& document, std::shared_ptr<const KeySet> set, const std::string& from) {
    const auto digest = crypto::sha256(document);
    if (last_ == digest) return false;
    last_ = digest;
    if (set->size() == 0) {
      observe::log(Level::warn, "key_set_empty",
                   {{"from", from}, {"detail", "it has no key: every token is refused"}});
    }
    live_->publish(std::move(set));
    return true;
  }

 private:
  std::shared_ptr<Live<KeySet>> live_ = std::make_shared<Live<KeySet>>();
  std::optional<crypto::Digest> last_;
  bool refused_ = false;  // what came last was
};

class KeyFile final : public KeySource {
 public:
  KeyFile(std::shared_ptr<KnownKeys> known, config::FilePath file, Background* background)
      : KeySource(known->live()), known_(std::move(known)), file_(std::move(file)) {
    if (background == nullptr) return;
    watch_ = background->watch(file_.resolved, [this, background](Background::Unread& unread) {
      const auto document = read_file(file_.resolved, file_bytes_max);
      if (!document) {
        if (is_unread(document.error()) && !unread.is_news(document.error().detail)) return;
        known_->refuse(file_.shown, "cannot read it: " + document.error().detail);
      }
      const bool good = document && known_->take(*document, file_.shown) == Taken::yes;
      background->count_reload("key_set", good);
    });
  }
  // Reads it if it has changed since it was read last. A config that names it must find keys in it, or the
  // list empty on purpose.
  Result<void> read() {
    const FileState state = FileState::of(file_.resolved);  // before it is read: never too new
    if (state == state_ && state != FileState{}) return {};
    Result<std::string> document = read_file(file_.resolved, file_bytes_max);
    if (!document) return std::unexpected(std::move(document.error()));
    auto set = parse_usable(*document);
    if (!set) return std::unexpected(std::move(set.error()));
    known_->publish(*document, std::move(*set), file_.shown);
    state_ = state;
    return {};
  }

 private:
  std::shared_ptr<KnownKeys> known_;
  config::FilePath file_;
  FileState state_;
  std::unique_ptr<Background::Handle> watch_;  // last: it speaks of the rest
};

// What has been fetched from an address that a CA, of one file, vouches for: whoever asks there, and however
// often, gets the newest that anybody has got.
struct FetchedKeys : KnownKeys {
  std::atomic<bool> failing = false;
  std::unique_ptr<Background::Handle> not_ready;  // until the first
};

class KeyAddress final : public KeySource {
 public:
  KeyAddress(std::shared_ptr<FetchedKeys> known, const JwksOptions& jwks, Background* background)
      : KeySource(known->live()), known_(std::move(known)) {
    failing_ = {known_, &known_->failing};
    if (background == nullptr) return;  // only checked: no network
    Background::Fetch fetch;
    fetch.url = jwks.url;
    fetch.ca_file = jwks.ca.resolved;
    fetch.every = jwks.refresh;
    fetch.wish = wish_;
    fetch_ =
        background->fetch(std::move(fetch), [known = known_, url = std::string(text::without_query(jwks.url)),
                                             background](Result<std::string> document) {
          const auto taken = document ? known->take(*document, url) : Taken::no;
          known->failing.store(taken == Taken::no, std::memory_order_relaxed);
          const bool good = taken == Taken::yes;
          background->count_reload("key_set", good);
          if (known->live()->version() > 0) known->not_ready.reset();
          return good;
        });
  }

 private:
  std::shared_ptr<FetchedKeys> known_;
  std::unique_ptr<Background::Handle> fetch_;
};

std::shared_ptr<KeySource> key_file(const JwksOptions& jwks, config::Reader& reader, Setup& setup) {
  const std::string key = "authenticate.key_file " + jwks.file.resolved;
  auto source = setup.generation.get<KeyFile>(key, [&] {
    return setup.process.share<KeyFile>(key, [&] {
      return std::make_shared<KeyFile>(std::make_shared<KnownKeys>(), jwks.file, setup.background);
    });
  });
  if (!setup.checking()) return source;
  if (const Result<void> good = source->read(); !good)
    reader.error_at("file", fmt::format("{}: {}", jwks.file.shown, good.error().detail));
  return source;
}

// Null if the CA is not good, and that has been told.
std::shared_ptr<KeySource> key_address(const JwksOptions& jwks, config::Reader& reader, Setup& setup) {
  const std::string address = fmt::format("{} {}", jwks.url, jwks.ca.resolved);
  std::string from = address;
  if (!jwks.ca.empty()) {
    const Result<std::string> pem = read_file(jwks.ca.resolved, file_bytes_max);
    const auto authorities = crypto::read_certificates(pem.value_or(""));
    if (authorities.empty()) {
      reader.error_at("ca", fmt::format("{}: {}", jwks.ca.shown,
                                        pem ? "the ca file holds no PEM certificate, or a broken one"
                                            : pem.error().detail));
      return nullptr;
    }
    const crypto::Digest digest = crypto::digest_of_set(authorities);
    from += " " + text::hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
  }
  // A CA file that is renewed is asked with at once, and what was known goes on until that has an answer.
  auto known = setup.process.share<FetchedKeys>("authenticate.fetched_keys " + address, [&] {
    auto made = std::make_shared<FetchedKeys>();
    if (setup.background != nullptr) {
      made->not_ready = setup.background->not_ready(
          fmt::format("the key set at {} has not been fetched yet", text::without_query(jwks.url)));
    }
    return made;
  });
  return setup.process.share<KeySource>(
      fmt::format("authenticate.key_address {} {}", to_string(jwks.refresh), from),
      [&] { return std::make_shared<KeyAddress>(std::move(known), jwks, setup.background); });
}

}  // namespace

void JwksOptions::check(config::Reader& reader) const {
  if (file.empty() == url.empty()) reader.error("jwks: name one of file and url");
  if (file.shown.contains("://"))
    reader.error_at("file", "jwks.file is a path: what has an address is a url");
  if (!url.empty()) {
    if (const auto wrong = wrong_with_url(url)) reader.error_at("url", *wrong);
  }
  config::check_between(reader, "refresh", refresh, seconds(1), std::chrono::hours(24));
}

std::shared_ptr<const KeySource> find_key_source(const JwksOptions& jwks, config::Reader reader,
                                                 Setup& setup) {
  if (!jwks.file.empty()) return key_file(jwks, reader, setup);
  if (wrong_with_url(jwks.url)) return nullptr;  // has been told, and is not to be fetched nor named
  if (is_exposed(jwks.url))
    setup.problems.warn(reader.node().find("url")->mark,
                        "jwks.url is http://: whoever is in between can give keys of their own, and with "
                        "them make any token; use https://, or a file");
  const std::string key =
      fmt::format("authenticate.key_address {} {} {}", jwks.url, jwks.ca.resolved, to_string(jwks.refresh));
  return setup.generation.get<KeySource>(key, [&] { return key_address(jwks, reader, setup); });
}

}  // namespace sallyport
