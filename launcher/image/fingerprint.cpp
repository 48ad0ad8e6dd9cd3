// fingerprint.cpp - the SHA-256 of what something is made of.
#include "launcher/image/fingerprint.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.hpp"

namespace agentvm::image {

Fingerprint::Fingerprint() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
    throw Error("SHA-256 is not available");
}

void Fingerprint::line(const std::string& text) {
  const std::string terminated = text + '\0';
  if (EVP_DigestUpdate(context_.get(), terminated.data(), terminated.size()) != 1) throw Error("SHA-256 failed");
}

void Fingerprint::file(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) < 0) {
    if (errno != ENOENT) throw system_error(errno, "reading " + path);
    return line(path + " is missing");
  }
  line(fmt::format("{} {} {} {} {}.{}", path, info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec,
                   info.st_mtim.tv_nsec));
}

std::string Fingerprint::hex() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_.get(), digest, &size) != 1) throw Error("SHA-256 failed");
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

}  // namespace agentvm::image
