# utils.nix - a stand-in for what NixOS passes to modules as `utils`: names of units.
#
# nixpkgs, nixos/lib/utils.nix (7beb50e, 2026-07-14): escapeSystemdPath escapes these bytes and no others, so that a path with
# letters beyond ASCII gives a name which unitNameType (types.nix) refuses. Paths with ".." throw there, too.
let
  escaped = {
    " " = "20"; "!" = "21"; "\"" = "22"; "#" = "23"; "$" = "24"; "%" = "25"; "&" = "26"; "'" = "27"; "(" = "28"; ")" = "29";
    "*" = "2a"; "+" = "2b"; "," = "2c"; ";" = "3b"; "<" = "3c"; "=" = "3d"; ">" = "3e"; "?" = "3f"; "@" = "40"; "[" = "5b";
    "\\" = "5c"; "]" = "5d"; "^" = "5e"; "`" = "60"; "{" = "7b"; "|" = "7c"; "}" = "7d"; "~" = "7e"; "-" = "2d";
  };
  bytes = builtins.attrNames escaped;
  parts = path: builtins.filter (part: builtins.isString part && part != "" && part != ".") (builtins.split "/" path);
in
{
  escapeSystemdPath =
    path:
    let
      text = builtins.concatStringsSep "/" (parts path);
      safe = builtins.replaceStrings bytes (map (byte: "\\x${escaped.${byte}}") bytes) (if text == "" then "/" else text);
      dotted = if builtins.substring 0 1 safe == "." then "\\x2e" + builtins.substring 1 (-1) safe else safe;
    in
    if builtins.elem ".." (parts path) then
      throw "escapeSystemdPath: ${path} is not a normalized path"
    else
      builtins.replaceStrings [ "/" ] [ "-" ] dotted;
}
