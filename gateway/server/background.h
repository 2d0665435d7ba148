// MainBackground: watches files and fetches documents on the main thread's loop.
#pragma once

#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/async/nursery.h"
#include "gateway/async/timer.h"
#include "gateway/core/background.h"
#include "gateway/net/resolver.h"
#include "gateway/observe/metrics.h"

namespace sallyport::server {

class MainBackground final : public Background {
 public:
  MainBackground(Loop& loop, net::Resolver& resolver, observe::Metrics& metrics);
  ~MainBackground() override;

  std::unique_ptr<Handle> watch_together(std::vector<std::string> paths, ChangedTogether changed,
                                         bool present_too) override;
  std::unique_ptr<Handle> fetch(Fetch what, std::move_only_function<bool(Result<std::string>)> got) override;
  void count_reload(std::string_view kind, bool good) override {
    reloads_.add(kind, good ? "success" : "failure");
  }
  std::unique_ptr<Handle> not_ready(std::string reason) override;

  // What readiness waits for; empty: nothing.
  std::vector<std::string> not_ready_reasons() const;

 private:
  class Watch;
  class Fetching;
  class NotReady;
  static void look(void* self);

  Loop& loop_;
  net::Resolver& resolver_;
  Timer timer_;
  std::list<Watch*> watches_;
  std::list<Fetching*> fetchings_;
  std::multiset<std::string> waiting_for_;
  observe::CounterSet reloads_;
};

}  // namespace sallyport::server
