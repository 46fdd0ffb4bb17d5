#!/usr/bin/env bash
# Checks the TypeScript client: its types are those of docs/openapi.yaml, it and the examples compile, and the examples in the
# documentation are the files that were compiled. With --write it makes the types and the examples in the documentation anew.
set -euo pipefail
cd "$(dirname "$0")/.."

.ci/install-tools.sh client
python3 .ci/examples_in_docs.py "$@"

cd docs/client
generated=schema.d.ts
[[ ${1:-} == --write ]] || generated=$(mktemp --suffix .d.ts)
node_modules/.bin/openapi-typescript ../openapi.yaml --output "$generated" >/dev/null
if ! diff schema.d.ts "$generated" >/dev/null; then
    echo "docs/client/schema.d.ts is not what docs/openapi.yaml says: make client" >&2
    exit 1
fi
[[ $generated == schema.d.ts ]] || rm "$generated"
node_modules/.bin/tsc
test/package.sh
echo "client: ok"
