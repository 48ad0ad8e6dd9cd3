#!/bin/sh
# clang_format.sh - every C++ file is as clang-format 14 writes it with the .clang-format at the top.
# usage: clang_format.sh ROOT. Exit code 77 when the tool is missing.
set -eu
cd "$1"
if ! command -v clang-format-14 >/dev/null; then
  echo "clang-format-14 is not here (./dev setup installs it)"
  exit 77
fi
set --
for folder in base vmspec network guest launcher tests; do
  if [ -d "$folder" ]; then set -- "$@" "$folder"; fi
done
find "$@" -type f \( -name '*.cpp' -o -name '*.hpp' -o -name '*.c' \) -print0 |
  xargs -0 -n 40 -P 2 clang-format-14 --dry-run -Werror
