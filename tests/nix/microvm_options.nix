# microvm_options.nix - the options of microvm.nix that definitions and guest.nix use, with their types (options.nix).
#
# Of microvm.nix at the commit that world.nix names, all declared in nixos-modules/microvm/options.nix.
{
  "microvm.balloon" = "bool";
  "microvm.declaredRunner" = "package";
  "microvm.graphics.enable" = "bool";
  "microvm.hypervisor" = [
    "enum"
    "qemu"
    "cloud-hypervisor"
    "firecracker"
    "crosvm"
    "kvmtool"
    "stratovirt"
    "alioth"
    "vfkit"
  ];
  "microvm.initrdPath" = "path";
  "microvm.interfaces" = [
    "listOf"
    [
      "submodule"
      {
        bridge = [
          "nullOr"
          "str"
        ];
        id = "str";
        mac = "str";
        type = [
          "enum"
          "user"
          "tap"
          "macvtap"
          "bridge"
        ];
      }
    ]
  ];
  "microvm.kernel" = "package";
  "microvm.kernelParams" = [
    "listOf"
    "str"
  ];
  "microvm.machineId" = [
    "nullOr"
    "str"
  ];
  "microvm.mem" = "positive";
  "microvm.optimize.enable" = "bool";
  "microvm.shares" = [
    "listOf"
    [
      "submodule"
      {
        cache = [
          "enum"
          "auto"
          "always"
          "metadata"
          "never"
        ];
        extraArgs = [
          "listOf"
          "str"
        ];
        mountPoint = "path";
        posixAcl = "bool";
        proto = [
          "enum"
          "9p"
          "virtiofs"
        ];
        readOnly = "bool";
        socket = [
          "nullOr"
          "str"
        ];
        source = "nonEmptyStr";
        tag = "str";
      }
    ]
  ];
  "microvm.socket" = [
    "nullOr"
    "str"
  ];
  "microvm.storeDiskErofsFlags" = [
    "listOf"
    "str"
  ];
  "microvm.storeDiskType" = [
    "enum"
    "squashfs"
    "erofs"
  ];
  "microvm.storeOnDisk" = "bool";
  "microvm.user" = [
    "nullOr"
    "str"
  ];
  "microvm.vcpu" = "positive";
  "microvm.vsock.cid" = [
    "nullOr"
    "int"
  ];
  "microvm.writableStoreOverlay" = [
    "nullOr"
    "str"
  ];
}
