// harden: what a process that holds private keys does for itself.
#pragma once

namespace sallyport::server {

// No core dumps, no ptrace by other processes of the same user, files private by default. Best effort: a
// kernel that refuses is not an error.
void harden_process() noexcept;

// Where stdin, stdout or stderr is closed, /dev/null takes its place: no socket and no file of ours gets its
// number, and what is written there. To be called before anything is opened.
void open_standard_streams() noexcept;

}  // namespace sallyport::server
