// Pattern: a regular expression that matches in time linear in its input (RE2). Immutable; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "gateway/base/error.h"

namespace sallyport {

class Pattern {
 public:
  // RE2 syntax, at most 1 MiB of program memory; the error says what is wrong with it.
  static Result<Pattern> compile(std::string_view expression);
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;
  ~Pattern();

  // True if the expression matches anywhere in text (UTF-8), as JSON Schema's `pattern` asks.
  bool matches(std::string_view text) const;

 private:
  struct Impl;
  explicit Pattern(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport
