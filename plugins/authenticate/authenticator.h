// Authenticator: one named way by which callers prove who they are. One a worker and snapshot; shared by the
// routes that name it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "gateway/core/plugin.h"
#include "gateway/core/setup.h"
#include "plugins/authenticate/verdict.h"

namespace sallyport {

class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // The header that carries its credentials.
  virtual const std::string& header() const noexcept = 0;
  // True if the request carries credentials of this kind, good or bad.
  virtual bool carries(const Exchange& x) const noexcept = 0;
  // Who they belong to. Errors: bad_credentials, dependency_down. proof: what ended() is asked about later,
  // in the exchange's arena.
  virtual Verdict verify(Exchange& x, Exchange::Proof& proof) = 0;
  // Why credentials that were good are not any more, as verify() would say it; empty: they are. What
  // Principal::not_after_s tells need not be said here.
  virtual std::string_view ended(Exchange::Proof& proof, Wall now) = 0;
  // The challenge for WWW-Authenticate (RFC 9110 section 11.6.1), with an error for a Bearer token (RFC 6750
  // section 3).
  virtual std::string challenge(const Error* error) const = 0;
};

// What stands behind `type:`.
struct AuthenticatorKind {
  std::string_view type;
  // Null, with a problem, if the block is wrong.
  std::shared_ptr<Authenticator> (*make)(config::Reader&, Setup&);
  config::Node (*describe)(config::Reader&);
};
const AuthenticatorKind& api_key_kind();
const AuthenticatorKind& jwt_kind();

// Which authenticator a name stands for in the config that a worker has taken last, as far as a route names
// it there: what lasts is judged by these. One a worker, of its thread.
class InForce {
 public:
  static std::shared_ptr<InForce> of(Setup& setup);
  // Null: none, now.
  std::shared_ptr<Authenticator> called(const std::string& name) const;
  // Counts the configs that had any.
  uint64_t config() const noexcept { return config_; }

 private:
  friend std::shared_ptr<Authenticator> find_authenticator(const std::string& name, Setup& setup);
  std::map<std::string, std::weak_ptr<Authenticator>> by_name_;
  uint64_t config_ = 0;
};

// The authenticator of that name, made or found; null, with a problem, if its block is wrong. The name must
// be in the config.
std::shared_ptr<Authenticator> find_authenticator(const std::string& name, Setup& setup);

// Checks every block of `authenticators`, those that no route names, too.
void prepare_authenticators(Setup& setup);
config::Node describe_authenticator(config::Reader& reader);

}  // namespace sallyport
