#!/usr/bin/env bash
# Runs every test, and says at the end how long each stage took, and all of them together, however it ends.
set -euo pipefail
cd "$(dirname "$0")/.."

stages=()
stage=
started=$SECONDS
trap report EXIT
report() {
    local line
    end_stage
    printf '\n== How long the stages took, in seconds\n'
    for line in "${stages[@]}"; do printf '%s\n' "$line"; done
    printf '%6d  altogether\n' "$SECONDS"
}
end_stage() {
    [[ -z $stage ]] || stages+=("$(printf '%6d  %s' $((SECONDS - started)) "$stage")")
    stage=
}
say() {
    end_stage
    stage=$1 started=$SECONDS
    printf '\n== %s\n' "$1"
}

say "PostgreSQL and PostgREST for the tests of the Supabase source"
.ci/install-tools.sh supabase

say "Building the workspace with all its tests"
# One build for all that follows: a build of single packages would compile shared dependencies with other features again.
cargo build --workspace --all-targets
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)

say "Building the functions optimised, for the tests against a Runtime API"
# As they are deployed, but for link-time optimisation: it takes minutes, and no test tells the difference.
CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo build --release --package tandem-mautic-sync --package tandem-mautic-webhook \
    --package tandem-billing-webhook --package tandem-scheduled-sync --package tandem-queue-worker
export TANDEM_RELEASE_DIR=$target/release

say "Proof suite at small size, against both versions of Mautic side by side"
# Each scenario runs against one version, so that both are covered in the time of half of them; the contract is held against both
# anyway. They wait more than they work.
mapfile -t scenarios < <("$target/debug/prove" --list)
older=() newer=()
for at in "${!scenarios[@]}"; do
    if ((at % 2)); then older+=("${scenarios[at]}"); else newer+=("${scenarios[at]}"); fi
done
"$target/debug/prove" --small --mautic 7.0 "${newer[@]}" &
newer_pid=$!
failed=0
"$target/debug/prove" --small --mautic 5.1 "${older[@]}" || failed=1
wait "$newer_pid" || failed=1
((failed == 0)) || exit 1

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
