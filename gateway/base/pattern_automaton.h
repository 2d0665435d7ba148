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

// A nondeterministic automaton (Thompson's construction), which matches what the expression does. What is
// beyond ASCII is told apart by the sets that it may be in: a symbol for each choice of them.
struct Automaton {
  static constexpr size_t ascii = 128;
  static constexpr size_t beyond_max = 5;  // sets of what is beyond ASCII, such as \p{L}
  static constexpr size_t symbols = ascii + (size_t{1} << beyond_max);
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
  size_t beyond_states = 1;  // what RE2's states, which take bytes, are in number to those of characters
  bool asks_for_begin = false, asks_for_end = false;      // somewhere
  bool begins_with_begin = false, ends_with_end = false;  // in any case

  // Of what RE2 takes; nothing for syntax that is not understood here, and for what is too large.
  static std::optional<Automaton> parse(std::string_view expression);
};

}  // namespace sallyport
