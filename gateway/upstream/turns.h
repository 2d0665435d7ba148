// Turns: who waits for a place, client by client. Each client has one place in its turn, however many it
// waits for, so that one who asks for many does not keep the others waiting; its own are served as they came.
//
// Owned by who has the places; one worker's thread.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "gateway/async/signal.h"
#include "gateway/async/task.h"
#include "gateway/base/bytes.h"
#include "gateway/base/list.h"

namespace sallyport::upstream {

class Turns {
  struct Line;

 public:
  Turns() = default;
  Turns(const Turns&) = delete;

  class Waiter : public ListNode {
   public:
    // At the end of its client's line. client_ip: an IPv6 /64 is one client.
    Waiter(Turns& turns, Slice client_ip);
    ~Waiter();
    // Until it is called, or until then. True: it has been called, and stands in no line.
    Task<bool> wait(Loop& loop, Monotonic deadline);
    // Out of its line (next()), and on with its task at once.
    void call();

   private:
    friend class Turns;
    Turns& turns_;
    Line* line_;  // null: called
    WaitUntil* waits_ = nullptr;
  };

  bool empty() const noexcept { return lines_.empty(); }
  size_t size() const noexcept { return size_; }  // who wait, of all clients
  // Takes the one whose turn it is out of its line; null: nobody waits.
  Waiter* next();

 private:
  struct Line : ListNode {
    std::string client;
    List<Waiter> waiters;  // never none
  };
  void drop_if_empty(Line& line);

  std::unordered_map<std::string, Line> lines_;
  List<Line> turns_;  // who is served next stands in front
  size_t size_ = 0;
};

}  // namespace sallyport::upstream
