// `sallyport keys create|list|rotate|revoke`: the life of API keys, in a file that keeps only their hashes.
#pragma once

namespace CLI {
class App;
}

namespace sallyport {

// Adds the subcommands to `keys`; running one leaves the exit status of the process in `status`.
void add_key_commands(CLI::App& keys, int& status);

}  // namespace sallyport
