// CallerCache: who calls where several proofs are needed (all_of).
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "gateway/core/principal.h"

namespace sallyport {

// Callers by all of their proofs, which live as long as their entry: for the same token with the same key one
// is made once. Bounded in number and in memory: a new one takes the place of the one that was there, and a
// large one (hundreds of roles) is made each time. One a worker, for all its routes.
class CallerCache {
 public:
  static constexpr size_t proofs_max = 8;
  using Proofs =
      std::array<std::shared_ptr<const Principal>, proofs_max>;  // the first is there; null: no more
  static constexpr int bits = 10;
  static constexpr size_t entry_bytes_max = 8192;  // of the proofs of one caller

  // The first proof says who calls: client, roles, scopes and claims are its own, so that nobody has what
  // somebody else was given. The others take time away, and add nothing.
  std::shared_ptr<const Principal> find_or_make(const Proofs& proofs);

 private:
  struct Entry {
    Proofs proofs;
    std::shared_ptr<const Principal> who;
  };
  std::vector<Entry> entries_;
};

}  // namespace sallyport
