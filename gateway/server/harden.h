// harden: what a process that holds private keys does for itself.
#pragma once

namespace sallyport::server {

// No core dumps, no ptrace by other processes of the same user, files private by default. Best effort: a
// kernel that refuses is not an error.
void harden_process() noexcept;

}  // namespace sallyport::server
