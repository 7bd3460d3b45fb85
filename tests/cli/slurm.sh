#!/usr/bin/env bash
# A sweep on a cluster: Slurm's own daemons, brought up for this test on this host with two nodes of a CPU
# each, and ended with it. Where the user may, each node has a host name and a /tmp of its own, and shares
# with the others nothing but the test's folder, as hosts of a cluster do. 24 points are handed over; in the midst of them a worker is killed, and
# then a node is lost, its daemon, steps and workers together, which Slurm has to find out for itself, and begins the
# node's task anew on the other. `sweep status` says what is missing then, the killed worker's, and `sweep resume`
# has it done. All results are byte for byte those of the local sweep. Nothing
# of the system's own Slurm is touched: state, sockets, keys and ports are the test's.
#
#   slurm.sh MMUSIM SOURCE_DIR
set -eu
program=$(readlink -f "$1")
source "$(dirname "$(readlink -f "$0")")/begin.sh"
for tool in munged slurmctld slurmd sbatch squeue scancel; do
  command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin:/sbin
  command -v "$tool" >/dev/null || fail "$tool is not there: packages slurm-wlm and munge"
done
mmusim() { "$program" "$@"; }

daemons=()
started() { daemons+=("$!"); }
ended() {
  [[ ${#daemons[@]} -eq 0 ]] || kill "${daemons[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap ended EXIT

# Ports that nobody listens at.
port=$((20000 + $$ % 20000))
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || (exec 3<>"/dev/tcp/127.0.0.1/$((port + 1))") 2>/dev/null ||
  (exec 3<>"/dev/tcp/127.0.0.1/$((port + 2))") 2>/dev/null; do
  port=$((port + 3))
done
user=$(id -un)
mkdir -m 755 munge state spool
(umask 077 && head -c 128 /dev/urandom >munge.key)
munged --force --foreground --key-file="$work/munge.key" --socket="$work/munge/socket" \
  --pid-file="$work/munge/pid" --seed-file="$work/munge/seed" --num-threads=2 >munged.log 2>&1 &
started
# as_node NAME COMMAND...: on the host of that name.
as_node() {
  local name=$1
  shift
  [[ $own_hosts ]] || exec "$@"
  # shellcheck disable=SC2016
  exec unshare --mount --uts --propagation private sh -ec '
    hostname "$1"
    mount --bind "$2" /mnt
    mount -t tmpfs none /tmp
    mkdir -p "$2"
    mount --move /mnt "$2"
    shift 2
    exec "$@"' as_node "$name" "$work" "$@"
}
own_hosts=yes
(as_node n1 "$program" --version) >/dev/null 2>&1 || own_hosts=
hosts=$(hostname)
[[ ! $own_hosts ]] || hosts=n[1-2]
cat >slurm.conf <<END
ClusterName=mmusim
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool/%n
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd-%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
NodeName=n[1-2] NodeHostname=$hosts NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + 2))] CPUs=1
PartitionName=all Nodes=n[1-2] Default=YES MaxTime=INFINITE State=UP
END
export SLURM_CONF=$work/slurm.conf
# The daemons soon miss a node that is lost: each look at it takes them MessageTimeout. (It begins its
# tasks anew once credentials for the lost one have expired.)
{ cat slurm.conf && printf 'SlurmdTimeout=6\nMessageTimeout=3\nReturnToService=2\n'; } >daemons.conf
# waited WHAT COMMAND...: until it is so.
waited() {
  local what=$1 i
  shift
  for ((i = 0; i < 600; ++i)); do
    ! "$@" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  tail -n 5 ./*.log
  fail "$what"
}
waited "munged does not come up" test -S munge/socket
slurmctld -D -i -c -f "$work/daemons.conf" >slurmctld.log 2>&1 &
started
for node in n1 n2; do
  (as_node "$node" slurmd -D -N "$node" -f "$work/daemons.conf") >"$node.log" 2>&1 &
  started
done
daemon_of_n2=$!
both_idle() { [[ $(sinfo -h -N -t idle -o %N | sort -u | wc -l) -eq 2 ]]; }
waited "the nodes do not come up" both_idle

# Each on a host of its own: what a task writes to /tmp is not here.
if [[ $own_hosts ]]; then
  sbatch -Q -W -w n2 -o of_host.txt --wrap 'hostname; ls -A /tmp' >/dev/null
  grep -qx n2 of_host.txt || fail "not on a host of its own: $(cat of_host.txt)"
  [[ $(tail -n +2 of_host.txt) == "$(basename "$work")" ]] || fail "shares /tmp: $(cat of_host.txt)"
fi

# 24 points, of which each takes some seconds with --check at a limit, so that there is a midst.
cat >points.sweep <<'END'
[sweep]
traces = pipeline
machines = tiny, zen2
page_tables = mlpt, gpt
[set]
run.limit = 2M
run.check = true
[vary]
tlb.l2.entries = 64..2048 x2
END
mmusim sweep points.sweep -o local -q >/dev/null
! mmusim sweep status local 2>err.txt || fail "a local sweep has a status of Slurm's"
grep -q 'handed to Slurm' err.txt
mmusim sweep points.sweep -o cluster --slurm --tasks 8 --html page.html --plot >submitted.txt
grep -q '24 runs' submitted.txt
done_some() { [[ $(find cluster/runs -name '*.json' | wc -l) -ge 2 ]]; }
waited "no task does anything" done_some

# A worker is killed.
job=$(sed -n 's/^job *\([0-9]*\),.*/\1/p' submitted.txt)
# It may come to its end before the signal does: then another one is.
a_worker_is_killed() {
  local worker
  worker=$(pgrep -n -f "^$program sweep points.sweep -o cluster .*--share")
  [[ -n $worker ]] && kill -KILL "$worker" 2>/dev/null
}
waited "no task is at work" a_worker_is_killed
mmusim sweep status cluster >status.txt
grep -qE '24 for 24 points: [0-9]+ are there' status.txt
grep -qE "slurm +job $job: " status.txt
# at_work_on NODE: the tasks there, and the steps that watch over them, of which the tasks are children.
at_work_on() {
  local process parent
  for process in $(pgrep -f "^$program sweep points.sweep -o cluster .*--share"); do
    tr '\0' '\n' 2>/dev/null <"/proc/$process/environ" | grep -qx "SLURMD_NODENAME=$1" || continue
    while [[ $process -gt 1 ]]; do
      echo "$process"
      [[ $(cat "/proc/$process/comm" 2>/dev/null) != slurmstepd* ]] || break
      process=$(sed -n 's/^PPid:\t//p' "/proc/$process/status" 2>/dev/null) || break
    done
  done
}
# A node is lost: all at once, so that nothing there can tell anybody.
# They are stopped first, lest the task come to its end meanwhile.
works_on_n2() {
  local process
  lost=$(at_work_on n2)
  [[ $(wc -l <<<"$lost") -ge 2 ]] || return 1
  # shellcheck disable=SC2086
  kill -STOP $lost || return 1
  for process in $lost; do
    grep -q '^State:.Z' "/proc/$process/status" || continue
    # shellcheck disable=SC2086
    kill -CONT $lost
    return 1
  done
}
waited "n2 does nothing that a step watches over" works_on_n2
# shellcheck disable=SC2086
kill -KILL "$daemon_of_n2" $lost
# Beside a task nobody else writes the folder's table.
! flock --shared cluster/lock "$program" sweep points.sweep -o cluster -q 2>err.txt || fail "two sweeps in one folder"
grep -q 'another sweep is at work' err.txt
no_job() { [[ -z $(squeue -h -j "$job" 2>/dev/null) ]]; }
is_down() { [[ $(sinfo -h -N -n n2 -o %t) == down* ]]; }
waited "the loss of n2 is not noticed" is_down
# ... and its task begun anew.
waited "the job does not end" no_job
grep -q 'requeue job .* due to failure of node n2' slurmctld.log || fail "no task of n2 was begun anew"
there=$(find cluster/runs -name '*.json' | wc -l)
[[ $there -lt 24 ]] || fail "all is done, the killed worker's runs too"
mmusim sweep status cluster | grep -q "$there are there, $((24 - there)) missing"

# What is missing is handed over again, and the table written when all is there.
mmusim sweep resume cluster --slurm="--time=10" --tasks 2 >again.txt
grep -q "$((24 - there)) runs" again.txt
all_done() { [[ $(find cluster/runs -name '*.json' | wc -l) -eq 24 ]]; }
waited "the second job does not end" all_done
job=$(sed -n 's/^job *\([0-9]*\),.*/\1/p' again.txt)
waited "the second job does not end" no_job
# Figures are for who asked for all.
[[ ! -e page.html ]] || fail "a task wrote the page"
mmusim sweep resume cluster -q >resumed.txt
grep -q '0 done now, 24 found, 0 failed' resumed.txt
grep -q '</html>' page.html
rm -r cluster/slurm
diff -r local cluster
echo good
