#!/usr/bin/env bash
# All that can be said about the project without running it; what is quick comes first.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

say "Format: rustfmt"
cargo fmt --all --check

say "Dependency direction: what each crate may depend on"
python3 .ci/dependency_direction.py

say "TypeScript client: generated types, tsc, examples in the documentation"
.ci/client.sh

say "Tools for the next checks: SAM CLI, cfn-lint, cargo-deny"
.ci/install-tools.sh lint cargo-deny

say "Template: sam validate, cfn-lint"
# SAM asks for a region though validating offline calls nobody.
.tools/venv/bin/sam validate --lint --region us-east-1 --template-file template.yaml
.tools/venv/bin/cfn-lint
echo "cfn-lint: ok"

say "Dependencies: licences, bans, sources"
.tools/bin/cargo-deny check --hide-inclusion-graph bans licenses sources

say "Dependencies: known vulnerabilities"
# The database is no package of any registry: `cargo deny fetch db` brings it to where it is looked for.
if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-db*" >/dev/null; then
    .tools/bin/cargo-deny check --hide-inclusion-graph --disable-fetch advisories
else
    echo "UNCHECKED: this machine has no advisory database. Where there is a network: .tools/bin/cargo-deny fetch db"
fi

say "Lints: clippy, warnings are errors"
cargo clippy --workspace --all-targets --all-features -- --deny warnings

say "Documentation: cargo doc, warnings are errors"
# For those who work on it: private items are documented, too, and linked to.
RUSTDOCFLAGS="--deny warnings --allow rustdoc::private_intra_doc_links" \
    cargo doc --workspace --no-deps --all-features --document-private-items
