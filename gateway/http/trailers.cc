#include "gateway/http/trailers.h"

#include "gateway/http/head_rules.h"

namespace sallyport::http {

void Trailers::field(Slice name, Slice value, Arena& arena, const HeadLimits& limits) {
  bytes_ += name.size() + value.size() + field_overhead;
  too_large_ = too_large_ || bytes_ > limits.header_bytes || fields_.size() >= limits.headers;
  if (too_large_ || !is_token(name) || !is_field_value(value) || !may_be_trailer(name)) return;
  fields_.add_checked(arena.copy(name), arena.copy(value));
}

}  // namespace sallyport::http
