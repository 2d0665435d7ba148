// SharedBuckets: the buckets of one route that are in a Redis, so that any number of gateways share them.
//
// A script decides over all of a request's buckets at once, by Redis' clock; or the request is spent from
// leases (leases.h), which need no question. One a route, worker and snapshot.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/async/task.h"
#include "gateway/core/exchange.h"
#include "plugins/limit/leased_store.h"
#include "plugins/limit/rule.h"

namespace sallyport {

class SharedBuckets {
 public:
  // rules: all of the route's, of which those in Redis count here; they outlive this.
  SharedBuckets(Loop& loop, const std::vector<LimitRule>& rules, std::string_view route,
                std::shared_ptr<LeasedStore> store);

  // Takes one request from a lease of each bucket. False, and nothing is taken, unless all have one. The
  // states of the rules here are set if it was taken.
  bool spend(Exchange& x, BucketStates& states);
  // Asks Redis for one request of each bucket: all or none. Errors: those of RedisClient::command.
  Task<Result<bool>> take(Exchange& x, BucketStates& states);

 private:
  std::string name_in_redis(const LimitRule& rule, Slice bucket) const;
  void renew(const LimitRule& rule, Slice bucket, const Lease& lease);
  void count_asks(Exchange& x);

  Loop& loop_;
  const std::vector<LimitRule>& rules_;
  std::string_view route_;
  std::shared_ptr<LeasedStore> store_;
  bool leasing_;  // every rule here may be leased
};

}  // namespace sallyport
