// Stores: the config's Redis servers as this worker's clients.
#pragma once

#include <memory>
#include <string>

#include "gateway/store/redis.h"

namespace sallyport::config {
struct Store;
}

namespace sallyport::store {

// Errors: invalid_data, with what is wrong with the URL or a certificate file.
Result<RedisOptions> redis_options(const std::string& name, const config::Store& block);

// What a connection depends on beside the text of its block: a key for sharing it. It has the password in it.
std::string identity(const RedisOptions& options);

}  // namespace sallyport::store
