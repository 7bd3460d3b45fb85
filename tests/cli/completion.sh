#!/usr/bin/env bash
# What bash and zsh complete, each asked as at its prompt.
#
#   completion.sh MMUSIM
set -eu
program=$(readlink -f "$1")
tests=$(dirname "$(readlink -f "$0")")
source "$tests/begin.sh"
mkdir bin functions
ln -s "$program" bin/mmusim
PATH=$PWD/bin:$PATH
mmusim completion bash >bash.sh
mmusim completion zsh >functions/_mmusim
cp "$(dirname "$tests")/../workloads/traces/pipeline.mmt" mine.mmt
touch sweep.json

# A line as typed, up to where the key is pressed, and what it becomes, each of what it may become
# for bash.
cases='replay pip|pipeline
re|replay report record
trace imp|import
replay x --mach|--machine
replay x -m zen|zen2
compare x -m zen2,ultrasparc-i|zen2,ultrasparc-i zen2,ultrasparc-iii
replay x --page-table cl|clustered
run qui|quickstart
sweep second|second-level-tlb
workload simulate for|fork
trace info mi|mine.mmt
replay x --tlb.l2.ent|--tlb.l2.entries=
trace import --format lack|lackey
trace export --format lack|
trace import x --drmem|--drmemtrace.isa=
trace import x --help-format cham|champsim
record --isa sparc6|sparc64
record --placement q|qemu
record --pages an|any
profile x --by trap|traps
profile x --sort process,func|process,function
explain x --access mod|modify
trace dump x --kinds load,madv|load,madvise
trace info x --table footp|footprint
curve x --pages 4K,64|4K,64K
compare x --base zen|zen2
sweep x --counters tlb.l2.misses,kernel.execs|tlb.l2.misses,kernel.execs
sweep x --vary tlb.l2.ent|tlb.l2.entries=
replay x --machine=zen|zen2
replay x --tlb.l1d.replacement=pl|plru
replay x --run.check=f|false
trace import x --drmemtrace.isa=aar|aarch64
sweep x --vary tlb.l1d.replacement=lru,fi|lru,fifo
replay x --help-keys pag|paging
completion zs|zsh
compare x -t zen|zen2=
compare x --trace zen2=pip|pipeline
report swee|sweep.json'

# shellcheck source=/dev/null
source ./bash.sh
# What stands for a value is something to choose from, or known to be none.
free='N|M|K/N|PID|TID|SIZE|PERCENT|ADDRESS|FIRST-LAST|ENTRIES:WAYS|ARG|OPTIONS|SECTION'
chosen=':.*|(MACHINE|KIND|COUNTER|TRACE|SCRIPT|CONFIG|SWEEP|SET|FILE|DIR|JSON)(\|[A-Z]+)*|KEY=A,B|MACHINE=TRACE'
sed -n "s/^ *values='\(.*\)'/\1/p" bash.sh | tr ' ' '\n' | sed 's/^[^=]*=//; s/,\.\.\.$//' | sort -u >values.txt
[[ $(wc -l <values.txt) -gt 20 ]] || fail "values: $(cat values.txt)"
! grep -vxE "|$free|$chosen" values.txt || fail "bash: nobody knows what these are"
while IFS='|' read -r line wanted; do
  # bash takes each = for a word of its own.
  # shellcheck disable=SC2206
  COMP_WORDS=(mmusim ${line//=/ = })
  [[ $line != *= ]] || COMP_WORDS+=("")
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMPREPLY=()
  _mmusim || true  # as of what it asked last
  [[ "${COMPREPLY[*]}" == "$wanted" ]] || fail "bash: $line: ${COMPREPLY[*]}, not $wanted"
done <<<"$cases"

# zsh's own completion, in a terminal of its own; of several it puts in what they have in common.
cat >ask.zsh <<'END'
zmodload zsh/zpty
zpty asked 'TERM=dumb zsh -f -i'
zpty -w asked 'PS1=@''@; unsetopt zle_bracketed_paste; fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -D;'
zpty -r asked out '*@@*'
while IFS='|' read -r line wanted; do
  # Completed, then taken as an argument of echo in place of being run.
  zpty -n -w asked "mmusim $line"$'\t\x01echo \x05 '"'<'"$'\n'
  zpty -r asked out $'*<\r*@@*'
  print -r -- "$line|$wanted|${${out//$'\r'/ }//$'\n'/ }"
done
zpty -d asked
END
status=0
timeout 60 zsh -f ask.zsh <<<"$cases" >zsh.txt 2>&1 || status=$?
[[ $status -eq 0 && $(wc -l <zsh.txt) -eq $(wc -l <<<"$cases") ]] || { cat zsh.txt; fail "zsh: status $status"; }
while IFS='|' read -r line wanted out; do
  [[ $line != re ]] || continue  # two of them
  grep -qF -- "${wanted%% *}" <<<"$out" || fail "zsh: $line: $out, not $wanted"
done <zsh.txt
echo good
