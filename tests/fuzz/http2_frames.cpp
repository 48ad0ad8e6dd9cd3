// http2_frames.cpp - turns a fuzzer's bytes into well-formed HTTP/2 frames, so that they get past the first checks.
#include "tests/fuzz/http2_frames.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace agentvm::fuzz {

namespace {

// Frame types and flags of RFC 9113, section 6.
constexpr std::uint8_t type_data = 0, type_headers = 1, type_priority = 2, type_reset = 3, type_settings = 4;
constexpr std::uint8_t type_push = 5, type_ping = 6, type_goaway = 7, type_window = 8, type_continuation = 9;
constexpr std::uint8_t flag_end_stream = 1, flag_end_headers = 4;
constexpr std::size_t longest_payload = 16 * 1024;

void put(std::string& out, std::uint32_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>((value >> shift) & 0xff));
}

std::string frame(std::size_t length, std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                  std::string_view payload) {
  std::string out;
  put(out, static_cast<std::uint32_t>(length), 3);
  put(out, type, 1);
  put(out, flags, 1);
  put(out, stream, 4);
  return out.append(payload);
}

std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  return frame(payload.size(), type, flags, stream, payload);
}

/// A literal without indexing and without Huffman coding (RFC 7541, 6.2.2); both strings under 127 bytes.
void put_field(std::string& block, std::string_view name, std::string_view value) {
  block.push_back(0);
  block.push_back(static_cast<char>(name.size()));
  block.append(name);
  block.push_back(static_cast<char>(value.size()));
  block.append(value);
}

std::string field_block(FuzzedDataProvider& input, Playing playing) {
  constexpr std::array<std::string_view, 12> names = {":method",   ":path",          ":scheme",    ":authority",
                                                      ":status",   "exit-code",      "process-id", "connection",
                                                      "Uppercase", "content-length", ":unknown",   "x"};
  std::string block;
  if (input.ConsumeBool()) {  // the fields a real peer sends
    if (playing == Playing::client) {
      put_field(block, ":method", input.ConsumeBool() ? "POST" : "GET");
      put_field(block, ":scheme", "http");
      put_field(block, ":path", input.ConsumeBool() ? "/read" : "/echo");
    } else {
      put_field(block, ":status", input.ConsumeBool() ? "200" : "100");
    }
  }
  for (int count = input.ConsumeIntegralInRange(0, 6); count > 0; --count) {
    const std::string_view name = input.PickValueInArray(names);
    put_field(block, name, input.ConsumeRandomLengthString(40));
  }
  if (input.ConsumeIntegralInRange(0, 15) == 0) block += input.ConsumeRandomLengthString(64);  // broken HPACK
  return block;
}

std::uint32_t stream_number(FuzzedDataProvider& input) {
  if (input.ConsumeIntegralInRange(0, 31) == 0) return input.ConsumeIntegral<std::uint32_t>();
  return input.ConsumeIntegralInRange<std::uint32_t>(0, 15);
}

std::string next_frame(FuzzedDataProvider& input, Playing playing) {
  const std::uint32_t stream = stream_number(input);
  const std::uint8_t end = input.ConsumeBool() ? flag_end_stream : 0;
  std::string payload;
  switch (input.ConsumeIntegralInRange(0, 11)) {
    case 0:
    case 1:
      return frame(type_headers, static_cast<std::uint8_t>(flag_end_headers | end), stream,
                   field_block(input, playing));
    case 2:
      payload.assign(input.ConsumeIntegralInRange<std::size_t>(0, longest_payload), 'd');
      return frame(type_data, end, stream, payload);
    case 3:
      put(payload, input.ConsumeIntegralInRange<std::uint32_t>(0, 14), 4);
      return frame(type_reset, 0, stream, payload);
    case 4:
      for (int count = input.ConsumeIntegralInRange(0, 4); count > 0; --count) {
        put(payload, input.ConsumeIntegralInRange<std::uint32_t>(0, 8), 2);
        put(payload, input.ConsumeIntegral<std::uint32_t>(), 4);
      }
      return frame(type_settings, end, 0, payload);  // the bit of END_STREAM is ACK here
    case 5:
      put(payload, input.ConsumeIntegral<std::uint32_t>(), 4);
      return frame(type_window, 0, stream, payload);
    case 6:
      put(payload, 0, 4);
      put(payload, stream, 4);
      return frame(type_ping, end, 0, payload);
    case 7:
      put(payload, stream, 4);
      put(payload, 0, 4);
      return frame(type_goaway, 0, 0, payload);
    case 8:
      return frame(type_headers, end, stream, field_block(input, playing));  // a CONTINUATION must follow
    case 9:
      return frame(type_continuation, flag_end_headers, stream, field_block(input, playing));
    case 10: {  // a length that is not true
      payload = input.ConsumeRandomLengthString(64);
      return frame(input.ConsumeIntegralInRange<std::size_t>(0, 0xffffff), input.ConsumeIntegral<std::uint8_t>(),
                   input.ConsumeIntegral<std::uint8_t>(), stream, payload);
    }
    default:
      payload = input.ConsumeRandomLengthString(64);
      return frame(input.PickValueInArray({type_priority, type_push, std::uint8_t{10}, std::uint8_t{255}}),
                   input.ConsumeIntegral<std::uint8_t>(), stream, payload);
  }
}

}  // namespace

std::string http2_conversation(FuzzedDataProvider& input, Playing playing) {
  std::string out;
  if (playing == Playing::client) out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  out += frame(type_settings, 0, 0, "");
  while (input.remaining_bytes() > 0 && out.size() < std::size_t{1} << 20) out += next_frame(input, playing);
  return out;
}

}  // namespace agentvm::fuzz
