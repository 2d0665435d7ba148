// Pattern: a regular expression that matches in time linear in its input (RE2). Immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "gateway/base/error.h"
#include "gateway/base/meter.h"

namespace sallyport {

class Pattern {
 public:
  // RE2 syntax, of a program of at most 16,384 instructions; the error says what is wrong with it.
  static Result<Pattern> compile(std::string_view expression);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  // True if the expression matches anywhere in text (UTF-8), as JSON Schema's `pattern` asks. The meter
  // counts the most work that it can take; false, and the meter has run out, if that is more than is left.
  bool matches(std::string_view text, Meter& meter) const;

 private:
  struct Impl;
  explicit Pattern(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport
