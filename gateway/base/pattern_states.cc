#include "gateway/base/pattern_states.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "gateway/base/pattern_automaton.h"

namespace sallyport {
namespace {

constexpr size_t states_max = 2'000;
constexpr size_t nodes_held_max = 100'000;  // in all states: RE2 keeps them in its memory
constexpr size_t steps_max = 10'000'000;    // a tenth of a second

// The states of the deterministic automaton, counted by making them (the subset construction).
class Counter {
 public:
  Counter(const Automaton& a, bool backwards) : a_(a), backwards_(backwards), by_node_(a.nodes) {
    for (const Automaton::Edge& e : a.edges) {
      Automaton::Edge& kept = by_node_[backwards ? e.to : e.from].emplace_back(e);
      if (backwards) std::swap(kept.from, kept.to);
    }
  }

  bool are_few() {
    std::vector<State> open{closure({start()}, true)};
    std::set<State> known(open.begin(), open.end());
    const std::vector<size_t> alphabet = representatives();
    size_t held = 0;
    const size_t most = states_max / a_.beyond_states;
    while (!open.empty() && known.size() <= most && held <= nodes_held_max && steps_ <= steps_max) {
      const State state = std::move(open.back());
      open.pop_back();
      held += state.size();
      for (const size_t symbol : alphabet) {
        State next = closure(step(state, symbol), false);
        if (known.insert(next).second) open.push_back(std::move(next));
      }
    }
    return open.empty();
  }

 private:
  using State = std::vector<size_t>;  // nodes, sorted
  size_t start() const noexcept { return backwards_ ? a_.accept : a_.start; }
  size_t accept() const noexcept { return backwards_ ? a_.start : a_.accept; }

  // One symbol of those that no set tells apart.
  std::vector<size_t> representatives() const {
    std::map<std::vector<bool>, size_t> kinds;
    for (size_t symbol = 0; symbol < Automaton::symbols; ++symbol) {
      std::vector<bool> in;
      for (const Automaton::Symbols& set : a_.sets) in.push_back(set[symbol]);
      kinds.emplace(std::move(in), symbol);
    }
    std::vector<size_t> out;
    for (const auto& [in, symbol] : kinds) out.push_back(symbol);
    return out;
  }

  State step(const State& state, size_t symbol) {
    State out;
    for (const size_t node : state) {
      steps_ += by_node_[node].size() + 1;
      for (const Automaton::Edge& e : by_node_[node]) {
        if (e.kind == Automaton::Kind::symbol && a_.sets[e.set][symbol]) out.push_back(e.to);
      }
    }
    if (!backwards_) out.push_back(start());  // it may begin anywhere
    return out;
  }

  // at_edge: where reading begins, at the begin of the text or, backwards, at its end.
  State closure(State nodes, bool at_edge) {
    using Kind = Automaton::Kind;
    std::vector<bool> in(a_.nodes);
    State out;
    while (!nodes.empty()) {
      const size_t node = nodes.back();
      nodes.pop_back();
      if (in[node]) continue;
      in[node] = true;
      if (node == accept()) return {accept()};  // it has matched, whatever follows
      bool goes_on = false;
      for (const Automaton::Edge& e : by_node_[node]) {
        const bool passes =
            e.kind == Kind::empty || (at_edge && e.kind == (backwards_ ? Kind::end : Kind::begin));
        if (passes) nodes.push_back(e.to);
        goes_on = goes_on || e.kind != Kind::empty;
      }
      if (goes_on) out.push_back(node);
      steps_ += by_node_[node].size() + 1;
    }
    std::ranges::sort(out);
    return out;
  }

  const Automaton& a_;
  bool backwards_;
  std::vector<std::vector<Automaton::Edge>> by_node_;
  size_t steps_ = 0;
};

}  // namespace

bool has_few_states(std::string_view expression) {
  const std::optional<Automaton> automaton = Automaton::parse(expression);
  if (!automaton) return false;
  const bool backwards_only = automaton->ends_with_end && !automaton->asks_for_begin;
  const bool forwards_only =
      !automaton->asks_for_end || (automaton->begins_with_begin && automaton->ends_with_end);
  return (backwards_only || Counter(*automaton, false).are_few()) &&
         (forwards_only || Counter(*automaton, true).are_few());
}

}  // namespace sallyport
