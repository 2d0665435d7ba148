#include <utility>

#include "gateway/core/plugin.h"

namespace sallyport {

Chain::Chain(std::vector<std::unique_ptr<Plugin>> layers) noexcept : layers_(std::move(layers)) {}
Chain::Chain(Chain&&) noexcept = default;
Chain& Chain::operator=(Chain&&) noexcept = default;
Chain::~Chain() = default;

Task<> Chain::run(Exchange& x) const { return Next(*this, 0)(x); }

void Chain::finished(const Exchange& x) const noexcept {
  for (const auto& layer : layers_) layer->finished(x);
}

Task<> Next::operator()(Exchange& x) const {
  // The innermost layer answers and never calls next; a chain without one is refused when it is made.
  if (index_ >= chain_->layers_.size())
    return x.fail(Error{Code::internal, "no_answer", "no plugin answered"});
  return chain_->layers_[index_]->handle(x, Next(*chain_, index_ + 1));
}

}  // namespace sallyport
