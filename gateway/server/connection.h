// Connection: one client, from the accepted socket to its close. Reads requests one after the other and has
// them served.
//
// Owned by its worker's list; it tells the worker when it is over, and is destroyed at the end of that turn.
// One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "gateway/async/task.h"
#include "gateway/async/timer.h"
#include "gateway/base/list.h"
#include "gateway/core/exchange.h"
#include "gateway/http/h1_server.h"
#include "gateway/net/tls_stream.h"
#include "gateway/observe/metrics.h"
#include "gateway/server/client_counts.h"
#include "gateway/server/relief.h"

namespace sallyport::server {

class Http2Connection;
class Worker;
struct WorkerListener;

class Connection final : public net::StreamOwner, public ListNode {
 public:
  // What it holds beside its requests, of the worker's memory: our objects and the socket's.
  static constexpr size_t objects_bytes = 4 * 1024;

  // tls: the same stream if it still has to shake hands, else null.
  Connection(Worker& worker, std::shared_ptr<WorkerListener> listener, std::unique_ptr<net::Stream> stream,
             net::TlsStream* tls, std::string client_ip);
  ~Connection();

  void start();
  // Ends in order, behind the present answer if there is one. Who is at rest has a moment for a request that
  // may be on its way, a newcomer a longer one, unless it is not admitted any more. What somebody was let in
  // by being gone, their answers have the time that they have at a shutdown. (A listener that is gone lets
  // them take as long as they do.)
  void drain();
  // Ends it, whatever is under way; why: for its log lines.
  void cut(std::string_view why);
  // What it holds for a client that neither sends nor reads.
  Stalled stalled(Monotonic now) noexcept;
  // Ends what it holds so.
  void give_way(Monotonic now);
  // For how long it has had no request, or none whose head is whole; 0: it has, or it ends already.
  Duration asks_nothing_for(Monotonic now) noexcept;
  // Ends it then, so that another client gets its place: in order, unless something has begun that is not
  // whole.
  void make_room();
  // False: it was let in by what does not hold any more (other authorities, a listener that is gone, a
  // certificate that has ended).
  bool is_admitted() const noexcept;
  const ClientCounts::Place& place() const noexcept { return place_; }

 private:
  enum class State : uint8_t { handshake, idle, busy, closing };
  enum class Speaks : uint8_t { nothing, http1, http2 };

  void stream_broke() override;
  void stream_ended() override;
  Task<> run();
  Task<> end_in_order();
  Task<bool> shake_hands();
  Task<Speaks> what_it_speaks();
  Task<> run_http2();
  Task<bool> serve_one();
  void redirect();
  static void until_is_over(void* self);
  void end_at_rest();
  bool has_request() const noexcept { return state_ == State::busy && http2_ == nullptr; }

  Worker& worker_;
  std::shared_ptr<WorkerListener> listener_;
  const uint32_t admission_;  // of the listener, when it was let in
  Timer until_;               // … with a certificate, for as long as that is good; then for its last requests
  bool certificate_over_ = false;
  bool last_answers_ = false;
  bool newcomer_ = true;       // nothing has been asked yet
  observe::Gauge counted_in_;  // of the name that the listener had then
  std::unique_ptr<net::Stream> stream_;
  net::TlsStream* tls_;
  ConnectionInfo info_;
  const ClientCounts::Place place_;
  const Charge objects_;
  http::h1::ServerConnection http_;
  Exchange exchange_;
  std::unique_ptr<Http2Connection> http2_;  // null: HTTP/1.1
  State state_ = State::handshake;
  Standstill standstill_;  // of the present request of HTTP/1.1
  Monotonic rests_since_;  // while there is none
  bool draining_ = false;
  bool made_room_ = false;
  Task<> task_ = Task<>::ready();  // last: destroyed first
};

}  // namespace sallyport::server
