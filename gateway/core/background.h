// Background: what happens beside requests, on the main thread: files watched, documents fetched, readiness.
//
// Main thread only, callbacks too. A handle that dies ends its watch. Shared values get to the workers by
// Live<T>.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/base/clock.h"
#include "gateway/base/error.h"

namespace sallyport {

class Background {
 public:
  // Ends what it stands for when it dies.
  class Handle {
   public:
    virtual ~Handle() = default;
  };
  // That a fetch comes soon. Any thread.
  struct Wish {
    std::atomic<bool> made = false;
    std::atomic<uint64_t> begun = 0, over = 0;  // fetches so far; one at a time
    std::atomic<Monotonic> over_at{};           // the last one
  };
  // A wish is heard within half a second, but not sooner than this after the last fetch, whoever makes it.
  static constexpr Duration wish_pause = seconds(10);
  struct Fetch {
    std::string url;      // http:// or https://
    std::string ca_file;  // empty: the system's bundle
    Duration timeout = seconds(5);
    Duration every = std::chrono::minutes(15);
    Duration retry_after = seconds(5);  // after one that was not good; doubled up to retry_at_most
    Duration retry_at_most = seconds(30);
    size_t bytes_max = 1 << 20;
    std::shared_ptr<Wish> wish;  // null: nobody will make one
  };

  // Why a watched file cannot be read at present, if so. It has to be told once, not at each look.
  class Unread {
   public:
    // It could not be read: it is tried again soon. True if that has not been told yet.
    bool is_news(std::string_view why) {
      lasts_ = true;
      return std::exchange(why_, why) != why;
    }
    void begin_reading() noexcept { lasts_ = false; }
    // True if it could not be read.
    bool end_reading() noexcept {
      if (!lasts_) why_.clear();
      return lasts_;
    }

   private:
    bool lasts_ = false;
    std::string why_;
  };
  using Changed = std::move_only_function<void(Unread&)>;
  // One of several files that are watched together, by its place among them.
  struct ChangedFile {
    size_t number;
    Unread& unread;
  };
  using ChangedTogether = std::move_only_function<void(std::span<const ChangedFile>)>;

  virtual ~Background() = default;

  // Calls changed() once a file has changed (its content, inode or times) and rests again, within three
  // quarters of a second of that; not for the present state. Also when it has been gone for some seconds:
  // reading it is what tells that then. A change counts as seen once it has been read, whatever was in it: as
  // long as changed() tells that it could not read it, it is called again at each look. present_too: the
  // present state has not been read either, and is told of once it rests.
  // One call tells of all the files, in their order, that one look has found so: what is made of many of them
  // is made once. Whoever watches one file does not wait for those who read many.
  virtual std::unique_ptr<Handle> watch_together(std::vector<std::string> paths, ChangedTogether changed,
                                                 bool present_too) = 0;
  std::unique_ptr<Handle> watch(std::string path, Changed changed, bool present_too = false) {
    return watch_together(
        {std::move(path)},
        [told = std::move(changed)](std::span<const ChangedFile> files) mutable {
          told(files.front().unread);
        },
        present_too);
  }
  // Fetches at once and then every so often; got() hears each result (200 with a body, or an error) and tells
  // whether it was good: only then is the next one `every` away.
  virtual std::unique_ptr<Handle> fetch(Fetch what,
                                        std::move_only_function<bool(Result<std::string>)> got) = 0;
  // What is watched or fetched has been read again; `good`: and taken. Counted by kind ("certificate",
  // "api_keys", "key_set").
  virtual void count_reload(std::string_view kind, bool good) = 0;
  // /readyz says 503 and names `reason` as long as the handle lives.
  virtual std::unique_ptr<Handle> not_ready(std::string reason) = 0;
};

}  // namespace sallyport
