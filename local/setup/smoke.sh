#!/usr/bin/env bash
# Uses a deployment as people would and checks what only a real account can show: URL=… KEY=… (ENVIRONMENT=staging).
# Where wrangler is signed in to its account, the logs of both Workers are read meanwhile.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=local/setup/account.sh
source local/setup/account.sh
: "${URL:?the address of the deployment, such as http://localhost:8787}" "${KEY:?an API key of one of its users}"
[ -x target/debug/friend-dev ] || local/setup/build.sh

logs=() tails=() printed=()
for configuration in wrangler.toml wrangler.consumers.toml; do
    # Of a deployment on this machine nobody deployed anything.
    [[ $URL == https://* ]] && [ -f "$(deployed $configuration)" ] && printed+=(--deployed "$(deployed $configuration)")
done
stop() { for tail in "${tails[@]}"; do kill "$tail" 2>/dev/null || true; done; }
trap stop EXIT
# Nobody else's logs are of use: a deployment on this machine has none with CPU times.
if [[ $URL == https://* ]] && wrangler whoami --json >/dev/null 2>&1; then
    for worker in "claudes-$friend" "claudes-$friend-consumers"; do
        log=.tools/$worker.tail.json
        "${wrangler[@]}" tail "$worker" --format json >"$log" 2>/dev/null &
        tails+=($!) logs+=(--logs "$log")
    done
    printf '==> reading the logs of both Workers meanwhile\n' >&2
    sleep 5 # until both are connected; nothing says when
fi
target/debug/friend-dev smoke "${logs[@]}" "${printed[@]}"
