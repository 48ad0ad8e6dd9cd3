// cloud_hypervisor_api.cpp - HTTP/1.1 on a unix socket.
#include "launcher/hypervisor/cloud_hypervisor_api.hpp"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "launcher/hypervisor/vmm_words.hpp"

namespace agentvm::hypervisor {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using nlohmann::json;

// vm.info of a VM with 16 shares has 20 kB.
constexpr std::size_t largest_answer = std::size_t{1} << 20;
constexpr std::uint32_t largest_header = 16 << 10;
constexpr std::size_t longest_words = 1000;

Error failure(const std::string& step, const boost::system::error_code& error, std::chrono::milliseconds limit) {
  if (error == beast::error::timeout) {
    return Error(fmt::format("{}: cloud-hypervisor did not answer within {} s", step,
                             std::chrono::duration_cast<std::chrono::seconds>(limit).count()));
  }
  const bool closed = error == http::error::end_of_stream || error == asio::error::eof;
  return Error(step + ": " + (closed ? "cloud-hypervisor closed the connection" : error.message()));
}

asio::awaitable<json> exchange(asio::any_io_executor executor, std::string socket, std::string step,
                               http::request<http::string_body> request, std::chrono::milliseconds limit) {
  beast::basic_stream<asio::local::stream_protocol> stream(executor);
  stream.expires_after(limit);
  const auto token = asio::as_tuple(asio::use_awaitable);
  const asio::local::stream_protocol::endpoint address(socket);
  const auto [unconnected] = co_await stream.async_connect(address, token);
  if (unconnected) throw failure(step, unconnected, limit);
  const auto [unsent, sent] = co_await http::async_write(stream, request, token);
  if (unsent) throw failure(step, unsent, limit);
  beast::flat_buffer buffer(largest_answer);
  http::response_parser<http::string_body> parser;
  parser.body_limit(largest_answer);
  parser.header_limit(largest_header);
  const auto [unread, read] = co_await http::async_read(stream, buffer, parser, token);
  if (unread) throw failure(step, unread, limit);
  const unsigned status = parser.get().result_int();
  const std::string& body = parser.get().body();
  if (status / 100 != 2) throw Error(step + ": " + api_error_words(status, body));
  json document;
  if (!body.empty()) document = parse_vmm_json(body);
  if (document.is_discarded()) throw Error(step + ": cloud-hypervisor's answer is not JSON");
  co_return document;
}

http::request<http::string_body> request_to(http::verb verb, const std::string& endpoint, std::string body) {
  http::request<http::string_body> request(verb, "/api/v1/" + endpoint, 11, std::move(body));
  request.set(http::field::host, "localhost");
  request.set(http::field::accept, "application/json");
  if (!request.body().empty()) request.set(http::field::content_type, "application/json");
  request.prepare_payload();
  return request;
}

void add_words(std::string& words, std::string_view text) {
  if (words.size() >= longest_words) return;
  const std::string line = vmm_line(text, longest_words);
  // An error that only repeats its cause, or names no more than the interface it came through.
  if (line.empty() || line == "Error from API" || line == "Internal Server Error" || words.ends_with(line)) return;
  words += (words.empty() ? "" : ": ") + line;
}

}  // namespace

asio::awaitable<json> CloudHypervisorApi::get(std::string step, std::string endpoint, std::chrono::milliseconds limit) {
  return exchange(executor_, socket_, std::move(step), request_to(http::verb::get, endpoint, {}), limit);
}

asio::awaitable<json> CloudHypervisorApi::put(std::string step, std::string endpoint, json body,
                                              std::chrono::milliseconds limit) {
  std::string text = body.is_null() ? std::string() : body.dump();
  return exchange(executor_, socket_, std::move(step), request_to(http::verb::put, endpoint, std::move(text)), limit);
}

std::string api_error_words(unsigned status, std::string_view body) {
  std::string words;
  const json document = parse_vmm_json(body);
  if (document.is_array()) {
    for (const json& cause : document) {
      if (cause.is_string()) add_words(words, cause.get<std::string>());
    }
  } else if (document.is_string()) {
    add_words(words, document.get<std::string>());
  } else {
    add_words(words, body);
  }
  if (words.empty()) words = fmt::format("cloud-hypervisor answered {}", status);
  return vmm_line(words, longest_words);
}

}  // namespace agentvm::hypervisor
