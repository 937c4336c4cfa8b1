#!/usr/bin/env bash
# Deploys to your Cloudflare account: says what only you can do, creates what is missing, migrates, deploys both
# Workers, and tries them.
# ENVIRONMENT=staging deploys that section of both configurations: all of its own beside what is live.
# Needs `npx wrangler login` before, or CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID. May be run again.
set -euo pipefail
cd "$(dirname "$0")/../.."
environment=${ENVIRONMENT:-}
# What is live has no suffix; what an environment owns has the environment's name after "friend".
friend=friend${environment:+-$environment}
# shellcheck source=local/setup/account.sh
source local/setup/account.sh
say() { printf '==> %s\n' "$*" >&2; }
# try WHAT COMMAND…: "already exists" is what we want too.
try() {
    local what=$1 output
    shift
    if output=$("$@" 2>&1); then say "$what: created"; return; fi
    if grep -qiE 'already exists|already taken|duplicate' <<<"$output"; then say "$what: there already"; return; fi
    printf '%s\n' "$output" >&2
    exit 1
}
# found FIELD NAMED NAME: a field of the first in a list (JSON) that is NAMED so; of a KV namespace's title, only
# the end is its name.
found() {
    python3 -c '
import json, sys
field, named, name = sys.argv[1:]
matches = str.endswith if named == "title" else str.__eq__
print(next(one[field] for one in json.load(sys.stdin) if matches(one[named], name)))' "$@"
}
# put CONFIGURATION: deploys a Worker. What wrangler prints is kept: nothing else says how long it takes to start.
put() {
    mkdir -p .tools
    wrangler deploy --config "$1" 2>&1 | tee "$(deployed "$1")"
}
# set_id FIELD VALUE: into both configurations, before the first environment or after its header.
set_id() {
    local lines='1,/^\[env\./'
    if [ -n "$environment" ]; then lines="/^\[env\.$environment\]/,\$"; fi
    sed -i -E "$lines s/(^|[ {])($1 = )\"[^\"]*\"/\1\2\"$2\"/" wrangler.toml wrangler.consumers.toml
}
if [ -n "$environment" ] && ! grep -q "^\[env\.$environment\]" wrangler.toml; then
    say "wrangler.toml has no [env.$environment]"
    exit 1
fi
target/debug/friend-dev check-limits "$environment"
check_account

try 'D1 database' wrangler d1 create "claudes-$friend"
database=$(wrangler d1 list --json | found uuid name "claudes-$friend")
set_id database_id "$database"

try 'KV namespace' wrangler kv namespace create "claudes-$friend-cache"
namespace=$(wrangler kv namespace list | found id title "claudes-$friend-cache")
set_id id "$namespace"

try 'R2 bucket' wrangler r2 bucket create "claudes-$friend"
for queue in unpack chunk embed upsert retire chat archive capture; do
    try "queue $queue" wrangler queues create "$friend-$queue"
    try "queue $queue-dlq" wrangler queues create "$friend-$queue-dlq"
done

try 'Vectorize index' wrangler vectorize create "claudes-$friend" --dimensions=384 --metric=cosine
# Before the first insert: a metadata index sees only vectors that are upserted after it. Asked for first: what
# is said of one that exists already differs from release to release.
indexed=$(wrangler vectorize list-metadata-index "claudes-$friend" --json)
for property in type:string language:string docId:string createdAt:number userId:string; do
    name=${property%%:*}
    if grep -q "\"$name\"" <<<"$indexed"; then say "metadata index $name: there already"; continue; fi
    try "metadata index $name" wrangler vectorize create-metadata-index "claudes-$friend" \
        --property-name="$name" --type="${property##*:}"
done

say 'migrations'
wrangler d1 migrations apply DB --remote --config wrangler.toml

# The consumers publish turns to the gateway's Durable Object, which must be there before they are.
if ! wrangler deployments list --config wrangler.toml >/dev/null 2>&1; then
    say 'the gateway, for the first time'
    put wrangler.toml
fi
say 'the consumers first: who writes a new message version must find it read already'
put wrangler.consumers.toml
put wrangler.toml

present=$(wrangler secret list --config wrangler.toml)
administrator=${ADMIN_TOKEN:-}
for secret in KEY_PEPPER ADMIN_TOKEN; do
    if grep -q "\"$secret\"" <<<"$present"; then continue; fi
    value=$(python3 -c 'import secrets; print(secrets.token_hex(24))')
    printf '%s' "$value" | wrangler secret put "$secret" --config wrangler.toml
    if [ "$secret" = ADMIN_TOKEN ]; then
        administrator=$value
        say "ADMIN_TOKEN (shown once; it creates users): $value"
    fi
done

url=https://claudes-$friend.$workers_dev.workers.dev
# Not expanded: it is for a shell that knows the token.
request='curl -X POST -H "Authorization: Bearer $ADMIN_TOKEN" -d "{\"name\": \"me\"}"'
say "create a user and their key:  $request $url/api/keys"
if [ -z "$administrator" ]; then
    say "then try what was deployed:  make smoke URL=$url KEY=…"
    exit 0
fi
say 'trying what was deployed, as a user of its own'
# The token goes through standard input: arguments are seen by every process of the machine.
issued=$(printf 'header = "Authorization: Bearer %s"\n' "$administrator" |
    curl --silent --show-error --fail --retry 5 --retry-all-errors --config - \
        -X POST -d '{"name": "smoke"}' "$url/api/keys")
read -r id key < <(python3 -c '
import json, sys
issued = json.load(sys.stdin)
print(issued["id"], issued["key"])' <<<"$issued")
# Its user is nobody's: with a key that is good they would halve what their owner may use of a day.
revoke() {
    printf 'header = "Authorization: Bearer %s"\n' "$key" |
        curl --silent --show-error --fail --config - -X DELETE "$url/api/keys/$id?force=true"
}
trap revoke EXIT
URL=$url KEY=$key local/setup/smoke.sh
