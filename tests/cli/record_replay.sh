#!/usr/bin/env bash
# Records a program here and now, with fork, exec and a pipe, and replays it with every translation
# checked, on each machine there is.
#
#   record_replay.sh MMUSIM SOURCE_DIR
set -eu
program=$1 source=$2
command -v valgrind >/dev/null || { echo "valgrind is not installed"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
MMUSIM=$program "$source/scripts/record-lackey" -o fresh.mmt -- \
  sh -c 'cat /etc/passwd | sort | head -n 3; ls / > /dev/null'
"$program" trace verify fresh.mmt
"$program" trace info --scan fresh.mmt
for machine in $("$program" list machines | cut -d' ' -f1); do
  "$program" replay fresh.mmt --machine "$machine" --check --quiet --csv "$machine.csv" >/dev/null
  # More than one process ran, and the MMU did something.
  awk -F, -v machine="$machine" '
    $1 == "run.instructions" { instructions = $2 }
    $1 == "kernel.forks" || $1 == "kernel.forks.shared" { forks += $2 }
    $1 == "mmu.walks" || $1 == "mmu.traps" { walks += $2 }
    $1 == "check.translations" { checks = $2 }
    $1 == "access.refused" { refused = $2 }
    END {
      print machine ": " instructions " instructions, " forks " forks, " walks " walks, " checks " checks"
      exit !(instructions > 100000 && forks >= 3 && walks > 100 && checks > instructions && refused == 0)
    }' "$machine.csv"
done
