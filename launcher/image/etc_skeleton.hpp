// etc_skeleton.hpp - the few parts of the host's /etc and /var that programs in its /usr cannot do without.
//
// An allow-list of names, nothing else: the dynamic linker's cache, certificates, /etc/alternatives, the time zone,
// language runtimes' own configuration, tables of names; of /var what packages are installed and which alternatives
// there are. Nothing where a password or a token is customary (maven/settings.xml, npmrc, pip.conf, wgetrc are not in
// it). Only regular files that everybody may read and symbolic links are taken, no link is followed, and files have a
// size limit: a secret that strays into one of these directories with its usual 0600 mode stays out.
#pragma once

#include <string>
#include <vector>

namespace agentvm::image {

/// One thing to carry over.
struct EtcEntry {
  enum class Kind { directory, file, link } kind = Kind::file;
  std::string name;         ///< relative to the tree, "ssl/certs/ca-certificates.crt"
  std::string target = {};  ///< of a link
  unsigned permissions = 0644;
  std::string identity;  ///< size, inode, mtime, mode or target: changes whenever the content may have
};

/// What is there below `etc`, parents first, sorted.
std::vector<EtcEntry> etc_skeleton(const std::string& etc);
/// Likewise below `var`.
std::vector<EtcEntry> var_skeleton(const std::string& var);

}  // namespace agentvm::image
