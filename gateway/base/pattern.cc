#include "gateway/base/pattern.h"

#include <re2/re2.h>

#include <utility>

namespace sallyport {

struct Pattern::Impl {
  re2::RE2 expression;
};

namespace {

re2::RE2::Options options() {
  re2::RE2::Options o;
  o.set_log_errors(false);
  o.set_max_mem(1 << 20);
  return o;
}

}  // namespace

Pattern::Pattern(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Result<Pattern> Pattern::compile(std::string_view expression) {
  auto impl = std::unique_ptr<Impl>(
      new Impl{re2::RE2(re2::StringPiece(expression.data(), expression.size()), options())});
  if (!impl->expression.ok()) return fail(Code::invalid_data, "bad_pattern", impl->expression.error());
  return Pattern(std::move(impl));
}

bool Pattern::matches(std::string_view text) const {
  return re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), impl_->expression);
}

}  // namespace sallyport
