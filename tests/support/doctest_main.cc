#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <signal.h>

// A client that writes to a connection which has ended gets an error, and not the end of all tests.
int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);
  return doctest::Context(argc, argv).run();
}
