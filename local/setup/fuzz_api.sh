#!/usr/bin/env bash
# Tries all that the API's description allows, and what it does not, on a running product: schemathesis with all of its
# checks, EXAMPLES of each operation for each of SEEDS. URL and KEY say where. Each seed is run to its end.
# How long an answer or an example takes is not looked at: that is the machine's.
# REPEATABLE=1: what is tried follows from the seed alone, and from nothing that was answered.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
configuration=$root/tests/clients/schemathesis.toml
if [ -n "${REPEATABLE:-}" ]; then
    configuration=$PWD/schemathesis.toml
    cat "$root/tests/clients/schemathesis.toml" - >"$configuration" <<'END'

[phases.fuzzing]
error-feedback.enabled = false
extra-data-sources.responses = false
END
fi
status=0
for seed in ${SEEDS:-1 2}; do
    printf '==> %s examples of each operation, seed %s\n' "${EXAMPLES:-500}" "$seed"
    PYTHONPATH=$root/.tools/api PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=$root/tests/clients/hooks.py KEY=$KEY \
        python3 -c 'from schemathesis.cli import schemathesis; schemathesis()' \
        --config-file "$configuration" \
        run "$URL/openapi.json" --header "Authorization: Bearer $KEY" \
        --checks all --suppress-health-check all \
        --phases "${PHASES:-examples,coverage,fuzzing,stateful}" --max-examples "${EXAMPLES:-500}" --seed "$seed" \
        --workers "${WORKERS:-1}" --continue-on-failure --generation-database none "$@" || status=1
done
exit $status
