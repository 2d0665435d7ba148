#include "plugins/authenticate/caller_cache.h"

#include <cstdint>

namespace sallyport {
namespace {

std::shared_ptr<const Principal> limited(const CallerCache::Proofs& proofs) {
  int64_t end_s = 0;
  for (size_t i = 0; i < proofs.size() && proofs[i] != nullptr; ++i) {
    const int64_t other = proofs[i]->not_after_s;
    if (other != 0 && (end_s == 0 || other < end_s)) end_s = other;
  }
  if (end_s == proofs.front()->not_after_s) return proofs.front();
  auto who = std::make_shared<Principal>(*proofs.front());
  who->not_after_s = end_s;
  return who;
}

bool is_large(const CallerCache::Proofs& proofs) {
  size_t bytes = proofs.front()->bytes();  // of the caller that is made of it
  for (size_t i = 0; i < proofs.size() && proofs[i] != nullptr; ++i) bytes += proofs[i]->bytes();
  return bytes > CallerCache::entry_bytes_max;
}

}  // namespace

std::shared_ptr<const Principal> CallerCache::find_or_make(const Proofs& proofs) {
  if (proofs[1] == nullptr) return proofs.front();
  if (entries_.empty()) entries_.resize(size_t{1} << bits);
  size_t mixed = 0;
  for (const auto& proof : proofs)
    mixed = (mixed ^ reinterpret_cast<size_t>(proof.get())) * 0x9e3779b97f4a7c15U;
  Entry& entry = entries_[mixed >> (64 - bits)];
  if (entry.who != nullptr && entry.proofs == proofs) return entry.who;
  auto who = limited(proofs);
  if (!is_large(proofs)) entry = {proofs, who};
  return who;
}

}  // namespace sallyport
