#!/usr/bin/env bash
# QEMUs whose interface for plug-ins is newer than that of the one here (fake_qemu.cc): recorded, or
# refused with the version in what is said.
#
#   record_versions.sh MMUSIM FAKE_QEMU
set -euo pipefail
program=$(readlink -f "$1")
fake=$(readlink -f "$2")
[[ $(uname -m) == x86_64 ]] || { echo "left out: not on this computer"; exit 0; }
. "$(dirname "$0")/begin.sh"
mkdir bin
ln -s "$fake" bin/qemu-x86_64

record() {  # record STATUS MIN CUR
  local status=0
  FAKE_QEMU_VERSIONS="$2 $3" PATH=$PWD/bin:$PATH "$program" record -o t.mmt -- /bin/true \
    >/dev/null 2>said.txt || status=$?
  [[ $status -eq $1 ]] || fail "version $2 to $3: status $status: $(cat said.txt)"
}
record 0 2 2
record 0 2 6
"$program" trace info t.mmt >info.txt
grep -qE '^instructions +6 in 3 blocks' info.txt || fail "not what was executed: $(cat info.txt)"
grep -qE '^data accesses +3 \(3 loads' info.txt || fail "not what was accessed: $(cat info.txt)"
rm t.mmt

grep -q 'does not show what it has mapped' said.txt || fail "an image is missing in silence"
grep -q 'cannot be told where mappings go' said.txt || fail "the places are not said to be QEMU's"
grep -q 'Placement of mappings: QEMU' info.txt || fail "the places are not QEMU's: $(cat info.txt)"

record 126 2 7
grep -q 'version 7.*1 to 6' said.txt || fail "the version is not said: $(cat said.txt)"
record 126 7 7
grep -q 'version 2 is not in 7 to 7' said.txt || fail "QEMU does not refuse: $(cat said.txt)"
grep -q '^mmusim: error: qemu-x86_64: did not load the plug-in' said.txt || fail "$(cat said.txt)"
compgen -G 't.mmt*' >/dev/null && fail "$(ls t.mmt*) is left"

# One that was built without plug-ins, as Debian 13's: any program is.
ln -sf /bin/true bin/qemu-x86_64
record 126 2 2
grep -q '^mmusim: error: .*/bin/qemu-x86_64: cannot load plug-ins' said.txt || fail "$(cat said.txt)"
echo "newer interfaces are served or refused"
