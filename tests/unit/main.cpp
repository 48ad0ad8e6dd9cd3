// main.cpp - the test runner's main; every unit test is linked into this one program.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
