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
  Watch(MainBackground& owner, std::string path, Changed changed, bool present_too)
      : owner_(owner),
        path_(std::move(path)),
        changed_(std::move(changed)),
        taken_(present_too ? FileState{} : FileState::of(path_)),
        seen_(taken_) {
    owner_.watches_.push_back(this);
  }
  ~Watch() override { owner_.watches_.remove(this); }
  // True if the file is another one than before, and rests: two looks have found it the same, so that half of
  // one that is being written is not taken for all of it. Where one look after the other finds another file,
  // each is whole, as it was put there by renaming. One that is gone for a moment while it is replaced is
  // waited for; one that stays away is another state, and who reads it then tells what is missing.
  bool moved() {
    const FileState before = std::exchange(seen_, FileState::of(path_));
    if (seen_ == taken_) {
      moving_since_.reset();
      return false;
    }
    if (!moving_since_) moving_since_ = owner_.loop_.now();
    const bool replaced = before != taken_ && !seen_.is_file_of(before);
    const bool rests = (seen_ == before || replaced) && seen_ != FileState{} && before != FileState{};
    const bool gone = seen_ == FileState{} && owner_.loop_.now() >= *moving_since_ + replaced_within;
    if (!rests && !gone) return false;
    moving_since_.reset();
    return true;
  }
  void tell() {
    unread_.begin_reading();
    try {
      changed_(unread_);
    } catch (const std::bad_alloc&) {  // a file may be as large as it likes; what was read before stays
      observe::log(observe::Level::error, "file_too_large",
                   {{"file", path_}, {"detail", "there is not enough memory to read it"}});
    }
    taken_ = unread_.end_reading() ? FileState{} : seen_;  // unread: any that is there is another
  }

 private:
  MainBackground& owner_;
  std::string path_;
  Changed changed_;
  Unread unread_;
  FileState taken_;  // as it was read last
  FileState seen_;   // at the last look
  std::optional<Monotonic> moving_since_;
};

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

std::unique_ptr<Background::Handle> MainBackground::watch(std::string path, Changed changed,
                                                          bool present_too) {
  return std::make_unique<Watch>(*this, std::move(path), std::move(changed), present_too);
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
    if (watch->moved()) moved.push_back(watch);
  }
  for (Watch* watch : moved) {  // telling one may end others
    if (std::ranges::find(me.watches_, watch) != me.watches_.end()) watch->tell();
  }
  for (Fetching* fetching : me.fetchings_) fetching->look();
}

}  // namespace sallyport::server
