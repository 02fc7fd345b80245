#!/bin/sh
# Builds the plugin: OUTPUT, sticky.wasm unless told otherwise. Needs python3 with venv, and wasmcni, the
# program that WASMCNI names or that is found; what else it needs it fetches to TARGET, by pip.
set -eu
cd "$(dirname "$0")"
wasmcni=${WASMCNI:-wasmcni}
target=${TARGET:-target}
output=${1:-sticky.wasm}
mkdir -p "$target"

# The component imports all that its world has: so the world is what the grants give.
"$wasmcni" wit --grants grants.toml >"$target/plugin.wit"
[ -d "$target/venv" ] || python3 -m venv "$target/venv"
"$target/venv/bin/pip" install --quiet --disable-pip-version-check componentize-py==0.25.1
"$target/venv/bin/componentize-py" --wit-path "$target/plugin.wit" --world plugin componentize \
    --python-path . --stub-wasi --output "$target/built.wasm" plugin
"$wasmcni" pack "$target/built.wasm" --grants grants.toml --output "$output"
