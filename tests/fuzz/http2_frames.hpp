// http2_frames.hpp - turns a fuzzer's bytes into well-formed HTTP/2 frames, so that they get past the first checks.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <string>

namespace agentvm::fuzz {

/// Which end of the link the fuzzer plays.
enum class Playing { client, server };

/// The connection preface of that end (RFC 9113, 3.4) and then as many frames as the input yields. Lengths are true
/// except in the one kind of frame that lies about them; field blocks are mostly decodable HPACK.
std::string http2_conversation(FuzzedDataProvider& input, Playing playing);

}  // namespace agentvm::fuzz
