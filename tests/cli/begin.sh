# For the tests here to source, once their arguments are absolute paths: an empty folder to be in,
# which goes when the test ends, how one fails, and how one goes through instruction sets.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# each_isa COMMAND: of lines "ISA COMPILER [FLAGS]", COMMAND with these for each of which a compiler
# and a QEMU are here.
each_isa() {
  local isa compiler flags
  while read -r isa compiler flags; do
    # A cross compiler may be there without a library.
    if command -v "$compiler" >/dev/null && command -v "qemu-$isa" >/dev/null &&
      echo '#include <stdio.h>' | "$compiler" -E - >/dev/null 2>&1; then
      "$1" "$isa" "$compiler" $flags
    fi
  done
}
