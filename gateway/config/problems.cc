#include "gateway/config/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace sallyport::config {
namespace {

void keep(std::vector<Problem>& list, const Mark& mark, std::string message) {
  const auto same = [&](const Problem& p) {  // a block of `defaults` is read once for each route
    return p.mark.line == mark.line && p.mark.column == mark.column && p.message == message;
  };
  if (list.size() >= Problems::kept_max || std::ranges::any_of(list, same)) return;
  list.push_back({mark, std::move(message)});
}

}  // namespace

std::string Problem::place() const {
  if (mark.file == nullptr) return "";
  return mark.line == 0 ? *mark.file : fmt::format("{}:{}:{}", *mark.file, mark.line, mark.column);
}

void Problems::add(const Mark& mark, std::string message) { keep(wrong_, mark, std::move(message)); }

void Problems::warn(const Mark& mark, std::string message) { keep(warnings_, mark, std::move(message)); }

void Problems::add_all(const Problems& other) {
  for (const Problem& p : other.wrong_) add(p.mark, p.message);
  for (const Problem& p : other.warnings_) warn(p.mark, p.message);
}

std::vector<std::string> Problems::lines() const {
  struct Line {
    const Problem* problem;
    std::string_view kind;
    size_t found;  // in which order: what is at one place stays in it
  };
  std::vector<Line> in_order;
  for (const Problem& p : wrong_) in_order.push_back({&p, "", in_order.size()});
  for (const Problem& p : warnings_) in_order.push_back({&p, "warning: ", in_order.size()});
  std::ranges::sort(in_order, {}, [](const Line& line) {
    return std::tuple(line.problem->mark.line, line.problem->mark.column, line.found);
  });
  std::vector<std::string> lines;
  for (const auto& [problem, kind, unused] : in_order) {
    const std::string place = problem->place();
    lines.push_back(fmt::format("{}{}{}{}", place, place.empty() ? "" : ": ", kind, problem->message));
  }
  return lines;
}

std::string Problems::text() const {
  std::string out;
  for (const std::string& line : lines()) out += line + '\n';
  return out;
}

std::string Problems::in_one_line() const { return fmt::format("{}", fmt::join(lines(), "; ")); }

}  // namespace sallyport::config
