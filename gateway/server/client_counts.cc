#include "gateway/server/client_counts.h"

#include "gateway/base/cidr.h"

namespace sallyport::server {
namespace {

std::string client_at(Slice ip) {
  IpBytes bytes;
  return std::string(caller_of(ip, bytes));
}

}  // namespace

ClientCounts::Place::Place(ClientCounts& all, Slice client_ip)
    : all_(all), at_(&*all.counts_.try_emplace(client_at(client_ip)).first) {
  ++at_->second;
  ++all_.total_;
}

ClientCounts::Place::~Place() {
  --all_.total_;
  if (--at_->second == 0) all_.counts_.erase(all_.counts_.find(at_->first));
}

size_t ClientCounts::of(Slice client_ip) const {
  const auto found = counts_.find(client_at(client_ip));
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace sallyport::server
