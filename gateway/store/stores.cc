#include "gateway/store/stores.h"

#include <utility>

#include "gateway/config/address.h"
#include "gateway/config/model.h"
#include "gateway/net/tls_context.h"

namespace sallyport::store {

Result<RedisOptions> redis_options(const std::string& name, const config::Store& block) {
  Result<config::RedisUrl> url = config::parse_redis_url(block.url);
  if (!url) return std::unexpected(std::move(url.error()));
  RedisOptions options;
  options.name = name;
  options.host = url->host;
  options.port = url->port;
  options.database = url->database;
  options.username = block.username;
  options.password = block.password.value;
  options.timeout = block.timeout;
  options.connect_timeout = block.connect_timeout;
  if (!url->tls) return options;
  auto context = net::TlsClientContext::make({block.tls.verify, block.tls.ca.resolved});
  if (!context) return std::unexpected(std::move(context.error()));
  options.tls.context = std::move(*context);
  options.tls.server_name = block.tls.server_name.empty() ? url->host : block.tls.server_name;
  return options;
}

std::string identity(const RedisOptions& options) {
  return (options.password == nullptr ? "" : *options.password) + '\n' +
         (options.tls.context == nullptr ? "" : options.tls.context->identity());
}

}  // namespace sallyport::store
