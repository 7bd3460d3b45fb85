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
trace import --format lack|lackey'

# shellcheck source=/dev/null
source ./bash.sh
while IFS='|' read -r line wanted; do
  # shellcheck disable=SC2206
  COMP_WORDS=(mmusim $line)
  COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
  COMPREPLY=()
  _mmusim || true  # as of what it asked last
  [[ "${COMPREPLY[*]}" == "$wanted" ]] || fail "bash: $line: ${COMPREPLY[*]}, not $wanted"
done <<<"$cases"
COMP_WORDS=(mmusim replay x --machine = zen)
COMP_CWORD=5
_mmusim || true
[[ "${COMPREPLY[*]}" == zen2 ]] || fail "bash: --machine=zen: ${COMPREPLY[*]}"

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
