#include "gateway/json/write.h"

#include "gateway/base/text.h"

namespace sallyport::json {

void append_string(std::string& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const auto byte = static_cast<uint8_t>(text.front());
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text.front();
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += hex[byte >> 4];
      out += hex[byte & 15];
    } else if (byte < 0x80) {
      out += text.front();
    } else {
      size_t length = text::utf8_sequence(text);
      out += length == 0 ? std::string_view("\\ufffd") : text.substr(0, length);
      text.remove_prefix(length == 0 ? 1 : length);
      continue;
    }
    text.remove_prefix(1);
  }
  out += '"';
}

}  // namespace sallyport::json
