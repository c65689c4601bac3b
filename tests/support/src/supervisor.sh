# shellcheck shell=bash
# Runs one program for an owner and leaves nothing behind, whatever happens to the owner.
# Arguments: SCRATCH PROGRAM [ARGUMENT...]. Standard input is a pipe whose other end only the owner holds.
#
# - The program leads a session of its own, so one signal reaches it and all that it starts (setsid).
# - The watcher reads the pipe: its end means the owner is gone, by whatever death, and sweeps.
# - Those that left the session are found by their working folder, if that is the scratch folder.
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
# The program works where its owner wants it to, the supervisor in nobody's way.
home=$(cd "$scratch" && pwd -P)
cd /

# The processes of the program: those of its group, and those without a terminal at work in the scratch folder, for
# PostgreSQL's backends lead sessions of their own. The dead that wait for their parent do not count.
remaining() {
    local stat line fields inside
    inside=$(find /proc/[0-9]*/cwd \( -lname "$home" -o -lname "$home/*" \) -printf '%h/ ' || true)
    for stat in /proc/[0-9]*/stat; do
        { read -r line <"$stat"; } || continue
        # After the name in parentheses: state, parent, group, session, terminal (proc_pid_stat(5)).
        read -r -a fields <<<"${line##*) }"
        [[ ${fields[0]} == [ZX] ]] && continue
        if [[ ${fields[2]} == "$program" || (${fields[4]} == 0 && " $inside" == *" ${stat%stat} "*) ]]; then
            echo "${stat//[^0-9]/}"
        fi
    done
} 2>/dev/null

# The kernel keeps System V shared memory until somebody removes it; a killed PostgreSQL does not.
forget_shared_memory() {
    local id creator
    while read -r _ id _ _ creator _; do
        if [[ $creator == "$program" ]]; then ipcrm -m "$id" || true; fi
    done </proc/sysvipc/shm
}

sweep() {
    local attempts=0 left
    # By its own id as well: between fork and setsid it has no group yet.
    kill -s KILL "$program" || true
    kill -s KILL -- "-$program" || true
    # The dying may still write; the folder is removed when they are dead, or after two seconds.
    while mapfile -t left < <(remaining) && ((${#left[@]} > 0 && attempts++ < 100)); do
        kill -s KILL "${left[@]}" || true
        sleep 0.02
    done
    forget_shared_memory || true
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
