// Exchange: one request and its answer, from the first byte to the last. Owns everything they are made of.
//
// Made by a connection, used by one serve() at a time, and used again for the next request of the connection.
// One worker's thread. Slices in request and response live in the arena, or are static, or belong to the
// route's snapshot.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/async/loop.h"
#include "gateway/async/task.h"
#include "gateway/base/arena.h"
#include "gateway/base/error.h"
#include "gateway/base/small_pool.h"
#include "gateway/core/content.h"
#include "gateway/core/lasting_body.h"
#include "gateway/core/principal.h"
#include "gateway/core/router.h"
#include "gateway/http/body.h"
#include "gateway/http/message.h"
#include "gateway/http/responder.h"

namespace sallyport {

struct Refusal;
struct World;

// What the connection knows before the first request. Outlives its exchanges.
struct ConnectionInfo {
  std::string listener;
  std::string client_ip;  // numeric; "unix" for a unix socket
  bool tls = false;
  std::string tls_version;  // "TLSv1.3"; empty without TLS
};

// Something an exchange holds until it is over, such as the connection to the backend that its answer is read
// from.
class Held {
 public:
  virtual void exchange_over() noexcept = 0;  // give back or close; may destroy itself
  virtual size_t bytes_held() const noexcept { return 0; }

 protected:
  ~Held() = default;
};

// Whoever has let the caller in, and can tell whether it would do so again. Outlives the exchange.
class Admission {
 public:
  // False, and the exchange's notes say why, once what the caller was let in with has ended.
  virtual bool still_allowed(Exchange& x) = 0;

 protected:
  ~Admission() = default;
};

class Exchange {
 public:
  Exchange(Loop& loop, const ConnectionInfo& connection, http::Responder& responder);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange();

  Loop& loop;
  const ConnectionInfo& connection;
  Arena arena;

  std::shared_ptr<const World> world;  // the snapshot of the config, pinned
  const Route* route = nullptr;        // never null once serve() has looked
  PathParams params;
  http::Request request;
  http::Response response;
  bool answered = false;  // response is there

  std::shared_ptr<const Principal> principal;  // who calls, once verified; null: nobody knows
  // Asked again while the exchange lasts; null: nothing of what the caller was let in with ends.
  Admission* admission = nullptr;
  bool still_allowed() { return admission == nullptr || admission->still_allowed(*this); }
  // From here on, the request's content breaks off when the caller is not allowed any more, whoever reads it.
  void watch_content();
  // From here on, the content of an answer whose end nobody knows ends when the caller is not allowed any
  // more.
  void watch_answer();
  // True if the request carries a Bearer token: a refusal then speaks RFC 6750.
  bool bearer = false;
  // What `admission` looks at again, of each of its authenticators in their order.
  struct Proof {
    static constexpr uint64_t nothing = UINT64_MAX;  // for good_with: to be verified again
    Slice shown;             // the credentials; empty: the caller was not let in by these
    uint64_t good_with = 0;  // of what they were verified with, the version
    uint64_t config = 0;     // by whose authenticator; 0: that of the exchange
  };
  small_pool::Vector<Proof> proofs;

  // Who is at the other end: the connection's address, or what the trusted proxies in front say of it; and
  // the whole way from there to us, for X-Forwarded-For.
  Slice client_ip;
  Slice forwarded_for;
  bool behind_proxy = false;  // a trusted one
  void find_client();

  Slice request_id;
  Monotonic began;
  Wall began_wall;

  // For the access log. Slices: arena or static.
  struct Notes {
    Slice upstream;
    uint64_t upstream_us = 0;
    Slice refused_by;
    Slice reason;
    Slice would_refuse;  // "policy:reason,policy:reason"
    // Whose the credentials were that were refused although they are genuine (revoked, expired): nobody calls
    // then, but somebody still uses them.
    Slice client;
    Slice credential;
  } notes;

  // Answers with the problem document of the error (RFC 9457). Nothing is sent yet; a failure is an answer
  // like any other.
  Task<> fail(Error error);
  Task<> refuse(const Refusal& refusal);
  // Answers with a status and content; content and type must live as long as the exchange (arena, static,
  // snapshot).
  void answer(int status, Slice content_type = {}, Slice content = {});

  // A header for whichever answer is sent in the end, also a refusal. The name is static; the value is
  // copied.
  void add_answer_header(Slice name, Slice value);

  // The request's content may have at most this many bytes. False: its length is known, and is larger; else
  // `by` is told when it turns out to be.
  bool limit_body(uint64_t bytes_max, ContentLimiter& by);
  // The content breaks off, as it is larger than a limiter lets pass, or its sender is not allowed any more:
  // the request must be refused.
  bool content_cut_off() const noexcept { return content_.cut_off() || lasting_content_.cut_off(); }
  // The whole content, at most bytes_max; whatever this gives, request.body has all of it afterwards. Errors:
  // body_too_large, request_timeout, client_gone, malformed_request (broken chunks). Valid as long as the
  // exchange.
  Task<Result<Slice>> read_body(size_t bytes_max);

  // Waits for the first piece of the request's content, or its end; request.body then begins with it. Errors:
  // those of request.body.
  Task<Result<void>> first_content();

  // True if request.body can be given once more from its start (there is none, or all of it is in memory); it
  // then is.
  bool rewind_body() noexcept;

  // While the backend is waited for, a client that has ended its sending is gone, and the exchange with it.
  bool ends_with_client = false;

  // Keeps the holder until the exchange is over (one at a time).
  void hold(Held& held) noexcept { held_ = &held; }
  void release_held() noexcept {
    if (held_) std::exchange(held_, nullptr)->exchange_over();
  }

  // Sends head and body. Afterwards sent() tells whether all of it went out, or why not.
  Task<> send();
  const Result<void>& sent() const noexcept { return sent_; }
  http::Responder& responder() noexcept { return responder_; }
  const http::Responder& responder() const noexcept { return responder_; }

  // A new request begins now: fresh id, clocks read, nothing left of the one before.
  void begin(std::shared_ptr<const World> in);
  // Lets go of all memory; for a connection that is idle.
  void clear() noexcept;
  // The memory that it, and what it holds, has taken.
  size_t bytes_held() const noexcept;

 private:
  friend void write_problem(Exchange&, const Error&, const Refusal*);
  void finish_headers();

  http::Responder& responder_;
  http::MemoryBody memory_body_;  // of an answer of our own
  Content content_;               // of a request that a policy looks at
  LastingBody lasting_content_;   // the same, of a caller who is not allowed for ever
  LastingBody lasting_body_;      // of an answer
  small_pool::Vector<std::pair<Slice, Slice>> answer_headers_;
  Held* held_ = nullptr;
  bool used_ = false;  // since it was clear
  Result<void> sent_;
};

}  // namespace sallyport
