#!/usr/bin/env bash
# A recording's instructions, bytes loaded and stored, and pages, held against QEMU's own counters
# (count_plugin.cc) and Valgrind's lackey.
#
#   record_counts.sh MMUSIM COUNT_PLUGIN TRACE_COUNTS SOURCE_DIR
set -euo pipefail
program=$(readlink -f "$1")
plugin=$(readlink -f "$2")
trace_counts=$(readlink -f "$3")
source=$(readlink -f "$4")
[[ $(uname -m) == x86_64 ]] || { echo "left out: not on this computer"; exit 0; }
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 1; }
. "$(dirname "$0")/begin.sh"

# The start of a program depends on its environment and CPU: the same for all. Valgrind's CPU is
# Intel's and has no fast string instructions.
alone() {
  env -i LC_ALL=C PATH=/usr/bin:/bin \
    GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1000000000 "$@"
}
qemu=qemu-x86_64 model=(-cpu Haswell) record_model=(--qemu-arg=-cpu --qemu-arg=Haswell)
# counts PROGRAM [ARGUMENT]...: in trace.txt and qemu.txt.
counts() {
  alone "$qemu" "${model[@]}" -plugin "$plugin",out=qemu.txt "$@" >out.txt 2>/dev/null
  # At QEMU's own places, where the run above had it.
  alone "$program" record --placement qemu "${record_model[@]}" -o t.mmt -- "$@" \
    >recorded.txt 2>said.txt
  cmp -s out.txt recorded.txt || fail "$1 prints something else when it is recorded"
  # QEMU counts each iteration of a string instruction, and how it ends.
  local repeats
  repeats=$(sed -n 's/.*; \([0-9,]*\) iterations of string.*/\1/p' said.txt | tr -d ,)
  "$trace_counts" t.mmt | awk -v repeats="${repeats:-0}" \
    '$1 == "instructions" { $2 += repeats } { print }' >trace.txt
}
value() { awk -v name="$2" '$1 == name { print $2 }' "$1"; }
close_to() {  # close_to WHAT HAVE WANT PARTS_OF_A_THOUSAND
  awk -v have="$2" -v want="$3" -v most="$4" \
    'BEGIN { d = have > want ? have - want : want - have; exit !(want > 0 && d * 1000 <= want * most) }' ||
    fail "$1: $2, not $3 to within $4 of 1000"
}

gcc -std=gnu11 -O1 -static "$source/workloads/programs/sort.c" -o sort
seq 300 -1 1 >lines.txt
for command in "$PWD/sort 16K" "/usr/bin/sort lines.txt"; do
  counts $command
  diff qemu.txt trace.txt >difference.txt || fail "$command: QEMU, trace: $(head difference.txt)"
done

# Every other instruction set with a compiler and a QEMU here. What the counters do not know: 128 bytes
# stored by each dcbz of ppc64; SPARC's register windows, of 128 bytes too, for each of which the
# instruction that wanted it was begun once more, but for those that a trap of the program flushes.
check_isa() {  # check_isa ISA COMPILER [FLAGS]...
  local isa=$1 compiler=$2 windows store more
  shift 2
  "$compiler" -std=gnu11 -O2 -static "$@" "$source/workloads/programs/sort.c" -o foreign
  local qemu=qemu-$isa model=() record_model=()
  counts "$PWD/foreign" 16K
  windows=$(sed -n 's/.*; \([0-9,]*\) register windows.*/\1/p' said.txt | tr -d ,)
  more=$(($(value trace.txt store_bytes) - $(value qemu.txt store_bytes)))
  case $isa in
    ppc64*)
      [[ $more -ge 128 && $((more % 128)) -eq 0 ]] || fail "$isa: $more bytes more stored"
      sed -i "s/^store_bytes .*/store_bytes $(value qemu.txt store_bytes)/" trace.txt
      ;;
    sparc64)
      more=$((more + $(value trace.txt load_bytes) - $(value qemu.txt load_bytes)))
      [[ $windows -ge 10 && $more -eq $((128 * windows)) ]] || fail "$isa: $windows windows, $more bytes"
      more=$(($(value qemu.txt instructions) - $(value trace.txt instructions)))
      [[ $more -gt 0 && $more -le $windows ]] || fail "$isa: $more instructions fewer, $windows windows"
      sed -i '1,3d' trace.txt qemu.txt
      ;;
  esac
  diff qemu.txt trace.txt >difference.txt || fail "$isa: QEMU, trace: $(head difference.txt)"
  tried+=" $isa"
}
lackey=
tried=
each_isa check_isa <<'END'
i386 i686-linux-gnu-gcc
aarch64 aarch64-linux-gnu-gcc
arm arm-linux-gnueabihf-gcc
riscv64 riscv64-linux-gnu-gcc
ppc64 powerpc64-linux-gnu-gcc
ppc64le powerpc64le-linux-gnu-gcc
sparc64 sparc64-linux-gnu-gcc
alpha alpha-linux-gnu-gcc -Wl,--no-relax
END

# Lackey sets its own variables, so the start differs: what more work takes is compared. Without
# chasing, since instructions behind a branch count there even if they are not executed.
references() {  # ... of t.mmt: one that is read and written back is two
  "$program" trace info --scan t.mmt |
    sed -n 's/^data accesses *\([0-9,]*\) (.* \([0-9,]*\) modifies).*/\1 \2/p' | tr -d , |
    awk '{ print $1 + $2 }'
}
own_pages() { awk -v end="$end" 'length($2) <= length(end) && ($2 "") < end' | sort -u; }
while read -r name size less more; do
  gcc -std=gnu11 -O1 -static "$source/workloads/programs/$name.c" -o "$name"
  for work in "$less" "$more"; do
    counts "$PWD/$name" "$size" "$work"
    own_instructions[work]=$(value trace.txt instructions)
    own_references[work]=$(references)
    alone valgrind --tool=lackey --vex-guest-chase=no --basic-counts=yes --trace-mem=yes \
      --log-file=lackey.log "$PWD/$name" "$size" "$work" >/dev/null
    lackey_instructions[work]=$(sed -n 's/.*guest instrs: *//p' lackey.log | tr -d ,)
    lackey_references[work]=$(awk '/^ [LSM] / { n += $1 == "M" ? 2 : 1 } END { print n }' lackey.log)
  done
  close_to "$name: instructions" $((own_instructions[more] - own_instructions[less])) \
    $((lackey_instructions[more] - lackey_instructions[less])) 1
  close_to "$name: references" $((own_references[more] - own_references[less])) \
    $((lackey_references[more] - lackey_references[less])) 20
  # Heap and stack lie elsewhere. Code that looks at CPU and environment is not all the same.
  end=$(nm "$name" | sed -n "s/^0*\(.*\)... . _end$/\1/p")
  awk '/^(I | [LSM]) / {
         split($2, at, ",")
         page = substr(at[1], 1, length(at[1]) - 3)
         sub(/^0+/, "", page)
         print ($1 == "I" ? "code " : "data ") page
       }' lackey.log | own_pages >lackey.txt
  grep -E '^(code|data)' trace.txt | own_pages >own.txt
  same=$(comm -12 lackey.txt own.txt | wc -l)
  different=$(comm -3 lackey.txt own.txt | wc -l)
  [[ $same -ge 50 && $different -le 6 ]] ||
    fail "$name: $same pages the same, not $(comm -3 lackey.txt own.txt)"
  lackey+=" $name ($same pages the same, $different not)"
done <<'END'
sort 16K 1 2
btree 64K 100 400
sparse 1M 1000 4000
END
echo "instructions, bytes and pages are those of QEMU (x86_64$tried); lackey:$lackey"
