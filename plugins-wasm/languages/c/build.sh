#!/bin/sh
# Builds the plugin: OUTPUT, harden.wasm unless told otherwise. Needs clang and lld with wasi-libc (Debian:
# clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32), cargo, and wasmcni, the program that WASMCNI names or
# that is found; what else it needs it makes in TARGET, by cargo.
set -eu
cd "$(dirname "$0")"
wasmcni=${WASMCNI:-wasmcni}
target=${TARGET:-target}
output=${1:-harden.wasm}
mkdir -p "$target"

"$wasmcni" wit --grants grants.toml >"$target/plugin.wit"
[ -x "$target/bin/wit-bindgen" ] || cargo install --quiet --locked --root "$target" \
    --no-default-features --features c --version 0.61.1 wit-bindgen-cli
"$target/bin/wit-bindgen" c "$target/plugin.wit" --out-dir "$target/bindings"
"${CC:-clang-14}" --target=wasm32-wasi -mexec-model=reactor -Os -Wall -Wextra -Werror -Wl,--strip-debug \
    -I "$target/bindings" plugin.c "$target/bindings/plugin.c" "$target/bindings/plugin_component_type.o" \
    -o "$target/built.wasm"
# A module that says of which world it is: it becomes a component here.
"$wasmcni" pack "$target/built.wasm" --grants grants.toml --output "$output"
