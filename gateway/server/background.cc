#include "gateway/server/background.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <optional>
#include <utility>

#include "gateway/async/signal.h"
#include "gateway/base/file_state.h"
#include "gateway/base/text.h"
#include "gateway/observe/log.h"
#include "gateway/server/fetch.h"

namespace sallyport::server {
namespace {

constexpr Duration look_every = milliseconds(250);
// A file that is gone for longer is not being replaced.
constexpr Duration replaced_within = seconds(5);

}  // namespace

class MainBackground::Watch final : public Handle {
 public:
  Watch(MainBackground& owner, std::vector<std::string> paths, ChangedTogether changed, bool present_too)
      : owner_(owner), changed_(std::move(changed)) {
    for (std::string& path : paths) {
      File& file = files_.emplace_back(std::move(path));
      if (!present_too) file.taken = file.seen = FileState::of(file.path);
    }
    owner_.watches_.push_back(this);
  }
  ~Watch() override { owner_.watches_.remove(this); }
  // How many of the files are to be told of.
  size_t look() {
    moved_.clear();
    for (size_t i = 0; i < files_.size(); ++i) {
      if (files_[i].moved(owner_.loop_.now())) moved_.push_back(i);
    }
    return moved_.size();
  }
  size_t moved() const noexcept { return moved_.size(); }
  void tell() {
    std::vector<ChangedFile> told;
    for (const size_t i : moved_) {
      files_[i].unread.begin_reading();
      told.push_back({i, files_[i].unread});
    }
    try {
      changed_(told);
    } catch (const std::bad_alloc&) {  // a file may be as large as it likes; what was read before stays
      observe::log(
          observe::Level::error, "file_too_large",
          {{"file", files_[moved_.front()].path}, {"detail", "there is not enough memory to read it"}});
    }
    for (const size_t i : moved_) {
      File& file = files_[i];
      file.taken =
          file.unread.end_reading() ? FileState{} : file.seen;  // unread: any that is there is another
    }
  }

 private:
  struct File {
    explicit File(std::string p) : path(std::move(p)) {}
    bool moved(Monotonic now);

    std::string path;
    Unread unread;
    FileState taken;  // as it was read last
    FileState seen;   // at the last look
    std::optional<Monotonic> moving_since;
  };

  MainBackground& owner_;
  ChangedTogether changed_;
  std::vector<File> files_;
  std::vector<size_t> moved_;  // by the last look
};

// True if the file is another one than before, and rests: two looks have found it the same, so that half of
// one that is being written is not taken for all of it. Where one look after the other finds another file,
// each is whole, as it was put there by renaming. One that is gone for a moment while it is replaced is
// waited for; one that stays away is another state, and who reads it then tells what is missing.
bool MainBackground::Watch::File::moved(Monotonic now) {
  const FileState before = std::exchange(seen, FileState::of(path));
  if (seen == taken) {
    moving_since.reset();
    return false;
  }
  if (!moving_since) moving_since = now;
  const bool replaced = before != taken && !seen.is_file_of(before);
  const bool rests = (seen == before || replaced) && seen != FileState{} && before != FileState{};
  const bool gone = seen == FileState{} && now >= *moving_since + replaced_within;
  if (!rests && !gone) return false;
  moving_since.reset();
  return true;
}

class MainBackground::NotReady final : public Handle {
 public:
  NotReady(MainBackground& owner, std::string reason)
      : owner_(owner), at_(owner.waiting_for_.insert(std::move(reason))) {}
  ~NotReady() override { owner_.waiting_for_.erase(at_); }

 private:
  MainBackground& owner_;
  std::multiset<std::string>::iterator at_;
};

class MainBackground::Fetching final : public Handle {
 public:
  Fetching(MainBackground& owner, Fetch what, std::move_only_function<bool(Result<std::string>)> got)
      : owner_(owner), loop_(owner.loop_), what_(std::move(what)), got_(std::move(got)), task_(run()) {
    owner_.fetchings_.push_back(this);
  }
  ~Fetching() override { owner_.fetchings_.remove(this); }

  void look() {
    if (pause_ == nullptr || what_.wish == nullptr || loop_.now() < last_ + wish_pause) return;
    if (what_.wish->made) pause_->notify();
  }

 private:
  Task<> run() {
    Duration retry = what_.retry_after;
    for (;;) {
      if (what_.wish != nullptr) {
        ++what_.wish->begun;  // first: who wishes for the next one does so behind it
        what_.wish->made = false;
      }
      Result<std::string> document = co_await fetch_document(loop_, owner_.resolver_, what_);
      if (!document) {
        observe::log(observe::Level::warn, "fetch_failed",
                     {{"url", text::without_query(what_.url)},
                      {"reason", document.error().reason},
                      {"detail", document.error().detail}});
      }
      const bool good = got_(std::move(document));
      last_ = loop_.now();
      if (what_.wish != nullptr) {
        what_.wish->over_at = last_;
        ++what_.wish->over;
      }
      WaitUntil pause(loop_, last_ + (good ? what_.every : retry));
      const WaitSlot here(pause_, pause);
      const bool wanted = co_await pause;
      if (wanted)
        observe::log(observe::Level::info, "fetch_wanted", {{"url", text::without_query(what_.url)}});
      retry = good ? what_.retry_after : std::min(retry * 2, what_.retry_at_most);
    }
  }
  MainBackground& owner_;
  Loop& loop_;
  Fetch what_;
  std::move_only_function<bool(Result<std::string>)> got_;
  Monotonic last_{};
  WaitUntil* pause_ = nullptr;  // while it waits for the next time
  Task<> task_;
};

MainBackground::MainBackground(Loop& loop, net::Resolver& resolver, observe::Metrics& metrics)
    : loop_(loop),
      resolver_(resolver),
      timer_(loop, &MainBackground::look, this),
      reloads_(metrics, "sallyport_file_reloads_total", {}, "kind", "result") {
  for (const char* kind : {"certificate", "api_keys", "key_set"}) {
    for (const char* result : {"success", "failure"}) reloads_.expect(kind, result);
  }
  timer_.arm_after(look_every);
}
MainBackground::~MainBackground() = default;

std::unique_ptr<Background::Handle> MainBackground::watch_together(std::vector<std::string> paths,
                                                                   ChangedTogether changed,
                                                                   bool present_too) {
  return std::make_unique<Watch>(*this, std::move(paths), std::move(changed), present_too);
}

std::unique_ptr<Background::Handle> MainBackground::fetch(
    Fetch what, std::move_only_function<bool(Result<std::string>)> got) {
  return std::make_unique<Fetching>(*this, std::move(what), std::move(got));
}

std::unique_ptr<Background::Handle> MainBackground::not_ready(std::string reason) {
  return std::make_unique<NotReady>(*this, std::move(reason));
}

std::vector<std::string> MainBackground::not_ready_reasons() const {
  return {waiting_for_.begin(), waiting_for_.end()};
}

void MainBackground::look(void* self) {
  auto& me = *static_cast<MainBackground*>(self);
  me.timer_.arm_after(look_every);
  std::vector<Watch*> moved;
  for (Watch* watch : me.watches_) {
    if (watch->look() > 0) moved.push_back(watch);
  }
  // What is read soonest first: a key that is revoked does not wait for a thousand certificates.
  std::ranges::sort(moved, {}, &Watch::moved);
  for (Watch* watch : moved) {  // telling one may end others
    if (std::ranges::find(me.watches_, watch) != me.watches_.end()) watch->tell();
  }
  for (Fetching* fetching : me.fetchings_) fetching->look();
}

}  // namespace sallyport::server
