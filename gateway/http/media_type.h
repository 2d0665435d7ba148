// MediaType: what a Content-Type says, by the grammar and nothing else (RFC 9110 section 8.3.1): what two
// readers could understand differently is no media type.
//
// Slices of the value it was read from. Pure functions; any thread.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "gateway/base/bytes.h"

namespace sallyport::http {

class Headers;

class MediaType {
 public:
  struct Parameter {
    Slice name;
    Slice value;  // without its quotes; pairs such as \" still stand in it
    bool is(Slice wanted_name, Slice wanted_value) const noexcept;  // both without case
  };
  static constexpr size_t parameters_max = 8;

  // Nothing if it is malformed, has a parameter twice, or more of them than that.
  static std::optional<MediaType> parse(Slice value) noexcept;
  // Of a message: nothing also if there is no Content-Type, or a second one.
  static std::optional<MediaType> of(const Headers& headers) noexcept;

  bool is(Slice type) const noexcept;  // "application/json"; without case, whatever the parameters
  std::span<const Parameter> parameters() const noexcept { return {parameters_.data(), count_}; }

 private:
  bool add_parameter(Slice& rest) noexcept;

  Slice type_;  // with its subtype
  std::array<Parameter, parameters_max> parameters_;
  size_t count_ = 0;
};

}  // namespace sallyport::http
