# shellcheck shell=bash
# A plan of steps, most of them done once. Sourced by install.sh and build.sh, which say what the steps are.
#
# A step is skipped when its stamp names the version that is wanted, so a warm run takes milliseconds. The others are
# counted first: each then says its place, about how long it takes, and about how long is left in all.
tools=$PWD/.tools
mkdir -p "$tools/stamps"

names=() versions=() durations=() messages=() # of the steps that will run, in order
began=$SECONDS                                # when the first of them began
done_of_plan=0                                # seconds that the steps done so far were expected to take

say() { printf '==> %s\n' "$*" >&2; }

# plan NAME VERSION SECONDS MESSAGE: puts a step on the plan unless it was done for that version.
# SECONDS is what it takes on two cores; 0 for what happens while something else is compiled.
plan() {
    [ "$(cat "$tools/stamps/$1" 2>/dev/null)" = "$2" ] && return
    names+=("$1") versions+=("$2") durations+=("$3") messages+=("$4")
}

# place_of NAME: its place on the plan, from 0; fails for what is not on it.
place_of() {
    local place=0
    while [ $place -lt ${#names[@]} ]; do
        if [ "${names[place]}" = "$1" ]; then echo $place; return; fi
        place=$((place + 1))
    done
    return 1
}

# about SECONDS: "20 seconds", "3 minutes".
about() { if [ "$1" -lt 90 ]; then echo "$1 seconds"; else echo "$((($1 + 30) / 60)) minutes"; fi; }

# Seconds until the plan is done, at the speed that this machine has shown so far.
left() {
    local duration all=0
    for duration in "${durations[@]}"; do all=$((all + duration)); done
    if [ $done_of_plan -lt 20 ]; then echo $all; return; fi
    echo $(((all - done_of_plan) * (SECONDS - began) / done_of_plan))
}

# announce PLACE
announce() {
    local when=meanwhile
    [ "${durations[$1]}" = 0 ] || when="about $(about "${durations[$1]}"); $(about "$(left)") left in all"
    printf '[%d/%d] %s (%s)\n' $(($1 + 1)) ${#names[@]} "${messages[$1]}" "$when" >&2
}

# Shows every half minute what a step is at, as long as the script lives. Its sleep holds no pipe open.
heartbeat() {
    local line
    while sleep 30 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        line=$(tail -n 1 "$1")
        [ -z "$line" ] || printf '      %.100s\n' "$line" >&2
    done
}

# step NAME FUNCTION: runs the function if the step is on the plan, with its output in .tools/NAME.log.
step() {
    local place log=$tools/$1.log status pulse
    place=$(place_of "$1") || return 0
    announce "$place"
    : >"$log"
    heartbeat "$log" &
    pulse=$!
    set +e # not `|| status=$?`: that would let the function go on after what fails in it
    (set -e; "$2") >"$log" 2>&1
    status=$?
    kill $pulse
    wait $pulse 2>/dev/null
    set -e
    if [ $status != 0 ]; then
        tail -n 40 "$log" >&2
        say "$1 failed; the whole log is $log"
        exit 1
    fi
    grep '^==> ' "$log" >&2 || true # what it says is for the screen, too
    printf '%s' "${versions[place]}" >"$tools/stamps/$1"
    done_of_plan=$((done_of_plan + durations[place]))
}
