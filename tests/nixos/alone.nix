# alone.nix - a definition's own runner on this machine: its VMM, its virtiofsd. @NAME@ is put in by own_runner.py.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  program =
    name: path:
    pkgs.runCommand name {
      meta.mainProgram = name;
    } "mkdir -p $out/bin && ln -s ${path} $out/bin/${name}";
in
{
  microvm = {
    # Whoever prepared the directory may have put a stub in its place.
    declaredRunner = lib.mkOverride 10 config.microvm.runner.${config.microvm.hypervisor};
    hypervisor = "@HYPERVISOR@";
    vcpu = lib.mkForce (lib.toInt "@VCPUS@");
    # This machine may have no /dev/vhost-vsock, and alone nobody speaks over it.
    vsock.cid = lib.mkForce null;
    cloud-hypervisor.package = program "cloud-hypervisor" "@CLOUD_HYPERVISOR@" // {
      version = "53.0";
    };
    # A CPU that is named is an emulated one, of QEMU.
    cpu = if config.microvm.hypervisor == "qemu" then "max" else null;
    qemu = {
      # microvm.nix's runner leaves parts of its own QEMU out.
      package = lib.makeOverridable (_: program "qemu-system-x86_64" "@QEMU@") { };
      machine = "q35";
      machineOpts.accel = "tcg";
    };
    # As root it is given a limit of open files that root of a container may not have.
    virtiofsd.package = pkgs.writeTextFile {
      name = "virtiofsd";
      executable = true;
      destination = "/bin/virtiofsd";
      text = "#!/bin/bash\nexec @VIRTIOFSD@ \"\${@/#1048576/$(ulimit -Hn)}\"\n";
      meta.mainProgram = "virtiofsd";
    };
  };

  # A status line moves three times a second, and each byte of it takes an exit of a VM that may be emulated twice.
  boot.kernelParams = lib.mkAfter [ "systemd.show_status=false" ];

  # What boots may have programs of another distribution, whose util-linux comes without this module.
  security.pam.services.login.lastlog.enable = lib.mkForce false;

  # virtiofsd-run is supervisord on a file of programs; these are all of it that is needed here.
  nixpkgs.overlays = [
    (_: prev: {
      python3Packages = prev.python3Packages // {
        supervisor = program "supervisord" "@SUPERVISORD@";
      };
      writers = prev.writers // {
        writePython3 =
          _: _: file:
          file;
      };
    })
  ];
}
