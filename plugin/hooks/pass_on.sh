#!/bin/sh
# Passes a hook of Claude Code on to the friend and prints its answer: by the program `friend` where it is installed,
# else by curl, else not at all. Whatever goes wrong, it says nothing and succeeds: nobody's work waits for the friend.
#
#     pass_on.sh EVENT < the hook's input
#
# FRIEND_HOOKS names the events that are passed on; all of them without it, none where it is empty.
event=$1
case " ${FRIEND_HOOKS-session-start user-prompt-submit pre-compact stop session-end} " in
    *" $event "*) ;;
    *) exit 0 ;;
esac
input=$(cat)
patience=1
[ "$event" = session-start ] && patience=3

by_friend() {
    command -v friend >/dev/null && printf '%s' "$input" | friend hook "$event"
}

# The project's git remote, without a password that stands in it; nothing where that is a folder of this machine. A
# host without a user before it (`work:owner/name`) is told from a word by its scheme.
project() {
    git remote get-url origin 2>/dev/null | sed -nE -e '/^file:/d' -e 's#^([a-z+]+://)[^/@]*@#\1#' \
        -e 's#^([A-Za-z0-9._-]{2,}):([^/])#ssh://\1/\2#' \
        -e '\#^([a-z+]+://|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:)[A-Za-z0-9._:/~+-]+$#p'
}

# What Claude Code gives, with the project in the place of paths of this machine, which stay here.
named() {
    paths='cwd|transcript_path|agent_transcript_path|scratchpad_dir'
    # In one line, as what is looked for may stand in two.
    input=$(printf '%s' "$input" | sed -e ':join' -e '$!N' -e '$!b join' -e 's/\n/ /g')
    input=$(printf '%s' "$input" | sed -E 's#"('$paths')"[[:space:]]*:[[:space:]]*"([^"\\]|\\.)*"#"\1":""#g')
    project=$(project)
    case $input in
        '{'*'"'*'}') ;;
        *) return 1 ;;
    esac
    if [ -n "$project" ]; then printf '{"project":"%s",%s' "$project" "${input#?}"; else printf '%s' "$input"; fi
}

# An answer that says what Claude is told, and nothing else.
told() {
    text='"([^"\\]|\\.)*"'
    sed -nE '/^\{"hookSpecificOutput":\{("(hookEventName|additionalContext)":'"$text"',?)+\}\}$/p'
}

# The key stands in what curl reads, not among its arguments, where every process of the machine sees it.
by_curl() {
    command -v curl >/dev/null && [ -n "$FRIEND_URL" ] && [ -n "$FRIEND_KEY" ] || return
    body=$(named) || return
    printf '%s' "$body" | curl --silent --fail --max-time "$patience" --config /dev/fd/3 --data-binary @- \
        --header 'Content-Type: application/json' "${FRIEND_URL%/}/hooks/claude-code" 3<<KEY | told
header = "Authorization: Bearer $FRIEND_KEY"
KEY
}

# Nothing but what Claude is told, at the beginning of a session and of a turn: whatever else is answered on the way
# there, the model would read it as if it were ours, and Claude Code would do what it says.
answer=$(by_friend 2>/dev/null) || answer=$(by_curl 2>/dev/null) || exit 0
case $event:$answer in
    session-start:'{"hookSpecificOutput":{'*'}}' | user-prompt-submit:'{"hookSpecificOutput":{'*'}}')
        printf '%s\n' "$answer" ;;
esac
exit 0
