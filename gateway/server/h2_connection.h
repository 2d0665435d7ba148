// Http2Connection: the requests of one client that speaks HTTP/2, each with an exchange and a task of its
// own; every one of them lives the life that serve() tells.
//
// Owned by the Connection; one thread.
#pragma once

#include "gateway/core/exchange.h"
#include "gateway/http/h2_server.h"
#include "gateway/server/relief.h"

namespace sallyport::server {

class Worker;

class Http2Connection final : private http::h2::ServerSession::Owner, private TurnEnd {
 public:
  Http2Connection(Worker& worker, const ConnectionInfo& info, net::Stream& stream);
  ~Http2Connection();

  // Until the connection is to be closed.
  Task<> run();
  void drain() { session_.drain(); }
  void refuse_more() { session_.refuse_more(); }
  // What its requests hold for a client that neither sends nor reads.
  Stalled stalled(Monotonic now) noexcept;
  // Those that do so end.
  void give_way(Monotonic now);
  // Before it ends, whatever is under way; why: for the requests' log lines.
  void about_to_cut(std::string_view why);
  // No request is under way but for one whose head is not all there; and since when.
  bool is_idle() noexcept;
  Monotonic idle_since() noexcept;
  bool has_no_request() const noexcept { return calls_.empty(); }
  std::string_view ended_by() const noexcept { return session_.ended_by(); }

 private:
  struct Call;

  http::h2::ServerStream* begin(int32_t id, size_t others) override;
  void serve(http::h2::ServerStream& stream, Result<void> head) override;
  void closed(http::h2::ServerStream& stream) override;
  void at_turn_end() override;
  Task<> answer(Call& call, Result<void> head);
  static void end_all(List<Call>& calls) noexcept;

  Worker& worker_;
  const ConnectionInfo& info_;
  net::Stream& stream_;
  http::h2::ServerSession session_;
  List<Call> calls_;
  Monotonic last_ended_;
  List<Call> done_;  // end with the turn: a task cannot destroy itself
};

}  // namespace sallyport::server
