// RedisClient: one connection of a worker to a Redis server. Commands of one turn of the loop go out in one
// write; replies come back in order. It connects by itself, and again after a failure. While the first
// connection is being made, commands wait for it, as nobody knows yet whether the server is there; after a
// loss they fail at once until there is another. Each time the name is looked up, and all of its addresses
// are tried. A server that says that it is of no use (a replica since a failover, one that loads, is full, or
// does not let us) is left, and the next address has its turn.
//
// hiredis reads the replies (bounded in size and depth); the transport is our own. One worker's thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/async/signal.h"
#include "gateway/async/task.h"
#include "gateway/base/error.h"
#include "gateway/base/list.h"
#include "gateway/net/connect.h"
#include "gateway/net/resolver.h"
#include "gateway/observe/metrics.h"
#include "gateway/store/redis_reply.h"

namespace sallyport::store {

struct RedisOptions {
  std::string name;  // of the store, for the metrics
  std::string host;
  uint16_t port = 6379;
  uint32_t database = 0;
  std::string username;
  std::shared_ptr<const std::string> password;  // null: no AUTH
  Duration timeout = milliseconds(20);          // for a reply, and for the first connection before it
  Duration connect_timeout = seconds(1);        // name, TCP, TLS and AUTH
  net::TlsOptions tls;
};

// A script as the server has it: called with a number behind its arguments, which stands in front of what it
// answers. Made once for all calls.
struct RedisScript {
  explicit RedisScript(const std::string& body);
  std::string text, hash;
};

class RedisClient final : private TurnEnd {
 public:
  RedisClient(Loop& loop, net::Resolver& resolver, observe::Metrics& metrics, RedisOptions options);
  ~RedisClient();

  // One command. Errors: dependency_down with the reason not_connected, store_timeout, connection_lost or
  // store_error; overloaded if too many wait. A task that is cancelled leaves its reply to be passed over.
  Task<Result<RedisReply>> command(std::vector<std::string> words);
  // Runs a script by its hash; tells it to the server first, and again if that has forgotten it. Each call
  // has a number that its reply must bear: a connection that has lost a reply would give everybody the one of
  // another, and is left.
  Task<Result<RedisReply>> eval(const RedisScript& script, std::vector<std::string> keys,
                                std::vector<std::string> arguments);
  // The failure that a reply is whose form the command does not have: counted and told like others.
  std::unexpected<Error> misanswered();
  bool connected() const noexcept { return ready_; }

 private:
  struct Waiting;
  struct Reader;
  struct Sent {              // a command whose reply is to come
    Waiting* who = nullptr;  // null: nobody waits any more
    uint64_t call = 0;       // of a script; 0: another command
    Monotonic at{};
  };

  Task<> first_connection();
  void decide();
  Task<Result<RedisReply>> exchange(const std::vector<std::string>& words, uint64_t call);
  Task<Result<RedisReply>> command(std::vector<std::string> words, uint64_t call);
  void at_turn_end() override;
  Task<> run();
  Task<Result<void>> open();
  Task<Result<void>> open_at(net::SocketAddress address, Monotonic deadline);
  Task<Result<void>> introduce(Monotonic deadline);
  Task<Error> read_replies();
  Result<void> take_replies();
  Result<void> judge(const Result<RedisReply>& reply);
  void lose(const Error& error);
  bool tell(std::string_view event, const Error& error);
  void append(const std::vector<std::string>& words);

  Loop& loop_;
  net::Resolver& resolver_;
  RedisOptions options_;
  std::unique_ptr<net::Stream> stream_;
  std::unique_ptr<Reader> reader_;
  Buffer out_;
  std::deque<Sent> sent_;      // in the order of the replies
  uint64_t calls_ = 0;         // of scripts, so far
  List<WaitUntil> undecided_;  // who waits for the first connection
  bool decided_ = false;       // it stands, or has failed
  bool ready_ = false;
  bool proved_ = false;                    // a command has been obeyed on this connection
  size_t first_address_ = 0;               // of the name's, that is tried
  std::map<std::string, Monotonic> told_;  // causes, and when the log was told of them
  bool lost_told_ = false;                 // and not yet that it is back
  observe::Histogram& duration_;
  observe::Counter& failures_;
  Task<> task_ = Task<>::ready();
};

}  // namespace sallyport::store
