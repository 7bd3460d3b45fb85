# into_sweep.sh FOLDER PROCESS: until the sweep in FOLDER, which PROCESS is, has worked for 0.15 s
# of processor time, however fast or busy the computer is; or has ended.
ended() { grep -q '^State:.Z' "/proc/$1/status"; }
worked() { awk '{ print $14 + $15 }' "/proc/$1/stat"; } # ticks of 10 ms
until [ -e "$1/lock" ] || ended "$2"; do sleep 0.01; done
begin=$(worked "$2")
until [ $(($(worked "$2") - begin)) -ge 15 ] || ended "$2"; do sleep 0.01; done
