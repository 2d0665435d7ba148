// KeySource: where an issuer's keys come from, a file or an address, and the set that it gave last.
//
// It lives as long as configs in force name it with the same address, CA and pause (the same file), so that a
// reload keeps what is known. Made and destroyed on the main thread, which also takes what is read and
// fetched; keys, next_fetch(), has_told() and want() are for any thread.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "gateway/base/live.h"
#include "gateway/base/text.h"
#include "gateway/config/reader.h"
#include "gateway/core/setup.h"
#include "plugins/authenticate/jwks.h"

namespace sallyport {

// The block `jwks`.
struct JwksOptions {
  config::FilePath file;  // watched
  std::string url;        // or fetched, before the gateway is ready and then every `refresh`
  Duration refresh = std::chrono::minutes(15);
  config::FilePath ca;  // for an https URL; absent: the system's bundle

  template <class IO>
  void fields(IO& io) {
    config::field_unless_empty(io, "file", file);
    if constexpr (std::is_same_v<IO, config::Writer>) {
      std::string shown = text::with_masked_query(url);
      config::field_unless_empty(io, "url", shown);
    } else {
      io.field("url", url);
    }
    io.field("refresh", refresh);
    config::field_unless_empty(io, "ca", ca);
  }
  void check(config::Reader& reader) const;
};

class KeySource {
 public:
  virtual ~KeySource() = default;
  const std::shared_ptr<const Live<KeySet>>& keys() const noexcept { return keys_; }
  // The first fetch, by its number, that will tell whether the issuer has a key which is not known now; none
  // of a file, which is known as it is.
  std::optional<uint64_t> next_fetch() const noexcept {
    return failing_ == nullptr ? std::nullopt : std::optional(wish_->begun + 1);
  }
  // True if that is over, what was fetched last was a key set, and who wishes now has to wait for a newer
  // one.
  bool has_told(uint64_t fetch, Monotonic now) const noexcept {
    return wish_->over >= fetch && !*failing_ && now < wish_->over_at.load() + Background::wish_pause;
  }
  // A token has not found its key: perhaps there is a newer set.
  void want() const noexcept { wish_->made = true; }

 protected:
  explicit KeySource(std::shared_ptr<const Live<KeySet>> keys) : keys_(std::move(keys)) {}
  std::shared_ptr<const std::atomic<bool>> failing_;  // null: it is not fetched
  std::shared_ptr<Background::Wish> wish_ = std::make_shared<Background::Wish>();

 private:
  std::shared_ptr<const Live<KeySet>> keys_;
};

// The source that the block tells of, made or found; null, with problems at the reader of that block, if it
// is not good.
std::shared_ptr<const KeySource> find_key_source(const JwksOptions& options, config::Reader reader,
                                                 Setup& setup);

}  // namespace sallyport
