// Resolver: host names as addresses, looked up on the loop: a look-up takes no thread and has no hold on the
// process, so that a name that nobody answers is no one else's matter.
//
// Whoever asks for a name that is being looked up waits for the same answer, each as long as it likes; what
// came of a look-up, also that nothing did, is kept for a second. /etc/hosts comes first, then DNS, as
// resolv.conf says it; both are read again when they change. One a loop, owned by the loop's owner; its
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/async/signal.h"
#include "gateway/async/task.h"
#include "gateway/base/file_state.h"
#include "gateway/net/ares_channel.h"
#include "gateway/net/connect.h"

namespace sallyport::net {

struct Resolved {
  // IPv4 and IPv6 by turns, IPv6 first if this machine has a way to it.
  std::vector<SocketAddress> addresses;
  Duration good_for{};  // by the TTL
  bool whole = true;    // false: of one family nobody has said whether there are any
};

class Resolver final : private TurnEnd {
 public:
  using Options = AresChannel::Options;
  static constexpr size_t names_max = 4096;                          // looked up and kept
  static constexpr Duration kept_for = seconds(1);                   // an answer, and that there was none
  static constexpr Duration second_family_grace = milliseconds(50);  // RFC 8305 section 3

  explicit Resolver(Loop& loop, Options options = {});
  ~Resolver();  // nobody waits any more

  // The servers and files from now on; look-ups under way begin again. What is asked for in this turn of the
  // loop is looked up by them already.
  void use(Options options);

  // All addresses of a name. A numeric host is given back at once; what is no host name (RFC 1123 section
  // 2.1; "_" is let through) is never asked for. Errors: name_not_resolved; io, if nobody could say (with the
  // same reason); timed_out.
  Task<Result<Resolved>> resolve(std::string host, uint16_t port, Monotonic deadline);

  // What a look-up has last found for the name, by the servers of now, and when; without asking anybody.
  struct Known {
    Resolved found;
    Monotonic at;
  };
  std::optional<Known> last_known(const std::string& host, uint16_t port) const;

 private:
  struct Half;
  struct Name;
  struct Waiter;

  Name* name_of(const std::string& host);
  bool make_room();
  void start(Name& name);
  void look(Name& name);
  void ask_next(Name& name);
  void look_on(Name& name);
  void finish(Name& name, Result<Addresses> outcome);
  bool follow_files();
  void begin_again();
  void at_turn_end() override;

  Loop& loop_;
  Options options_;
  std::unique_ptr<AresChannel> channel_;  // null until a name is looked up
  FileState resolv_conf_;                 // as the channel has read it
  Monotonic look_at_files_ = Monotonic::min();
  std::unordered_map<std::string, std::unique_ptr<Name>> names_;
  List<Name> starting_, done_;
};

}  // namespace sallyport::net
