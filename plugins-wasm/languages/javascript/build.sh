#!/bin/sh
# Builds the plugin: OUTPUT, private-routes.wasm unless told otherwise. Needs node, npm and wasmcni, the program that
# WASMCNI names or that is found; what else it needs it fetches to TARGET, by npm.
set -eu
cd "$(dirname "$0")"
wasmcni=${WASMCNI:-wasmcni}
target=${TARGET:-target}
output=${1:-private-routes.wasm}
mkdir -p "$target"

# The component imports all that its world has: so the world is what the grants give.
"$wasmcni" wit --grants grants.toml >"$target/plugin.wit"
cp package.json "$target"
npm install --prefix "$target" --no-package-lock --no-fund --no-audit --loglevel=error
"$target/node_modules/.bin/componentize-qjs" --wit "$target/plugin.wit" --js plugin.js --stub-wasi --sync \
    --output "$target/built.wasm"
"$wasmcni" pack "$target/built.wasm" --grants grants.toml --output "$output"
