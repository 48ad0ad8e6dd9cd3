#!/bin/sh
# nix_style.sh - every .nix file is as nixfmt writes it (RFC 166), and statix and deadnix have nothing to say of it.
# usage: nix_style.sh ROOT. AGENTVM_NIXFMT, AGENTVM_STATIX and AGENTVM_DEADNIX name programs that are not on PATH; the flake's
# devShell nix-style has all three. Exit code 77 when one is missing and the others have nothing to say.
set -eu
cd "$1"

# The first line of what it says of itself: crates.io has a statix and others may have a nixfmt which are something else.
says() {
  "$1" --version 2>/dev/null </dev/null | head -n 1 | grep -Eq "$2"
}

missing=
tool() {
  if command -v "$1" >/dev/null && says "$1" "$2"; then return 0; fi
  missing="$missing $3"
  return 1
}

files=$(find . -path './build*' -prune -o -path './.git' -prune -o -name '*.nix' -type f -print | LC_ALL=C sort)
[ -n "$files" ] || { echo "there is no .nix file below $1"; exit 1; }
set --
for file in $files; do
  case $file in
    # What the program writes (vmspec/render/nix.cpp), as it writes it.
    ./tests/unit/vmspec/data/*) ;;
    *) set -- "$@" "$file" ;;
  esac
done

failed=0
if tool "${AGENTVM_NIXFMT:-nixfmt}" '^nixfmt' nixfmt; then
  "${AGENTVM_NIXFMT:-nixfmt}" --check "$@" || failed=1
fi
if tool "${AGENTVM_STATIX:-statix}" '^statix 0\.' statix; then
  # It reads ./statix.toml, and takes one path at a time.
  for file; do "${AGENTVM_STATIX:-statix}" check -o errfmt "$file" || failed=1; done
fi
if tool "${AGENTVM_DEADNIX:-deadnix}" '^deadnix' deadnix; then
  "${AGENTVM_DEADNIX:-deadnix}" --fail -o human-readable "$@" || failed=1
fi

[ "$failed" -eq 0 ] || exit 1
echo "$# files"
if [ -n "$missing" ]; then
  echo "missing:$missing"
  exit 77
fi
