#include "gateway/base/pattern.h"

#include <re2/re2.h>

#include <utility>

#include "gateway/base/pattern_states.h"

namespace sallyport {

struct Pattern::Impl {
  re2::RE2 expression;
  // RE2 makes the states of a deterministic automaton as it meets them. Where there are few of them, a byte
  // costs a step to another; where there is no end of them it makes one for a byte, or follows all threads of
  // the program.
  bool few_states;
};

namespace {

constexpr int program_max = 16'384;

re2::RE2::Options options(bool few_states) {
  re2::RE2::Options o;
  o.set_log_errors(false);
  o.set_max_mem(few_states ? 8 << 20 : 1 << 20);  // few states all find room; many never do
  return o;
}

}  // namespace

Pattern::Pattern(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Result<Pattern> Pattern::compile(std::string_view expression) {
  const auto compiled = [&](bool few_states) {
    return std::unique_ptr<Impl>(new Impl{
        re2::RE2(re2::StringPiece(expression.data(), expression.size()), options(few_states)), few_states});
  };
  std::unique_ptr<Impl> impl = compiled(true);
  if (!impl->expression.ok()) return fail(Code::invalid_data, "bad_pattern", impl->expression.error());
  if (impl->expression.ProgramSize() > program_max)
    return fail(Code::invalid_data, "bad_pattern", "it is too large: let its parts repeat less often");
  if (!has_few_states(expression)) impl = compiled(false);
  if (!impl->expression.ok()) return fail(Code::invalid_data, "bad_pattern", impl->expression.error());
  return Pattern(std::move(impl));
}

bool Pattern::matches(std::string_view text, Meter& meter) const {
  const uint64_t program = static_cast<uint64_t>(impl_->expression.ProgramSize());
  const uint64_t steps = impl_->few_states ? text.size() / 4 : text.size() * (32 + program / 4);
  return meter.spend(1 + steps) &&
         re2::RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), impl_->expression);
}

}  // namespace sallyport
