// Verdict: what came of looking at credentials.
#pragma once

#include <memory>
#include <utility>

#include "gateway/base/error.h"
#include "gateway/core/principal.h"

namespace sallyport {

struct Verdict {
  // Whose they are, if they are genuine; null: nobody knows.
  std::shared_ptr<const Principal> who;
  // Whether they are good now. Genuine ones may not be: revoked, expired, for another audience.
  Result<void> good;

  Verdict(std::shared_ptr<const Principal> whose, Result<void> is_good)
      : who(std::move(whose)), good(std::move(is_good)) {}
  Verdict(std::unexpected<Error> why) : good(std::move(why)) {}
};

}  // namespace sallyport
