// protocol_test.cpp - netd's lines both ways, and what is refused in them.
#include "network/plan/protocol.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"
#include "network/plan/subnet.hpp"
#include "tests/unit/has.hpp"

namespace agentvm::network {

namespace {

std::string_view without_newline(const std::string& line) {
  CHECK(line.back() == '\n');
  CHECK(line.find('\n') == line.size() - 1);
  return std::string_view(line).substr(0, line.size() - 1);
}

std::string refusal_of(const std::string& line) {
  try {
    request_from_line(line);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("netd's lines survive the trip") {
  const Request acquire{Request::Kind::acquire, "my-app", true};
  CHECK(request_from_line(without_newline(to_line(acquire))) == acquire);
  CHECK(request_from_line(without_newline(to_line(Request{}))) == Request{});

  const Network network = make_network("microbr", default_subnet);
  const Lease lease = plan_lease(network, "my-app", {}, {});
  const LeaseInfo info{lease, "microbr", 24, network.gateway, network.gateway, {"A note\nof two lines."}};
  CHECK(lease_from_line(without_newline(to_line(info))) == info);

  NetworkInfo shown{network, {{lease, 1000, 42}}, {}};
  shown.network->standing_links = {"eth0"};
  CHECK(network_from_line(without_newline(to_line(shown))) == shown);
  CHECK(network_from_line(without_newline(to_line(NetworkInfo{}))) == NetworkInfo{});
}

TEST_CASE("a refusal comes out as the error it is") {
  const std::string line = to_line(Refusal{"no address is left", "End a VM."});
  try {
    lease_from_line(without_newline(line));
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(std::string(error.what()) == "no address is left");
    CHECK(error.hint() == "End a VM.");
  }
  CHECK_THROWS_AS(network_from_line(line), Error);
}

TEST_CASE("requests that are none") {
  CHECK(test::has(refusal_of(""), "not a JSON object"));
  CHECK(test::has(refusal_of("[]"), "not a JSON object"));
  CHECK(test::has(refusal_of("{\"request\":\"show\"} {}"), "not a JSON object"));
  CHECK(test::has(refusal_of("{}"), "\"request\" is missing"));
  CHECK(test::has(refusal_of(R"({"request":1})"), "\"request\" must be a string"));
  CHECK(test::has(refusal_of(R"({"request":"destroy"})"), "must be \"acquire\" or \"show\""));
  CHECK(test::has(refusal_of(R"({"request":"acquire"})"), "\"name\" is missing"));
  CHECK(test::has(refusal_of(R"({"request":"acquire","name":"a;b","multi_queue":false})"), "cannot name a VM"));
  CHECK(test::has(refusal_of(R"({"request":"acquire","name":"a","multi_queue":1})"), "true or false"));
}

}  // namespace agentvm::network
