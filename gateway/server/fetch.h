// fetch: one document by HTTP GET, over the gateway's own client.
#pragma once

#include <string>

#include "gateway/async/loop.h"
#include "gateway/async/task.h"
#include "gateway/core/background.h"
#include "gateway/net/resolver.h"

namespace sallyport::server {

// Gives the content of a 200; `what` must outlive the task. Errors: those of name, connection and TLS;
// upstream_bad_answer for any other status, for content above bytes_max, for nonsense. Redirects are not
// followed: the config names the real place.
Task<Result<std::string>> fetch_document(Loop& loop, net::Resolver& resolver, const Background::Fetch& what);

}  // namespace sallyport::server
