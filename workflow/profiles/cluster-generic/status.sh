#!/bin/sh
# Says of one of Slurm's jobs: running, success or failed.  Snakemake gives its id, and runs this where it runs itself.
#
# squeue comes first: the controller knows every job that waits or runs, and for a while (MinJobAge, 300 s unless your
# cluster says otherwise) those that ended, with accounting and without. It is asked for all jobs at once, and what it
# said is kept for some seconds, so that many jobs do not ask for many answers. Three things may be learned of a job:
# - a state: one that is final decides, and all others go on (a job that was preempted goes back into the queue on most
#   clusters; where it does not, it is over once the controller has forgotten it);
# - that the controller does not answer: that tells nothing of the job, which goes on running or waiting;
# - that there is no such job (any more): then it is over, and only the accounting, if there is one, knows how it ended.
# `scontrol show job` asks the same controller, so it knows no more.
#
# A job that is over and that nobody knows counts as failed, and is submitted again. Nothing is lost by it but the time
# of that job: the same recipe makes the same bytes. 'success' could leave an older product in the place of a new one,
# and 'running' would wait for ever.
job=${1%%;*}  # sbatch may add the name of its cluster
logs=slurm_logs
keep=3  # s that an answer of squeue is good for
patience=600  # s that the accounting may lag behind; where there is none, there is nothing to wait for
list=$logs/.states  # when squeue was asked, and what it said of all jobs
mark=$logs/.unknown-$job  # since when the controller does not know the job
now=$(date +%s)

end() {
    rm -f "$mark"
    echo "$1"
    exit 0
}

go_on() {
    echo running
    exit 0
}

decide() {
    case $1 in
    COMPLETED) end success ;;
    BOOT_FAIL | CANCELLED* | DEADLINE | FAILED | NODE_FAIL | OUT_OF_MEMORY | TIMEOUT) end failed ;;
    esac
}

find_state() {  # among lines of a command, which may be warnings
    printf '%s\n' "$1" | sed -n 's/^\([A-Z_]\{1,\}\)\( by .*\)\{0,1\}$/\1/p' | head -n 1
}

list_jobs() {
    {
        echo "$now"
        squeue --noheader --states=all --user="$(id -un)" --format='%i %T'
    } >"$list.$$" && mv -f "$list.$$" "$list" || rm -f "$list" "$list.$$"
} 2>/dev/null

find_listed() {
    sed -n "s/^$job //p" "$list" 2>/dev/null
}

asked=$(head -n 1 "$list" 2>/dev/null)
state=
[ $((now - ${asked:-0})) -ge $keep ] || state=$(find_listed)
[ -n "$state" ] || { list_jobs; state=$(find_listed); }
decide "$state"
[ -z "$state" ] || go_on

said=$(squeue --noheader --states=all --jobs="$job" --format=%T 2>&1)
code=$?
state=$(find_state "$said")
decide "$state"
case $code:$state:$said in
0::* | *"Invalid job id"*) ;;  # no such job
*) go_on ;;
esac

said=$(sacct --allocations --noheader --parsable2 --jobs="$job" --format=State 2>&1)
code=$?
state=$(find_state "$said")
decide "$state"
case $code:$state:$said in
*:PREEMPTED:* | 127:* | *"accounting storage is disabled"*) end failed ;;  # it does not come back; nobody can tell
esac

{ mkdir -p $logs && [ -s "$mark" ] || echo "$now" >"$mark"; } 2>/dev/null || end failed
since=$(cat "$mark")
[ $((now - since)) -lt $patience ] || end failed
go_on
