# shellcheck shell=bash
# Runs one program for an owner and leaves nothing behind, whatever happens to the owner.
# Arguments: SCRATCH PROGRAM [ARGUMENT...]. Standard input is a pipe whose other end only the owner holds.
#
# - The program leads a session of its own, so one signal reaches it and all that it starts (setsid).
# - The watcher reads the pipe: its end means the owner is gone, by whatever death, and sweeps.
# - Should this supervisor be killed, the kernel kills the program (setpriv --pdeathsig), and the watcher the rest.
# - The first line on standard output is the program's process id.
set -euo pipefail

scratch=$1
shift
exec 3<&0
# A pipe without a name: the program starts when the watcher is there.
exec 4<> <(:)

# shellcheck disable=SC2016 # The inner shell expands these.
setsid setpriv --pdeathsig KILL bash -c 'read -r _ <&4; exec 4>&-; echo "$$"; exec "$@"' testbed "$@" </dev/null 3<&- &
program=$!

# Whether any process of the program's group still runs; the dead that wait for their parent do not count.
group_runs() {
    local stat line fields
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } 2>/dev/null || continue
        # After the name in parentheses: state, parent, group (proc_pid_stat(5)).
        read -r -a fields <<<"${line##*) }"
        [[ ${fields[2]} == "$program" && ${fields[0]} != [ZX] ]] && return 0
    done
    return 1
}

sweep() {
    local attempts=0
    # By its own id as well: between fork and setsid it has no group yet.
    kill -s KILL "$program" || true
    kill -s KILL -- "-$program" || true
    # The dying may still write; the folder is removed when they are dead, or after two seconds.
    while group_runs && ((attempts++ < 100)); do
        sleep 0.02
    done
    rm -rf -- "$scratch"
}

(
    while read -r _ <&3; do :; done
    sweep
) >/dev/null 2>&1 4>&- &
watcher=$!
echo >&4
# The shell's own remarks on killed jobs are not output of the program.
exec 2>/dev/null 3<&- 4>&-

code=0
wait "$program" || code=$?
kill -s KILL "$watcher" || true
sweep
exit "$code"
