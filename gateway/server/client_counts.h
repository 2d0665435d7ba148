// ClientCounts: how many connections each client (an address; an IPv6 /64 is one) has.
//
// Owned by the worker; its thread.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>

#include "gateway/base/bytes.h"

namespace sallyport::server {

class ClientCounts {
  using Counts = std::unordered_map<std::string, size_t>;

 public:
  // A connection of a client, for as long as this lives.
  class Place {
   public:
    Place(ClientCounts& all, Slice client_ip);
    Place(const Place&) = delete;
    ~Place();
    // How many the client has, this one included.
    size_t of_client() const noexcept { return at_->second; }
    // More than clients have on the average.
    bool is_of_many() const noexcept { return all_.are_many(of_client()); }

   private:
    ClientCounts& all_;
    Counts::value_type* at_;
  };

  size_t of(Slice client_ip) const;
  // For one client; a newcomer is counted with those that are there, so that one who is alone has many, too.
  bool are_many(size_t count) const noexcept { return count * (counts_.size() + 1) > total_ + 1; }

 private:
  Counts counts_;  // none is 0
  size_t total_ = 0;
};

}  // namespace sallyport::server
