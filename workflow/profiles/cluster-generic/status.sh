#!/bin/sh
# Says of one of Slurm's jobs: running, success or failed.  Snakemake gives its id, and runs this where it runs itself.
#
# squeue comes first: the controller knows every job that waits or runs, and for a while (MinJobAge, 300 s unless your
# cluster says otherwise) those that ended, with accounting and without. Three things may be learned from it:
# - a state: one that is final decides, and all others go on (a job that was preempted goes back into the queue on most
#   clusters; where it does not, it is over once the controller has forgotten it);
# - that the controller does not answer: that tells nothing of the job, which goes on running or waiting;
# - that there is no such job (any more): then it is over, and only the accounting, if there is one, knows how it ended.
# `scontrol show job` asks the same controller, so it knows no more.
#
# A job that is over and that nobody knows counts as failed, and is submitted again. Nothing is lost by it but the time
# of that job: the same recipe makes the same bytes. 'success' could leave an older product in the place of a new one,
# and 'running' would wait for ever.
job=$1
patience=600  # s that the accounting may lag behind; where there is none, there is nothing to wait for
mark=slurm_logs/.unknown-$job  # since when the controller does not know the job

end() {
    rm -f "$mark"
    echo "$1"
    exit 0
}

decide() {
    case $1 in
    COMPLETED) end success ;;
    BOOT_FAIL | CANCELLED* | DEADLINE | FAILED | NODE_FAIL | OUT_OF_MEMORY | TIMEOUT) end failed ;;
    esac
}

said=$(squeue --noheader --states=all --jobs="$job" --format=%T 2>&1)
code=$?
state=$(printf '%s\n' "$said" | grep -x '[A-Z_][A-Z_]*' | head -n 1)  # without what warnings there are
decide "$state"
case $code:$state:$said in
0::* | *"Invalid job id"*) ;;  # no such job
*)
    echo running
    exit 0
    ;;
esac

said=$(sacct --allocations --noheader --parsable2 --jobs="$job" --format=State 2>&1)
code=$?
state=$(printf '%s\n' "$said" | grep -x '[A-Z_][A-Z_]*\( by .*\)\{0,1\}' | head -n 1)
decide "$state"
case $code:$state:$said in
*:PREEMPTED:* | 127:* | *"accounting storage is disabled"*) end failed ;;  # it does not come back; nobody can tell
esac

now=$(date +%s)
{ mkdir -p slurm_logs && [ -s "$mark" ] || echo "$now" >"$mark"; } 2>/dev/null || end failed
since=$(cat "$mark")
[ $((now - since)) -lt $patience ] || end failed
echo running
