# agentvm.nix - the package of agentvm: everything but the program inside the guest, which agentvm-guest.nix makes.
{
  lib,
  stdenv,
  cmake,
  ninja,
  pkg-config,
  makeWrapper,
  boost,
  cli11,
  fmt,
  libnl,
  libseccomp,
  libvirt,
  nftables,
  nghttp2,
  nlohmann_json,
  openssl,
  pugixml,
  spdlog,
  tomlplusplus,
  zlib,
  bubblewrap,
  cloud-hypervisor,
  qemu_kvm,
  virtiofsd,
  agentvm-guest,
  # Sources, their version, and the flake reference under which definitions find them again.
  src,
  version,
  flakeReference,
}:
stdenv.mkDerivation {
  pname = "agentvm";
  inherit src version;

  nativeBuildInputs = [
    cmake
    ninja
    pkg-config
    makeWrapper
  ];
  buildInputs = [
    boost
    cli11
    fmt
    libnl
    libseccomp
    libvirt
    nftables
    nghttp2
    nlohmann_json
    openssl
    pugixml
    spdlog
    tomlplusplus
    zlib
  ];
  cmakeFlags = [
    (lib.cmakeBool "AGENTVM_TESTS" false)
    (lib.cmakeBool "AGENTVM_GUEST_PROGRAM" false)
    (lib.cmakeFeature "AGENTVM_FLAKE" flakeReference)
  ];

  postInstall = ''
    install -D ${agentvm-guest}/libexec/agentvm/agentvm-guest $out/libexec/agentvm/agentvm-guest
    for shell in bash fish zsh; do $out/bin/agentvm completion $shell > agentvm.$shell; done
    install -Dm644 agentvm.bash $out/share/bash-completion/completions/agentvm
    install -Dm644 agentvm.fish $out/share/fish/vendor_completions.d/agentvm.fish
    install -Dm644 agentvm.zsh $out/share/zsh/site-functions/_agentvm
    # Behind the caller's own PATH: another virtiofsd or QEMU there wins.
    wrapProgram $out/bin/agentvm --suffix PATH : ${
      lib.makeBinPath [
        bubblewrap
        cloud-hypervisor
        qemu_kvm
        virtiofsd
      ]
    }
  '';

  meta = {
    description = "Virtual machines for coding agents";
    license = lib.licenses.mit;
    mainProgram = "agentvm";
    platforms = [ "x86_64-linux" ];
  };
}
