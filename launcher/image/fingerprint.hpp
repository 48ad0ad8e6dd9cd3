// fingerprint.hpp - the SHA-256 of what something is made of: the name of its place in a cache.
#pragma once

#include <memory>
#include <string>

struct evp_md_ctx_st;

namespace agentvm::image {

/// SHA-256 (FIPS 180-4) of texts, each ended by a NUL byte so that no two lists of texts are alike.
class Fingerprint {
 public:
  Fingerprint();
  void line(const std::string& text);
  /// A file by what changes whenever its content may have changed: path, device, inode, size, time. Throws Error when
  /// it cannot be looked at; one that is missing counts as missing.
  void file(const std::string& path);
  /// In hexadecimal; nothing may be added afterwards.
  std::string hex();

 private:
  std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

}  // namespace agentvm::image
