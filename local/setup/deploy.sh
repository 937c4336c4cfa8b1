#!/usr/bin/env bash
# Deploys to your Cloudflare account: creates what is missing, migrates, deploys both Workers.
# ENVIRONMENT=staging deploys that section of both configurations: all of its own beside what is live.
# Needs `npx wrangler login` before, or CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID. May be run again.
set -euo pipefail
cd "$(dirname "$0")/../.."
environment=${ENVIRONMENT:-}
# What is live has no suffix; what an environment owns has the environment's name after "friend".
friend=friend${environment:+-$environment}
wrangler() { node_modules/node/bin/node node_modules/wrangler/bin/wrangler.js "$@" --env "$environment"; }
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

try 'D1 database' wrangler d1 create "claudes-$friend"
database=$(wrangler d1 list --json | found uuid name "claudes-$friend")
set_id database_id "$database"

try 'KV namespace' wrangler kv namespace create "claudes-$friend-cache"
namespace=$(wrangler kv namespace list | found id title "claudes-$friend-cache")
set_id id "$namespace"

try 'R2 bucket' wrangler r2 bucket create "claudes-$friend"
for queue in chunk embed upsert retire chat archive; do
    try "queue $queue" wrangler queues create "$friend-$queue"
    try "queue $queue-dlq" wrangler queues create "$friend-$queue-dlq"
done

try 'Vectorize index' wrangler vectorize create "claudes-$friend" --dimensions=384 --metric=cosine
# Before the first insert: a metadata index sees only vectors that are upserted after it.
for property in type:string language:string docId:string createdAt:number; do
    try "metadata index ${property%%:*}" wrangler vectorize create-metadata-index "claudes-$friend" \
        --property-name="${property%%:*}" --type="${property##*:}"
done

say 'migrations'
wrangler d1 migrations apply DB --remote --config wrangler.toml

# The consumers tell turns to the gateway's Durable Object, which must be there before they are.
if ! wrangler deployments list --config wrangler.toml >/dev/null 2>&1; then
    say 'the gateway, for the first time'
    wrangler deploy --config wrangler.toml
fi
say 'the consumers first: who writes a new message version must find it read already'
wrangler deploy --config wrangler.consumers.toml
wrangler deploy --config wrangler.toml

present=$(wrangler secret list --config wrangler.toml)
for secret in KEY_PEPPER ADMIN_TOKEN; do
    if grep -q "\"$secret\"" <<<"$present"; then continue; fi
    value=$(python3 -c 'import secrets; print(secrets.token_hex(24))')
    printf '%s' "$value" | wrangler secret put "$secret" --config wrangler.toml
    if [ "$secret" = ADMIN_TOKEN ]; then
        say "ADMIN_TOKEN (shown once; it creates users): $value"
    fi
done
# Not expanded: it is for a shell that knows the token.
request='curl -X POST -H "Authorization: Bearer $ADMIN_TOKEN" -d "{\"name\": \"me\"}"'
say "create the first user and key:  $request https://claudes-$friend.<your subdomain>.workers.dev/api/keys"
