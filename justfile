# Every recipe is a line or two that CI runs as well. `just --list` shows them.

# The static binary's target.
target := arch() + "-unknown-linux-musl"

# Formatting, lints, the contract and the licences.
check: lint wit deny

# Builds the host, with the plugins compiled into it.
build:
    cargo build --locked --release

# All tests, those on the real kernel included, in namespaces of their own. No root is needed.
test:
    cargo test --locked

# Attaches two containers to a bridge network, in throw-away namespaces.
demo:
    cargo run --locked --release -- demo

# Formatting and clippy, warnings being errors.
lint:
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets -- -D warnings

# The contract: every item gated, no escapes, and known to the host's tables.
wit:
    cargo test --locked -p suite --test suite -- architecture:: policy::imports::

# Licences, sources and advisories of all dependencies.
deny:
    cargo deny --locked check bans licenses sources

# The static binary, as it is installed, and the compiler beside it: one after the other, since what a compiler
# needs of wasmtime is not to be linked into the first.
static:
    cargo build --locked --release --target {{target}} -p wasmcni
    cargo build --locked --release --target {{target}} -p wasmcni-compile

# Places the static binary and a symlink per plugin in DIR.
install dir="/opt/cni/bin": static
    target/{{target}}/release/wasmcni install --dir {{dir}}

# Compares with the reference plugins in DIR, pair by pair, in one run.
bench reference="/usr/lib/cni" *args="": static
    cargo build --locked -p suite --bins
    target/debug/bench --wasmcni target/{{target}}/release/wasmcni --reference {{reference}} {{args}}

# The plugins in other languages, built and run on the real kernel. Needs their tools: tests/languages.sh.
test-languages: static
    tests/languages.sh target/{{target}}/release

# The kernel's conformance suite under a kernel that has everything (VLAN filtering, vrf, ipvlan, dummy).
test-full-kernel *args="":
    tests/full-kernel.sh {{args}}

# Writes anew which functions an exec runs, for the linker to put side by side. Needs gdb.
exec-path:
    tests/exec-path.sh
