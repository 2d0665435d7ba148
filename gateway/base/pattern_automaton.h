// Automaton: what a pattern is, for whoever wants to know what it costs (pattern_states.h). Pure; for the
// start.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace sallyport {

// A nondeterministic automaton (Thompson's construction). Where an expression is not sure to be understood,
// it matches more: that makes more states of a deterministic one, not fewer.
struct Automaton {
  // ASCII, and one for all that is beyond.
  static constexpr size_t symbols = 129;
  using Symbols = std::bitset<symbols>;

  enum class Kind : uint8_t { empty, symbol, begin, end };
  struct Edge {
    size_t from, to;
    Kind kind;
    size_t set = 0;  // of a symbol
  };
  size_t nodes = 0, start = 0, accept = 0;
  std::vector<Edge> edges;
  std::vector<Symbols> sets;
  bool asks_for_begin = false, asks_for_end = false;      // somewhere
  bool begins_with_begin = false, ends_with_end = false;  // in any case

  // Of what RE2 takes; nothing for syntax that is not understood here, and for what is too large.
  static std::optional<Automaton> parse(std::string_view expression);
};

}  // namespace sallyport
