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
    # Behind the caller's own PATH: another virtiofsd or QEMU there wins. agentvm-poold is started by its unit, not by agentvm.
    for program in bin/agentvm libexec/agentvm/agentvm-poold; do
      wrapProgram $out/$program --suffix PATH : ${
        lib.makeBinPath [
          bubblewrap
          cloud-hypervisor
          qemu_kvm
          virtiofsd
        ]
      }
    done
  '';

  meta = {
    description = "Virtual machines for coding agents";
    license = lib.licenses.mit;
    mainProgram = "agentvm";
    platforms = [ "x86_64-linux" ];
  };
}
