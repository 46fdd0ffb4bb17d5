#!/usr/bin/env bash
# Fuzzes what strangers can send: signatures and deliveries, half of the time each. Seeds are the recorded webhooks; what a
# run finds is kept under the target folder and is where the next one begins.
# Usage: .ci/fuzz.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_FUZZ_VERSION=0.13.1
RECORDINGS=tests/recordings/mautic-5.1.0-webhooks
TARGETS=(payload signature)
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "usage: .ci/fuzz.sh [SECONDS]" >&2; exit 2; }

mkdir -p "${CARGO_TARGET_DIR:-target}"
work=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/fuzz
# The programs of the fuzz crate are not the project's, and neither is the folder they are built in.
unset CARGO_TARGET_DIR

has_nightly() {
    command -v rustup >/dev/null && rustup toolchain list | grep -q '^nightly'
}

install_cargo_fuzz() {
    [[ $(.tools/bin/cargo-fuzz --version 2>/dev/null) == "cargo-fuzz $CARGO_FUZZ_VERSION" ]] && return
    echo "Compiling cargo-fuzz $CARGO_FUZZ_VERSION into .tools/bin; this takes some minutes, once"
    cargo install --quiet --locked --force --root .tools --version "$CARGO_FUZZ_VERSION" cargo-fuzz
}

# A delivery is a seed of `payload`; with its signature in front, as a line of its own, it is one of `signature`.
write_seeds() {
    mkdir -p "$work"/corpus/{payload,signature}
    python3 - "$RECORDINGS" "$work/corpus" <<'PYTHON'
import json, pathlib, sys
recordings, corpus = map(pathlib.Path, sys.argv[1:])
for file in sorted(recordings.glob("*.json")):
    recording = json.loads(file.read_text())
    body = recording["raw_body"].encode()
    (corpus / "payload" / file.stem).write_bytes(body)
    signature = recording["headers"]["Webhook-Signature"].encode()
    (corpus / "signature" / file.stem).write_bytes(signature + b"\n" + body)
PYTHON
}

fuzz() {
    printf '\n== Fuzzing %s for %s s\n' "$1" "$2"
    mkdir -p "$work/artifacts/$1"
    PATH=$PWD/.tools/bin:$PATH cargo +nightly fuzz run --fuzz-dir tests/fuzz --target-dir "$work/build" "$1" \
        "$work/corpus/$1" -- -max_total_time="$2" -timeout=10 -max_len=65536 -dict=tests/fuzz/words.dict \
        -artifact_prefix="$work/artifacts/$1/" -print_final_stats=1 -print_funcs=0 -verbosity=0 2>&1 |
        sed '/ Recommended dictionary\. /,/ End of recommended dictionary\. /d'
}

if ! has_nightly; then
    echo "FUZZING SKIPPED: no nightly toolchain is installed (rustup toolchain install nightly)."
    echo "Running the property tests with damaged deliveries instead:"
    cargo test --quiet --package tandem-connectors --test webhooks
    exit 0
fi
install_cargo_fuzz
write_seeds
for target in "${TARGETS[@]}"; do
    fuzz "$target" "$(((seconds + 1) / 2))"
done
echo "fuzz: nothing found in $seconds s"
