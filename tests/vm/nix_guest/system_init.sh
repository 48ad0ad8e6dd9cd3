#!/nix/store/sw/bin/sh
# system_init.sh - the init of a made-up NixOS: as much of its activation and of systemd as a run of agentvm meets.
PATH=/nix/store/sw/bin
mkdir -p /etc /run /tmp /home/agent /run/agentvm /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
chmod 1777 /tmp
chown 1000:1000 /home/agent
echo 'root:x:0:0::/root:/nix/store/sw/bin/sh' >/etc/passwd
echo 'agent:x:1000:1000::/home/agent:/nix/store/sw/bin/sh' >>/etc/passwd
printf 'root:x:0:\nwheel:x:1:root,agent\ndocker:x:131:agent\nagent:x:1000:\n' >/etc/group
for word in $(cat /proc/cmdline); do
  case $word in
    # systemd mounts the id over a file that it may not write.
    systemd.machine_id=*)
      echo "${word#*=}" >/run/machine-id
      : >/etc/machine-id
      mount -o bind /run/machine-id /etc/machine-id
      ;;
    test.workspace=mounted)
      mkdir -p /workspace
      mount -t virtiofs workspace /workspace
      ;;
    agentvm.transport=*) linked=yes ;;
  esac
done
[ -z "${linked:-}" ] || /nix/store/agentvm/bin/agentvm-guest serve
echo o >/proc/sysrq-trigger
sleep 60
