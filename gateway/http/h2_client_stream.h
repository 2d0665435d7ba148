// ClientStream: one request to a backend and its answer, over an HTTP/2 connection that others use as well.
//
// Owned by the lease of the exchange; destroyed before the session, and never while it is told of something.
// One worker's thread.
#pragma once

#include <cstdint>
#include <optional>

#include "gateway/base/list.h"
#include "gateway/base/small_pool.h"
#include "gateway/http/framing.h"
#include "gateway/http/h2_stream.h"
#include "gateway/http/requester.h"
#include "gateway/http/upload.h"

namespace sallyport::http::h2 {

class ClientSession;

class ClientStream final : public Stream, public Requester, public ListNode {
 public:
  // scheme: "https" or "http". Takes up room of the session at once.
  ClientStream(ClientSession& session, Slice scheme) noexcept;
  ~ClientStream() override;

  Task<Result<Slice>> pull() override;
  Task<Result<void>> send(const Request& request, Slice host, const Timeouts& timeouts,
                          Arena& arena) override;
  Task<Result<void>> read_response(const Request& request, Arena& arena, Response& response) override;
  Body& tunnel(Body& from_client, TunnelLimits limits) override;
  // A reset is an answer.
  bool answered_nothing() const noexcept override { return !answered_ && (cut_off_ || !closed_); }
  bool request_sent() const noexcept override { return pump_.done(); }
  bool content_untouched() const noexcept override { return content_untouched_; }
  Refusal refusal() const noexcept override;
  Standing standing() const noexcept override;
  void give_up_content() override { upload_.give_up(); }
  void give_up_answer() noexcept override;

  // The exchange is over: nothing of its request or answer is touched any more, and the backend is told if it
  // still works for it.
  void over() noexcept;

 private:
  friend class ClientSession;

  void field(Slice name, Slice value) override;
  void fields_end(bool ended) override;
  Task<Result<Slice>> wait_for_content() override;
  void wake() override;
  void cancel() noexcept;   // tells the backend that nobody waits for the answer
  void cut_off() noexcept;  // the connection has ended
  void give_up_room() noexcept;

  Task<> pump(const Request& request);
  Task<Result<void>> send_content(const Request& request);
  Task<Result<void>> pump_all(const Request& request);
  const Headers* trailers_of(const Request& request);
  Task<> answer_begins();
  bool answer_is_here() const noexcept { return read_ < heads_.size() || fault_ || closed_; }
  Monotonic until(Duration silence) const noexcept;
  std::unexpected<Error> broken() const;
  std::unexpected<Error> late(std::string_view reason, std::string detail);

  ClientSession& client_;
  const Slice scheme_;
  Method method_ = Method::other;
  Timeouts timeouts_{};
  Monotonic sent_at_{};
  Headers request_trailers_;  // those that the backend gets
  ResponseHead head_;
  size_t head_bytes_ = 0;  // of the one that is being read
  Interims interims_;
  small_pool::Vector<Response> heads_;  // as they came: interim ones, then the final one
  size_t read_ = 0;                     // of them
  bool head_final_ = false;             // what comes now are trailers
  bool keeps_trailers_ = false;         // its client gets them
  std::optional<Error> fault_;          // in a head
  bool cut_off_ = false;
  bool answered_ = false;
  bool content_untouched_ = false;
  bool answering_ = false;                        // the final head has been read
  bool gave_way_ = false;                         // and what comes behind it is nobody's any more
  Monotonic untouched_since_ = Monotonic::max();  // when what is there was given, while nobody waits for more
  Upload upload_;
  Result<void> pumped_;  // what came of the pump
  BesideUpload beside_pump_{pump_, pumped_};
  Task<> pump_ = Task<>::ready();  // last: destroyed first
};

}  // namespace sallyport::http::h2
