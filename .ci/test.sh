#!/usr/bin/env bash
# Runs every test. The test runner comes last, so that its closing lines end the output.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

say "PostgreSQL and PostgREST for the tests of the Supabase source"
.ci/install-tools.sh supabase

say "Building the workspace with all its tests"
# One build for all that follows: a build of single packages would compile shared dependencies with other features again.
cargo build --workspace --all-targets
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)

say "Building the functions as they are deployed, for the test against a Runtime API"
cargo build --release --package tandem-mautic-sync --package tandem-mautic-webhook \
    --package tandem-billing-webhook --package tandem-scheduled-sync --package tandem-queue-worker
export TANDEM_RELEASE_DIR=$target/release

say "Proof suite at small size"
"$target/debug/prove" --small all

say "HTTP interface and TypeScript client: schemathesis, node --test"
tests/api/run.sh

say "Examples in the documentation"
cargo test --workspace --doc

say "Tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --all-targets --no-fail-fast
else
    cargo test --workspace --all-targets --no-fail-fast
fi
