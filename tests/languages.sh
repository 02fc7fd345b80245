#!/usr/bin/env bash
# Builds the plugins in other languages, and runs their tests on the real kernel. The tools come from the public
# registries of Python, JavaScript and Rust, to target/languages; what those do not have has to be installed:
# python3 with venv, node and npm, clang and lld with wasi-libc.
set -euo pipefail
cd "$(dirname "$0")/.."

# Optimized ones: Python's component takes a compiler without optimization minutes.
programs=$PWD/${1:-target/$(uname -m)-unknown-linux-musl/release}
built=$PWD/target/languages
mkdir -p "$built"
cp -f "$programs/wasmcni" "$programs/wasmcni-compile" "$built/"
(cd plugins-wasm/languages/javascript && node --test)
for language in c javascript python; do
    echo "building the plugin in $language"
    time WASMCNI=$built/wasmcni TARGET=$built/$language \
        "plugins-wasm/languages/$language/build.sh" "$built/$language.wasm"
done
WASMCNI_LANGUAGES=$built cargo test --locked -p suite --test suite -- --ignored languages::
