#!/usr/bin/env bash
# Runs one case file of cases/ against the program.
#
#   run_case.sh CASE MMUSIM SOURCE_DIR
#
# A case is run line by line in an empty folder that is removed afterwards:
#   $ COMMAND          runs COMMAND with bash; mmusim, $source and $tmp are there. What it prints and
#                      its status are kept for the lines that follow; the status must be 0, unless
#   status N           the line right after says that it is N
#   out TEXT           stdout of the last command holds TEXT
#   out-line TEXT      ... has TEXT as one of its lines
#   err TEXT           stderr holds TEXT
#   not-out TEXT       stdout does not hold TEXT
#   no-out, no-err     nothing was printed there
#   one-error          stderr is exactly one line, and begins with "mmusim: error: "
#   files NAMES...     these files are in the folder, and no others
#   # ...              is a comment
set -u
case_file=$(readlink -f "$1")
program=$(readlink -f "$2")
export source=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export tmp program
logs=$tmp/.logs
mkdir "$tmp/work" "$logs"
cd "$tmp/work" || exit 1
mmusim() { "$program" "$@"; }
export -f mmusim

failures=0
number=0
status=0
pending=0   # a command has been run and its status not been looked at
command=""
fail() {
  failures=$((failures + 1))
  printf '%s:%d: %s\n  after: %s\n' "$(basename "$case_file")" "$number" "$*" "$command"
  printf -- '--- stdout\n'; head -c 2000 "$logs/out"
  printf -- '--- stderr\n'; head -c 2000 "$logs/err"
  printf -- '---\n'
}
settle() {  # the status nobody asked for must be 0
  if [[ $pending -eq 1 && $status -ne 0 ]]; then fail "status is $status, not 0"; fi
  pending=0
}
touch "$logs/out" "$logs/err"
# Reads what was printed into `said`, without a process, which would take about as long as most commands. A zero byte ends it.
listen() { IFS= read -r -d '' said <"$logs/$1"; }
holds() {  # holds out|err TEXT
  listen "$1"
  [[ -n $said && $said == *"$2"* ]]
}
has_line() {
  listen "$1"
  [[ -n $said && $'\n'${said%$'\n'}$'\n' == *$'\n'"$2"$'\n'* ]]
}
is_one_error() {
  listen err
  [[ $said == 'mmusim: error: '*$'\n' && ${said%$'\n'} != *$'\n'* ]]
}

while IFS= read -r line || [[ -n $line ]]; do
  number=$((number + 1))
  word=${line%% *}
  rest=${line#"$word"}
  rest=${rest# }
  case $word in
    '' | '#'*) ;;
    '$')
      settle
      command=$rest
      bash -c "$command" >"$logs/out" 2>"$logs/err" </dev/null
      status=$?
      pending=1
      ;;
    status)
      [[ $status -eq $rest ]] || fail "status is $status, not $rest"
      pending=0
      ;;
    *)
      settle
      case $word in
        out) holds out "$rest" || fail "stdout lacks: $rest" ;;
        out-line) has_line out "$rest" || fail "stdout lacks the line: $rest" ;;
        err) holds err "$rest" || fail "stderr lacks: $rest" ;;
        not-out) ! grep -qF -- "$rest" "$logs/out" || fail "stdout has: $rest" ;;
        no-out) [[ ! -s $logs/out ]] || fail "stdout is not empty" ;;
        no-err) [[ ! -s $logs/err ]] || fail "stderr is not empty" ;;
        one-error) is_one_error || fail "stderr is not one error line" ;;
        files)
          have=$(find . -mindepth 1 | sed 's|^\./||' | LC_ALL=C sort | tr '\n' ' ')
          want=$(tr ' ' '\n' <<<"$rest" | sed '/^$/d' | LC_ALL=C sort | tr '\n' ' ')
          [[ $have == "$want" ]] || fail "files are '$have', not '$want'"
          ;;
        *) fail "the case file says '$word', which is nothing" ;;
      esac
      ;;
  esac
done <"$case_file"
settle
[[ $failures -eq 0 ]]
