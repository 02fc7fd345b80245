#!/usr/bin/env bash
# Builds the plugins in other languages as `wasmcni new` gives them to authors, and runs their tests on the real
# kernel. The tools come from the public registries of Python, JavaScript and Rust, to target/languages; what
# those do not have has to be installed: python3 with venv, node and npm, clang and lld with wasi-libc.
#
# usage: tests/languages.sh [DIRECTORY of wasmcni and wasmcni-compile]
set -euo pipefail
cd "$(dirname "$0")/.."

# Optimized ones: a compiler without optimization takes minutes for Python's component.
programs=$(realpath "${1:-target/$(uname -m)-unknown-linux-musl/release}")
built=$PWD/target/languages
mkdir -p "$built"
cp -f "$programs/wasmcni" "$programs/wasmcni-compile" "$built/"
rm -rf "$built/new"
mkdir "$built/new"
for plugin in c:harden javascript:private-routes python:sticky; do
    language=${plugin%%:*}
    name=${plugin##*:}
    echo "building the plugin in $language"
    (cd "$built/new" && "$built/wasmcni" new --lang "$language" "$name")
    time WASMCNI=$built/wasmcni TARGET=$built/$language "$built/new/$name/build.sh" "$built/$language.wasm"
done
(cd "$built/new/private-routes" && node --test)
WASMCNI_LANGUAGES=$built cargo test --locked -p suite --test suite -- --ignored languages::
