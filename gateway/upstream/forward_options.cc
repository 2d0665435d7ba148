#include "gateway/upstream/forward_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/base/text.h"
#include "gateway/upstream/target.h"

namespace sallyport::upstream {

void check_path(const config::PathPattern& path, const config::PathPattern& match, config::Reader& reader) {
  for (const config::Segment& segment : path.segments) {
    if (segment.kind != config::Segment::Kind::literal &&
        std::ranges::find(match.segments, segment) == match.segments.end())
      reader.error_at("path",
                      fmt::format("{{{}{}}} is not in match.path (\"{}\")", segment.text,
                                  segment.kind == config::Segment::Kind::rest ? "..." : "", match.text));
  }
}

void check_upgrade(const ForwardOptions& options, config::Reader& reader, const Setup& setup) {
  const config::Upstream* upstream = setup.model.upstream(options.to);
  if (options.upgrade.empty() || upstream == nullptr) return;
  for (const std::string& url : upstream->targets) {
    const Result<Target> target = parse_target(url);
    if (target && target->http2)
      reader.error_at("upgrade", fmt::format("upstream {} has the HTTP/2 target {}, which cannot become a "
                                             "WebSocket: give the route an upstream of http:// targets",
                                             options.to, text::printable(url)));
  }
}

}  // namespace sallyport::upstream
