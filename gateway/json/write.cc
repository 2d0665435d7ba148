#include "gateway/json/write.h"

#include "gateway/base/escape.h"

namespace sallyport::json {

void append_string(std::string& out, std::string_view text) {
  out += '"';
  text::escape(text, [&](std::string_view piece) { out += piece; });
  out += '"';
}

}  // namespace sallyport::json
