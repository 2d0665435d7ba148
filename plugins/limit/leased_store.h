// LeasedStore: a Redis as one worker has it, with what is leased from it: that must not be spent from
// another.
//
// It outlives the routes that use it, and so a reload: whoever looks after a lease goes on, so that what is
// not spent of it goes back. One worker's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/async/nursery.h"
#include "gateway/async/task.h"
#include "gateway/store/redis.h"
#include "plugins/limit/leases.h"

namespace sallyport {

class LeasedStore {
 public:
  LeasedStore(Loop& loop, std::unique_ptr<store::RedisClient> redis)
      : loop_(loop), redis_(std::move(redis)) {}

  store::RedisClient& redis() noexcept { return *redis_; }
  Leases& leases() noexcept { return leases_; }
  // More of that lease, in the background, and somebody who looks after it until its end. name: of its bucket
  // in Redis; most: requests of one lease.
  void renew(const Lease& lease, uint32_t most, std::string name);

 private:
  static constexpr size_t leases_max = 4096;
  struct What;  // is leased
  class Marked;
  Task<> keep(What what);
  Task<> ask_for_more(What what);

  Loop& loop_;
  std::unique_ptr<store::RedisClient> redis_;
  Leases leases_{leases_max};
  Nursery renewals_;  // last: they use what stands above
};

// Replies of scripts: a list of whole numbers from 0, the first and each other to its own most.
bool is_list_to(const store::RedisReply& reply, const std::vector<int64_t>& most);

}  // namespace sallyport
