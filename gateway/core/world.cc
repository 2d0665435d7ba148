#include "gateway/core/world.h"

#include <utility>

namespace sallyport {

Route::Route(std::string route_name, Chain layers, observe::Metrics& metrics, config::Match match_of)
    : name(std::move(route_name)),
      match(std::move(match_of)),
      chain(std::move(layers)),
      requests(metrics, "sallyport_requests_total", {{"route", name}}, "method", "status"),
      duration(metrics.histogram("sallyport_request_duration_seconds", {{"route", name}})) {}

}  // namespace sallyport
