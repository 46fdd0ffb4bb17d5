#!/usr/bin/env bash
# Holds `tandem dev` against docs/openapi.yaml with schemathesis, and runs the tests of the TypeScript client against it.
# Any finding fails: errors of the server, status codes, headers, content types or bodies that the document does not know,
# valid data refused, invalid data taken, calls without proof let in. schemathesis.toml says which checks are off, and why.
# Usage: tests/api/run.sh [EXAMPLES [SEED]]      so many generated calls an operation and mode; the same seed, the same calls
set -euo pipefail
cd "$(dirname "$0")/../.."

examples=${1:-40}
seed=${2:-1}
tandem=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug/tandem
[[ -x $tandem ]] || { echo "build it first: cargo build --bin tandem" >&2; exit 2; }
.ci/install-tools.sh api client

work=$(mktemp -d)
server=
stop() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    [[ -z $server ]] || wait "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT

# What the payment providers of this run sign with.
export STRIPE_WEBHOOK_SECRET=whsec_of_this_test LEMONSQUEEZY_WEBHOOK_SECRET=secret_of_this_test TANDEM_BILLING_TEST_MODE=true

# No schedule: what a timer does in between would make two runs differ.
TANDEM_LOG=error "$tandem" --json --data-dir "$work/data" dev --simulate --no-schedule --port 0 >"$work/started.json" 2>"$work/log" &
server=$!
for _ in $(seq 300); do
    [[ ! -s $work/started.json ]] || break
    kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
TANDEM_URL=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["url"])' "$work/started.json")
TANDEM_API_KEY=$(<"$work/data/api-key")
TANDEM_WEBHOOK_SECRET=$(<"$work/data/webhook-secret")
"$tandem" --data-dir "$work/data" connect mautic --create-missing >"$work/connect" || { cat "$work/connect" >&2; exit 1; }
# Not before: with an address in the environment, the command would work over HTTP.
export TANDEM_URL TANDEM_API_KEY TANDEM_WEBHOOK_SECRET

echo "The client's tests against $TANDEM_URL"
(cd docs/client && node_modules/.bin/tsc --noEmit false --outDir "$work/client")
echo '{"type":"module"}' >"$work/client/package.json"
failed=0
node --test --test-reporter=spec "$work/client/test/client.test.js" || failed=1

echo "schemathesis with $examples examples an operation, seed $seed"
# From the temporary folder: it leaves notes where it runs.
here=$PWD
(cd "$work" && PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=$here/tests/api/hooks.py \
    "$here/.tools/api/bin/schemathesis" --config-file "$here/tests/api/schemathesis.toml" \
    run "$here/docs/openapi.yaml" --url "$TANDEM_URL" \
    --max-examples "$examples" --seed "$seed" --generation-database none --no-color) || failed=1

if ! kill -0 "$server" 2>/dev/null; then
    echo "tandem dev ended under the test" >&2
    failed=1
fi
((failed == 0)) || { tail -n 40 "$work/log" >&2; exit 1; }
echo "api: ok"
