# agentvm-guest.nix - the package of the one program inside the guest: static, called with pkgsStatic.
{
  lib,
  stdenv,
  cmake,
  ninja,
  pkg-config,
  boost,
  nghttp2,
  nlohmann_json,
  src,
  version,
}:
stdenv.mkDerivation {
  pname = "agentvm-guest";
  inherit src version;

  nativeBuildInputs = [
    cmake
    ninja
    pkg-config
  ];
  buildInputs = [
    boost
    nghttp2
    nlohmann_json
  ];
  cmakeFlags = [
    (lib.cmakeBool "AGENTVM_TESTS" false)
    (lib.cmakeBool "AGENTVM_GUEST_ONLY" true)
  ];

  # Beside the launcher's other helpers, and where a NixOS service looks.
  postInstall = ''
    mkdir -p $out/bin
    ln -s ../libexec/agentvm/agentvm-guest $out/bin/agentvm-guest
  '';

  meta = {
    description = "The program of agentvm inside a guest";
    license = lib.licenses.mit;
    mainProgram = "agentvm-guest";
    platforms = lib.platforms.linux;
  };
}
