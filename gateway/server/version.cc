#include "gateway/server/version.h"

#include "gateway/net/tls_context.h"

namespace sallyport::server {

std::string version() { return SALLYPORT_VERSION; }

// The build knows what it was linked with; BoringSSL is asked.
std::string library_versions() { return net::tls_library() + "\n" + SALLYPORT_LIBRARIES; }

}  // namespace sallyport::server
