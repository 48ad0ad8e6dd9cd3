// main.cpp - the test runner's main; every unit test is linked into this one program.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <signal.h>

int main(int argc, char** argv) {
  // As every program of agentvm does: a peer that left is an error of write(2), not the end of us.
  signal(SIGPIPE, SIG_IGN);
  return doctest::Context(argc, argv).run();
}
