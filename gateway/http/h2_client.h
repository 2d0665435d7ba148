// ClientSession: HTTP/2 towards a backend (RFC 9113), over a stream that is up: many requests at once.
//
// Owned by the cluster's connection; one worker's thread. A backend is no more trusted with its frames than a
// client is.
#pragma once

#include <cstdint>

#include "gateway/async/timer.h"
#include "gateway/http/h2_client_stream.h"
#include "gateway/http/h2_session.h"

namespace sallyport::http::h2 {

class ClientSession final : public Session {
 public:
  static constexpr uint32_t streams_most = 100;  // over one connection, also if the backend takes more

  class Owner {
   public:
    // There is room for another request again, or the session has ended. Called on the loop; the session must
    // not be destroyed in it.
    virtual void session_changed() = 0;

   protected:
    ~Owner() = default;
  };

  // write_timeout: for the backend to take what is queued.
  ClientSession(net::Stream& stream, Duration write_timeout, Owner& owner);

  // Until the connection is of no more use; every stream has been told.
  Task<> run();
  // Waits for the backend's SETTINGS: only one that speaks HTTP/2 sends them (RFC 9113 section 3.4). Errors:
  // timed_out, end_of_stream.
  Task<Result<void>> ready(Monotonic deadline);

  // True if a request may be sent now that the backend will not queue.
  bool has_room() const noexcept { return room() > 0; }
  uint32_t room() const noexcept;
  // False: what the backend does not take of one upload holds up all others here.
  bool has_window() const noexcept;
  uint32_t streams_max() const noexcept;  // at a time, as the backend has it
  // Nothing moves any more; every stream has been told.
  bool over() const noexcept { return over_; }
  bool ended() const noexcept { return over_ || ended_ || !is_sendable(); }
  // The backend ends it, for no reason that it has said, and has answered over it.
  bool is_leaving_in_order() const noexcept { return leaving_ && leaving_code_ == 0 && has_answered_; }
  // It gets no new requests; it has ended, or will with those that are under way.
  bool is_leaving() const noexcept {
    return retired_ || leaving_ || ended() || (ready_ && streams_max() == 0);
  }
  // No new requests: what is under way goes on.
  void retire() noexcept { retired_ = true; }
  // Asks a backend that has been silent to a request whether it is there (PING, RFC 9113 section 6.7); from
  // one that says nothing at all to that, too, the session retires.
  void probe();
  // Says goodbye to a connection without requests.
  void goodbye();

 private:
  friend class ClientStream;

  Stream* begin(int32_t id) override;
  void settings_arrived() override;
  void tell(Stream& stream) override;
  void turn_ended() override;
  Task<> wait_for_close();
  void probe_over();

  Owner& owner_;
  List<ClientStream> open_;  // all of them
  size_t held_ = 0;          // as many; one that has ended may have content that nobody has pulled yet
  bool ready_ = false;
  bool retired_ = false;
  bool over_ = false;  // run() has ended
  Budget cancels_{60, 2};
  Monotonic probed_at_{};
  bool answers_ = true;  // since it was probed
  bool has_answered_ = false;
  Timer probe_;                 // armed: a PING is not answered yet
  WaitUntil* waits_ = nullptr;  // for ready_
  Event close_;
};

}  // namespace sallyport::http::h2
