// Cache: things made once and shared by name, whatever their type. Any thread; making happens under the lock.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace sallyport {

class Cache {
 public:
  // The thing called `key`, made by `make` (gives std::shared_ptr<T>, null is not kept) if it is not there.
  // One key, one type: start the key with the owner's name ("limit.memory").
  template <class T, class Make>
  std::shared_ptr<T> get(const std::string& key, Make make) {
    std::lock_guard lock(mutex_);
    if (auto found = things_.find(key); found != things_.end())
      return std::static_pointer_cast<T>(found->second);
    std::shared_ptr<T> made = make();
    if (made) things_.emplace(key, made);
    return made;
  }
  // The same for a thing that lives as long as whoever has asked for it, and goes with the last of them: the
  // cache only knows of it. A generation that asks for what the one before still has gets the same one, so
  // that the key must say all that the thing depends on.
  template <class T, class Make>
  std::shared_ptr<T> share(const std::string& key, Make make) {
    std::lock_guard lock(mutex_);
    if (auto found = shared_.find(key); found != shared_.end()) {
      if (auto thing = found->second.lock()) return std::static_pointer_cast<T>(thing);
    }
    std::erase_if(shared_, [](const auto& thing) { return thing.second.expired(); });
    std::shared_ptr<T> made = make();
    if (made) shared_.insert_or_assign(key, made);
    return made;
  }
  // The thing if it is there, or null.
  template <class T>
  std::shared_ptr<T> find(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto found = things_.find(key);
    return found == things_.end() ? nullptr : std::static_pointer_cast<T>(found->second);
  }
  // Lets go of what nobody else holds any more, and of what that was made of.
  void drop_unused() {
    std::lock_guard lock(mutex_);
    while (std::erase_if(things_, [](const auto& thing) { return thing.second.use_count() == 1; }) > 0) {
    }
  }
  void clear() {
    std::lock_guard lock(mutex_);
    things_.clear();
  }

 private:
  std::recursive_mutex mutex_;  // one thing may be made of another
  std::map<std::string, std::shared_ptr<void>> things_;
  std::map<std::string, std::weak_ptr<void>> shared_;
};

}  // namespace sallyport
