# shellcheck shell=bash
# The Cloudflare account that is deployed to, asked through wrangler. Sourced by deploy.sh and smoke.sh.
# WRANGLER names another program in its place; tests do.
environment=${ENVIRONMENT:-}
# What is live has no suffix; what an environment owns has the environment's name after "friend".
friend=friend${environment:+-$environment}
read -ra wrangler <<<"${WRANGLER:-node_modules/node/bin/node node_modules/wrangler/bin/wrangler.js}"
wrangler() { "${wrangler[@]}" "$@" --env "$environment"; }
# deployed CONFIGURATION: the file that keeps what was printed when that was deployed, for smoke.sh to read.
deployed() { echo ".tools/$friend.${1%.toml}.deployed"; }

# check_account: fails with everything that only the account's owner can do and that is not done. Sets workers_dev,
# the name under which the account's Workers are reached.
check_account() {
    local account whoami output missing=()
    if ! whoami=$(wrangler whoami --json 2>/dev/null); then
        printf '==> missing: a login. Run "npx wrangler login", or set %s.\n' \
            'CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID' >&2
        exit 1
    fi
    account=$(python3 -c '
import json, os, sys
accounts = json.load(sys.stdin).get("accounts", [])
print(os.environ.get("CLOUDFLARE_ACCOUNT_ID") or (accounts[0]["id"] if len(accounts) == 1 else ""))' <<<"$whoami")
    [ -n "$account" ] || missing+=('the choice of an account: this login has several. Set CLOUDFLARE_ACCOUNT_ID.')
    if ! output=$(wrangler r2 bucket list 2>&1); then
        if grep -qiE '10042|enable R2' <<<"$output"; then
            missing+=('R2. Switch it on in the dashboard under "R2 object storage"; even on Free it asks for a card.')
        else
            missing+=("an answer about R2: $(tail -n 1 <<<"$output")")
        fi
    fi
    if ! workers_dev=$(subdomain "$account"); then
        missing+=("an answer about its workers.dev name: ${workers_dev:-none came}")
    elif [ -z "$workers_dev" ]; then
        missing+=('a workers.dev name. Choose one in the dashboard under "Workers & Pages".')
    fi
    [ ${#missing[@]} = 0 ] && return
    printf '==> missing: %s\n' "${missing[@]}" >&2
    exit 1
}

# subdomain ACCOUNT: the account's name before workers.dev; nothing if it has none. Fails with what was answered if
# that says neither.
# <https://developers.cloudflare.com/api/resources/workers/subresources/subdomains/>
subdomain() {
    local token
    token=$("${wrangler[@]}" auth token 2>/dev/null | tail -n 1) || { echo 'wrangler has no token'; return 1; }
    printf 'header = "Authorization: Bearer %s"\n' "$token" |
        curl --silent --show-error --config - \
            "https://api.cloudflare.com/client/v4/accounts/$1/workers/subdomain" 2>&1 |
        python3 -c '
import json, sys
text = sys.stdin.read()
try:
    answer = json.loads(text)
    errors = answer.get("errors") or []
except (ValueError, AttributeError):
    sys.exit(print(text.strip()[:200]) or 1)
# Not found: it was never chosen.
if not answer.get("success") and not any(error.get("code") == 10007 for error in errors):
    sys.exit(print("; ".join(str(error.get("message")) for error in errors) or text[:200]) or 1)
print((answer.get("result") or {}).get("subdomain") or "")'
}
