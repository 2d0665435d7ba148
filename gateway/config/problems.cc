#include "gateway/config/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace sallyport::config {

void Problems::add(const Mark& mark, std::string message) {
  const auto same = [&](const Problem& p) {  // a block of `defaults` is read once for each route
    return p.mark.line == mark.line && p.mark.column == mark.column && p.message == message;
  };
  if (std::ranges::any_of(found_, same)) return;
  if (found_.size() < kept_max) found_.push_back({mark, std::move(message)});
}

std::string Problems::text() const {
  std::vector<const Problem*> in_order;
  for (const Problem& p : found_) in_order.push_back(&p);
  std::ranges::sort(in_order, {},
                    [](const Problem* p) { return std::tuple(p->mark.line, p->mark.column, p); });
  std::string out;
  for (const Problem* p : in_order) {
    if (p->mark.file != nullptr)
      out += fmt::format("{}:{}:{}: ", *p->mark.file, p->mark.line, p->mark.column);
    out += p->message + "\n";
  }
  return out;
}

}  // namespace sallyport::config
