// The extension API, whole. A plugin is a layer of an onion around the forwarding; a policy is a plugin that
// decides.
//
// One instance a route, worker and snapshot; it lives on its worker's thread and needs no locks. What waits
// is a coroutine; what does not is a plain function that returns next(x) and costs no frame.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/async/task.h"
#include "gateway/base/error.h"
#include "gateway/config/reader.h"
#include "gateway/config/show.h"
#include "gateway/core/exchange.h"
#include "gateway/observe/metrics.h"

namespace sallyport {

class Plugin;
class Setup;

// The layers of a route, outermost first; the innermost answers.
class Chain {
 public:
  Chain() = default;
  explicit Chain(std::vector<std::unique_ptr<Plugin>> layers) noexcept;
  Chain(Chain&&) noexcept;
  Chain& operator=(Chain&&) noexcept;
  ~Chain();

  // Runs the request through the layers; afterwards x.response is there, its body unread.
  Task<> run(Exchange& x) const;
  // Tells every plugin that the exchange is over.
  void finished(const Exchange& x) const noexcept;

 private:
  friend class Next;
  std::vector<std::unique_ptr<Plugin>> layers_;
};

// The rest of the chain. Call it once, or not at all to answer early.
class Next {
 public:
  Next(const Chain& chain, size_t index) noexcept : chain_(&chain), index_(index) {}
  Task<> operator()(Exchange& x) const;

 private:
  const Chain* chain_;
  size_t index_;
};

class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual Task<> handle(Exchange& x, Next next) = 0;
  virtual void finished(const Exchange&) noexcept {}  // after the last byte, also if the client left
};

// Where in the fixed pipeline a plugin stands. No config can change the order.
enum class Band : uint8_t { address, size, authenticate, authorize, limit, validate, transform, forward };

struct PluginType {
  std::string_view name;  // the YAML key of a route
  Band band;
  // Reads its own block; what is wrong is told to the reader, which is then not whole: what is returned is
  // thrown away. Null when the block says that the plugin does nothing on this route. Called on the main
  // thread to check the config (what would cost memory need not be made then), then once per worker.
  std::unique_ptr<Plugin> (*make)(config::Reader&, Setup&);
  // Checks and prepares what the plugin owns outside the routes (authenticators, limits); main thread; may be
  // null.
  void (*prepare)(Setup&) = nullptr;
  // The block with its defaults filled in, for `show`; null: as written.
  config::Node (*describe)(config::Reader&) = nullptr;
  // The same for the named blocks outside the routes that the plugin owns, of one kind.
  config::ShownBlock::Kind named = config::ShownBlock::Kind::plugin;
  config::Node (*describe_named)(config::Reader&) = nullptr;
  // Stands on every route, with its defaults where neither the route nor `defaults` has a block for it.
  bool everywhere = false;
};

// A describe() for a plugin whose block is read into Options.
template <class Options>
config::Node describe_as(config::Reader& reader) {
  Options options;
  reader.value(options);
  config::Writer writer;
  writer.value(options);
  return writer.take();
}

// --- policies

// One thing that is wrong with a request's content (RFC 6901 pointer).
struct Violation {
  std::string pointer;
  std::string keyword;
  std::string detail;
};

// Why a policy refuses, and what the answer carries beyond the problem document.
struct Refusal {
  Error error;
  std::vector<std::pair<std::string_view, std::string>>
      headers;  // names with static storage: WWW-Authenticate, Retry-After …
  std::vector<Violation> violations;
};

// Null: pass.
using Decision = std::unique_ptr<Refusal>;

inline Decision pass() noexcept { return nullptr; }
inline Decision refuse(Code code, std::string_view reason, std::string detail) {
  return std::make_unique<Refusal>(Refusal{Error{code, reason, std::move(detail)}, {}, {}});
}

// A plugin that decides. Mode, counters, the log's refused_by and would_refuse, and the problem reply are
// written here once for all. A policy that cannot decide because a dependency is down refuses with
// Code::dependency_down.
class Policy : public Plugin {
 public:
  Policy(Setup& setup, std::string_view name, config::Mode mode);
  ~Policy() override;
  Task<> handle(Exchange& x, Next next) final;

  // Called once a request. Task<Decision>::ready(pass()) if it needs no wait.
  virtual Task<Decision> decide(Exchange& x) = 0;

 protected:
  // A reason to refuse whose counter is there at 0 from the start.
  void expect(std::string_view reason) { refusals_.expect(reason); }
  // For a policy that looks at the answer as well; the default just goes on.
  virtual Task<> passed(Exchange& x, Next next) { return next(x); }
  // For what shows only after decide() has let the request pass: counted and told as if it had been decided
  // there. True unless in shadow: the request must then be refused.
  bool refuses(Exchange& x, std::string_view reason);

 private:
  Task<> act(Exchange& x, Next next, Decision decision);
  Task<> wait(Exchange& x, Next next, Task<Decision> pending);

  std::string_view name_;
  config::Mode mode_;
  observe::CounterSet refusals_;
};

}  // namespace sallyport
