// AresChannel: one channel of c-ares on a loop: libuv watches its sockets, a Timer its time-outs, and no
// thread is needed.
//
// The Resolver owns it. The loop's thread. It may not be destroyed, and nothing may be looked up, inside of
// one of its answers.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gateway/async/timer.h"
#include "gateway/base/error.h"

struct ares_addrinfo;
struct ares_channeldata;

namespace sallyport::net {

// The numeric addresses of a name, at most 32.
struct Addresses {
  std::vector<std::string> list;
  Duration good_for{};  // by their TTL; what is no answer of DNS has the longest
  bool whole = true;    // false: of one family nobody has said whether there are any
};

class AresChannel {
 public:
  static constexpr size_t addresses_max = 32;
  enum class Family : uint8_t { v4, v6 };

  // Where it asks: what resolv.conf has not, has c-ares' defaults; `servers` (as in "10.0.0.53:53" and
  // "[fd00::53]:53") are asked instead of its.
  struct Options {
    std::vector<std::string> servers;
    std::string resolv_conf = "/etc/resolv.conf";
    bool operator==(const Options&) const = default;
  };

  // Whoever waits for an answer of DNS; lives until it has come, or the channel is gone.
  class Asker {
   public:
    virtual void answered(Result<Addresses> answer) = 0;

   protected:
    ~Asker() = default;
  };

  // Null if there is no memory or no randomness for one. Reads the options' files.
  static std::unique_ptr<AresChannel> make(Loop& loop, const Options& options);
  AresChannel(const AresChannel&) = delete;
  ~AresChannel();  // tells all askers at once

  // What DNS is to be asked for, one after the other until one is there, by resolv.conf's search list and
  // ndots.
  std::vector<std::string> candidates(const std::string& host) const;
  // Asks DNS for the addresses of one family of a candidate. Every query is sent again when it is not
  // answered, and ends in the end. Errors: name_not_resolved: it has none; io: nobody has said.
  void look_up(const std::string& name, Family family, Asker& asker);
  // What /etc/hosts has of a name, of both families. Reads the file. Errors: name_not_resolved.
  Result<Addresses> in_hosts_file(const std::string& name);

 private:
  struct Watch;
  explicit AresChannel(Loop& loop) : loop_(loop), timer_(loop, &AresChannel::late, this) {}
  bool open(const Options& options);
  bool read_search_list();
  void process(int readable, int writable);
  void arm();
  static void watch(void* self, int socket, int readable, int writable);
  static void late(void* self);

  Loop& loop_;
  Timer timer_;
  ares_channeldata* dns_ = nullptr;
  ares_channeldata* files_ = nullptr;
  std::vector<std::string> domains_;  // the search list
  int dots_ = 1;                      // a name that has so many is asked for as it is first
  std::vector<Watch*> watches_;
};

}  // namespace sallyport::net
