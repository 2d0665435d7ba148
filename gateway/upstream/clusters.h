// Clusters: the config's upstreams as this worker's clusters.
#pragma once

#include <memory>
#include <string>

#include "gateway/config/reader.h"
#include "gateway/upstream/cluster.h"

namespace sallyport {
class Setup;
}

namespace sallyport::upstream {

// The worker's cluster for an upstream of the config; kept across reloads for as long as its block and the
// files that it names stay the same. Null, with a problem at the reader's "to", if there is none. While the
// config is only checked: null without a problem.
std::shared_ptr<Cluster> find_cluster(const std::string& name, config::Reader& reader, Setup& setup);

// Checks every upstream: targets, certificates.
void check_upstreams(Setup& setup);

}  // namespace sallyport::upstream
