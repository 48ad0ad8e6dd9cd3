// come_up.cpp - small acts of coming up: published ports, what the guest is told, what callers see of it.
#include <nlohmann/json.hpp>

#include "base/unix_time.hpp"
#include "launcher/machine/share_server.hpp"
#include "launcher/state/identity.hpp"
#include "launcher/supervisor/supervisor.hpp"

namespace agentvm::supervisor {

void Supervisor::publish_ports() {
  for (const auto& port : spec_.publish) {
    auto publisher = std::make_shared<gateway::PortPublisher>(port.address, port.port, port.guest_port);
    const auto control = [this] { return ready_ && machine_.linked() ? machine_.control() : link::SessionPtr(); };
    tasks_.spawn(gateway::PortPublisher::serve(publisher, control));
    published_.push_back(std::move(publisher));
  }
}

guest::GuestSetup Supervisor::guest_setup() const {
  guest::GuestSetup setup;
  setup.hostname = spec_.hostname;
  setup.machine_id = spec_.machine_id;
  setup.inode_limit = workspace::inode_limit();
  // It was somebody's to be before it was known whose: from here on its random numbers are this run's own.
  if (spec_.pooled) setup.entropy = state::random_bytes(32);
  for (const auto& share : spec_.shares) setup.mounts.push_back({share.tag, share.mount_point, share.read_only});
  for (const auto& file : spec_.files) {
    setup.files.push_back({file.path, file.content, file.target, file.mode, file.uid, file.gid, file.directory});
  }
  for (const auto& server : spec_.mcp) setup.services.push_back("mcp/" + server.name);
  if (spec_.model) {
    setup.services.emplace_back("model");
    setup.model_port = guest::model_tcp_port;
  }
  return setup;
}

void Supervisor::step(const std::string& name, const std::string& text) {
  events_.add("step", {{"step", name}, {"text", text}});
}

std::int64_t Supervisor::since_start() const {
  return spec_.started_unix_ms > 0 ? unix_ms() - spec_.started_unix_ms : 0;
}

}  // namespace agentvm::supervisor
