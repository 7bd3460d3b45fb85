#!/usr/bin/env bash
# Recordings made here and now, held against what can be counted by hand: instructions and accesses,
# lives of processes, exit statuses; and what is left of them when the program, the user or a signal
# ends one.
#
#   record.sh MMUSIM SOURCE_DIR
set -euo pipefail
program=$(readlink -f "$1")
source=$(readlink -f "$2")
command -v qemu-x86_64 >/dev/null || { echo "qemu-user is not installed"; exit 1; }
. "$(dirname "$0")/begin.sh"

# Runs a recording; its status must be the first argument. `said` holds stderr.
record() {
  local expected=$1 status=0
  shift
  "$program" record "$@" </dev/null >out.txt 2>said.txt || status=$?
  said=$(cat said.txt)
  [[ $status -eq $expected ]] || fail "record $*: status $status, not $expected: $said"
}
sound() {  # sound TRACE: whole, of a sensible history, and every reference where something is mapped
  "$program" trace verify -q "$1" >verified.txt || fail "$1 is not sound: $(cat verified.txt)"
  grep -q remark verified.txt && fail "$1: $(cat verified.txt)"
  true
}
events() {  # events TRACE KIND: how many
  "$program" trace dump --events "$1" | awk -v kind="$2" '$2 == kind' | wc -l
}
replays() {  # replays TRACE [OPTION]...
  "$program" replay "$@" --machine skylake-sp --check -q --csv counters.csv >/dev/null ||
    fail "$1 cannot be replayed"
}
counter() { awk -F, -v name="$1" '$1 == name { print $2 }' counters.csv; }
expect() {  # expect WHAT HAVE WANT
  [[ $2 == "$3" ]] || fail "$1 is '$2', not '$3'"
}

# Every instruction and access, counted by hand.
as -o counted.o "$source/tests/cli/data/counted.s"
ld -o counted counted.o
record 7 -o counted.mmt -- ./counted
sound counted.mmt
replays counted.mmt
expect instructions "$(counter run.instructions)" 500009
expect loads "$(counter run.loads)" 100001
expect stores "$(counter run.stores)" 100100
expect "read and written back" "$(counter run.modifies)" 100000
expect "implied pages" "$(counter kernel.implied.pages)" 0

# Which files were mapped: by build id, or by their code, which stripping leaves as it is; and a profile sees another.
identity() { "$program" trace dump --events "$1" | sed -n "s#.*mapped file \\([^ ]*\\) $PWD/$2\"#\\1#p"; }
echo 'int main(void) { return 0; }' >small.c
gcc -o small small.c
record 0 -o small.mmt -- ./small
expect "build id" "$(identity small.mmt small)" "build-id:$(readelf -n small | sed -n 's/.*Build ID: //p')"
code=$(identity counted.mmt counted)
[[ $code == code:* ]] || fail "counted is known by '$code'"
strip counted
record 7 -o stripped.mmt -- ./counted
expect "stripped code" "$(identity stripped.mmt counted)" "$code"
"$program" profile small.mmt -q --sort function >profile.txt 2>said.txt
expect warnings "$(grep -c small said.txt)" 0
gcc -O1 -Wl,--build-id=0x12345678 -o small small.c
"$program" profile small.mmt -q --sort function >profile.txt 2>said.txt
grep -qF "$PWD/small is another file than the recorded one: build-id:12345678" said.txt || fail "not told: $(cat said.txt)"

# The program's descriptors are its own: nothing of the recorder's is open in it.
record 0 -o descriptors.mmt -- ls /proc/self/fd
ls /proc/self/fd </dev/null >own.txt 2>/dev/null
expect descriptors "$(cat out.txt)" "$(cat own.txt)"

# Exceptions that the program handles, in the middle of blocks.
as -o faults.o "$source/tests/cli/data/faults.s"
ld -o faults faults.o
record 0 -o faults.mmt -- ./faults
sound faults.mmt
replays faults.mmt
expect instructions "$(counter run.instructions)" 1611
expect loads "$(counter run.loads)" 100
expect stores "$(counter run.stores)" 200
expect "read and written back" "$(counter run.modifies)" 100

# A block that changes its own code.
as -o self.o "$source/tests/cli/data/self.s"
ld -N -o self self.o 2>/dev/null
record 0 -o self.mmt -- ./self
sound self.mmt
replays self.mmt
expect instructions "$(counter run.instructions)" 54
expect stores "$(counter run.stores)" 10

# Minor faults as many as on this computer. Another kernel may map more or fewer pages around one.
gcc -O1 -o minor_faults "$source/tests/cli/data/minor_faults.c"
zero_page=$(./minor_faults)
for run in "arena 1M 50" "sort 256K" "sparse 1M 1000"; do
  read -r name arguments <<<"$run"
  gcc -std=gnu11 -O2 -static -o "$name" "$source/workloads/programs/$name.c"
  own=$(./minor_faults "./$name" $arguments)
  record 0 -o "$name.mmt" -- "./$name" $arguments
  replays "$name.mmt" --kernel.zero_page="$zero_page"
  replayed=$(counter kernel.faults.minor)
  [[ $own -ge 20 && $((replayed > own ? replayed - own : own - replayed)) -le $((own / 50 + 5)) ]] ||
    fail "$run: $replayed minor faults replayed, $own here"
done

# At the end of a page.
as -o page_end.o "$source/tests/cli/data/page_end.s"
ld -o page_end page_end.o
record 0 -o page_end.mmt -- ./page_end
sound page_end.mmt
replays page_end.mmt
expect instructions "$(counter run.instructions)" 9009
expect loads "$(counter run.loads)" 1002
expect stores "$(counter run.stores)" 1002
expect "read and written back" "$(counter run.modifies)" 1000

# However many threads compress, the file is the same.
for compressors in 0 1 3; do
  record 7 -q --chunk 64K --compressors $compressors -o c$compressors.mmt -- ./counted
  "$program" trace dump c$compressors.mmt | sed -E 's/^\[[0-9]+\/[0-9]+\]//' | md5sum >c$compressors.txt
done
cmp -s c0.txt c1.txt && cmp -s c0.txt c3.txt || fail "the traces differ by compressors"
# Page streams are those asked for, and can be added.
streams() { "$program" trace info "$1" | sed -n 's/^page streams *//p'; }
for pages in none sets any; do
  record 7 -q --pages $pages -o $pages.mmt -- ./counted
done
expect "without page streams" "$(streams none.mmt)" "none (trace prepare adds some)"
expect "page streams for sets" "$(streams sets.mmt)" "in 1 chunk for first levels with sets, in 0 for any"
expect "page streams for any" "$(streams any.mmt)" "in 1 chunk for first levels with sets, in 1 for any"
expect "page streams if not asked for" "$(streams c0.mmt)" "$(streams none.mmt)"
for trace in none sets; do
  "$program" trace prepare -q $trace.mmt >/dev/null
  expect "page streams added" "$(streams $trace.mmt)" "$(streams any.mmt)"
done
record 2 --pages 40 -o any.mmt -- ./counted

# A script: fork, exec, pipes, exit statuses, and what signals end. Its output is its own.
cat >script <<'END'
#!/bin/sh
echo one two | cat | cat
(exit 4)
sh -c 'kill -SEGV $$' 2>/dev/null
sh -c 'kill -KILL $$' 2>/dev/null
./missing 2>/dev/null
exit 5
END
chmod +x script
ulimit -c 0
record 5 -o script.mmt -- ./script
expect output "$(cat out.txt)" "one two"
sound script.mmt
replays script.mmt
# echo | cat | cat: three; then four more. Those that exec: the script, cat twice, sh twice.
expect forks "$(events script.mmt fork)" 7
expect execs "$(events script.mmt exec)" 5
expect exits "$(events script.mmt exit)" 8
for status in 0 1024 11 9 32512; do
  "$program" trace dump --events script.mmt | grep -qE " wait .* status=$status\$" ||
    fail "no wait has status $status"
done
"$program" trace dump --events script.mmt | grep -q 'arguments=\["/bin/sh" "./script"\]' ||
  fail "the script's interpreter is not there"

# Threads.
cat >threads.c <<'END'
#include <pthread.h>
#include <sys/mman.h>
static void* work(void* unused) {
  char* p = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 1 << 20; i += 4096) p[i] = 1;
  munmap(p, 1 << 20);
  return unused;
}
int main(void) {
  pthread_t threads[8];
  for (int i = 0; i < 8; ++i) pthread_create(&threads[i], 0, work, 0);
  for (int i = 0; i < 8; ++i) pthread_join(threads[i], 0);
  return 0;
}
END
gcc -O1 -o threads threads.c -pthread
record 0 -o threads.mmt -- ./threads
sound threads.mmt
replays threads.mmt
expect "threads made" "$(events threads.mmt fork)" 8
expect "threads ended" "$(events threads.mmt exit)" 9
expect "implied pages" "$(counter kernel.implied.pages)" 0
# 256 pages each, besides what the program needs anyway.
[[ $(counter kernel.faults.anon) -ge 2048 ]] || fail "fewer new pages than were written"

# mremap leaves and moves what Linux leaves and moves.
gcc -O1 -o remap "$source/tests/cli/data/remap.c"
./remap >native.txt
record 0 -o remap.mmt -- ./remap
cmp -s native.txt out.txt || fail "mremap: $(diff native.txt out.txt)"
[[ $(grep -c stays out.txt) -ge 4 ]] || fail "what mremap may leave is moved: $(cat out.txt)"
sound remap.mmt
replays remap.mmt
expect "implied pages" "$(counter kernel.implied.pages)" 0

# A signal ends the program; what was recorded is whole.
record 137 -o killed.mmt -- sh -c 'kill -KILL $$'
sound killed.mmt
expect exits "$(events killed.mmt exit)" 1

# Ctrl-C ends the program, and the trace is whole. That timeout passes it on twice makes no second.
status=0
timeout --preserve-status -s INT 2 "$program" record -q -o interrupted.mmt -- \
  sh -c 'while :; do :; done' 2>said.txt || status=$?
expect status $status 130
grep "interrupted twice" said.txt && fail "one signal is taken for two"
sound interrupted.mmt

# The recorder is killed: the program goes on, and what there is can be read.
"$program" record -q --chunk 64K -o torn.mmt -- sh -c 'while :; do :; done' &
recorder=$!
for _ in $(seq 300); do
  [[ -e torn.mmt.partial && $(stat -c %s torn.mmt.partial) -gt 20000 ]] && break
  sleep 0.1
done
child=$(cat /proc/$recorder/task/$recorder/children)
kill -KILL $recorder
wait $recorder 2>/dev/null || true
kill -0 ${child% } || fail "the program ended with its recorder"
kill -KILL ${child% }
"$program" trace verify -q torn.mmt.partial 2>said.txt && fail "a torn trace is taken for whole"
grep -q accept-torn said.txt || fail "no advice about a torn trace: $(cat said.txt)"
"$program" trace verify -q --accept-torn torn.mmt.partial >/dev/null || fail "the torn trace is unsound"

# Arguments for QEMU are for that of the program, or of the ISA that is named.
record 7 --qemu-arg=sparc64:-cpu --qemu-arg=sparc64:nonsense -o arguments.mmt -- ./counted
for of in "" x86_64:; do
  record 1 --qemu-arg=$of-cpu --qemu-arg=${of}nonsense -o arguments.mmt -- ./counted
  [[ $said == *"CPU model 'nonsense'"* ]] || fail "the argument is not QEMU's: $said"
done

# More processes than may live at one time.
record 137 --most-threads 8 -o many.mmt -- \
  sh -c 'for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 60 & done; wait'
[[ $said == *"more than 8 processes and threads"* ]] || fail "the limit is not told: $said"
sound many.mmt

# Programs that fork without end: each takes a ring, and none gets its second.
bomb="bomb() { bomb | bomb & wait; }; : $PWD; bomb"
record 137 --most-threads 4 -o bomb.mmt -- sh -c "$bomb"
[[ $said == *"more than 4 processes and threads"* ]] || fail "the limit is not told: $said"
pgrep -f -- "[b]omb & wait; }; : $PWD" >/dev/null && fail "processes of a bomb are left"
sound bomb.mmt

# What cannot be recorded: one line, and no file.
refused() {  # refused STATUS TEXT ARGUMENTS...
  local status=$1 text=$2
  shift 2
  record "$status" -o refused.mmt "$@"
  [[ $said == "mmusim: error: "*"$text"* && $(wc -l <said.txt) -eq 1 ]] || fail "record $*: $said"
  compgen -G 'refused.mmt*' >/dev/null && fail "record $* left $(ls refused.mmt*)"
  true
}
refused 127 "no such program" -- there-is-no-such-program
cp counted own
record 2 -o own -- ./own
[[ $said == *"'own' is what it would be made of"* ]] || fail "a recording over its program: $said"
cmp counted own || fail "a program was recorded over"
refused 127 "No such file" -- ./missing
echo "not a program" >text
mkdir bad
cp text bad/qemu-x86_64
chmod +x bad/qemu-x86_64
PATH=$PWD/bad:$PATH refused 126 "cannot be started: Exec format error" -- ./counted
refused 126 "Permission denied" -- ./text
chmod +x text
refused 126 "neither an ELF program nor a script" -- ./text
refused 126 "is a program for x86_64, not for sparc64" --isa sparc64 -- ./counted
refused 2 "cannot be recorded" --isa vax -- ./counted
refused 2 "no program is named"
if [[ $(id -u) -eq 0 ]]; then
  cp counted privileged
  chown nobody privileged
  chmod u+s privileged
  refused 126 "rights of another user" -- ./privileged
fi
echo "recorded, replayed, interrupted and refused as it should be"
