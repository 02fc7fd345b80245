#!/usr/bin/env bash
# Writes host/exec-path.ld anew: which functions of the static binary an exec runs, so that the linker can put
# them side by side. Worth a run when much of the host, or wasmtime, has changed; the price of an old list is
# memory. Needs gdb and iproute2, no root; takes minutes.
#
#     tests/exec-path.sh
#
# gdb has a breakpoint at every function, which goes with its first hit. The calls are those of the benchmarks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=$(uname -m)-unknown-linux-musl
list=host/exec-path.ld
work=${EXEC_PATH_WORK:-}

# Inside of the namespaces: the calls, one after the other. $work/seen/NUMBER has the functions of each.
attach() {
    mount -t tmpfs none /run
    mkdir -p /run/bin /run/netns /run/root
    cp "$work/wasmcni" /run/bin/
    ip link set lo up
    ip link add master0 type veth peer name master1
    ip link set master0 up
    ip link set master1 up
    local ipam='"ipam": {"type": "host-local", "dataDir": "/run/data", "subnet": "10.0.0.0/16"}'
    local port='{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}'
    local rates='"ingressRate": 100000, "ingressBurst": 100000, "egressRate": 100000, "egressBurst": 100000'
    call VERSION loopback '"name": "n0"'
    chain n0 loopback ''
    chain n1 bridge "\"isDefaultGateway\": true, \"ipMasq\": true, $ipam" \
        portmap "\"runtimeConfig\": {\"portMappings\": [$port]}" firewall '' bandwidth "$rates" \
        tuning '"sysctl": {"net.core.somaxconn": "500"}'
    chain n2 ptp "$ipam"
    chain n3 macvlan "\"master\": \"master0\", $ipam"
}

# ADD, CHECK and DEL of plugins, each with its part of the configuration, in a container of their own.
chain() {
    local network=$1 verb plugins=("${@:2}") i last
    ip netns add "$network"
    last=$((${#plugins[@]} - 2))
    prev='{}'
    for verb in ADD CHECK DEL; do
        for ((i = 0; i <= last; i += 2)); do
            local at=$i
            [ "$verb" != DEL ] || at=$((last - i))
            local conf="\"name\": \"$network\"${plugins[at + 1]:+, ${plugins[at + 1]}}"
            [ "$prev" = '{}' ] || conf="$conf, \"prevResult\": $prev"
            call "$verb" "${plugins[at]}" "$conf" "$network"
            [ "$verb" != ADD ] || prev=$(cat "$work/said")
        done
    done
}

# Runs one call under gdb.
call() {
    local verb=$1 plugin=$2 conf=$3 container=${4:-none}
    ln -sf wasmcni "/run/bin/$plugin"
    printf '{"cniVersion": "1.0.0", "type": "%s", %s}' "$plugin" "$conf" >"$work/stdin"
    seen=$((${seen:-100} + 1))
    env -i PATH="$PATH" CNI_COMMAND="$verb" CNI_CONTAINERID="$container" CNI_IFNAME=eth0 \
        CNI_NETNS="/run/netns/$container" CNI_PATH=/run/bin WASMCNI_ROOT=/run/root \
        gdb -q -nx -batch -x "$work/breakpoints" "/run/bin/$plugin" >"$work/log" 2>&1 || true
    # How it exited gdb does not see when a thread sleeps meanwhile.
    if grep '"msg"' "$work/said" >&2 || ! grep -qE 'breakpoint [0-9]+, (.* )?_Exit ' "$work/log"; then
        tail -n 3 "$work/log" >&2
        printf 'exec-path: %s of %s failed\n' "$verb" "$plugin" >&2
        exit 1
    fi
    sed -n 's/.*Temporary breakpoint \([0-9]*\),.*/\1/p' "$work/log" | sort -u >"$work/seen/$seen"
    printf '%s %s: %s functions\n' "$plugin" "$verb" "$(wc -l <"$work/seen/$seen")" >&2
}

# The sections, those first that the first call runs, then what the second runs beyond that, and so on: what
# all calls run comes with the first ones. Names lose their crates' hashes, which differ with each compiler, so a
# section may be of several functions; those of which most are not run come last.
sections() {
    (cd "$work/seen" && grep -H . -- *) | tr : ' ' |
        awk '
            function section(name) {
                gsub(/17h[0-9a-f]+E/, "17h*E", name)
                gsub(/[.]llvm[.][0-9]+/, ".llvm.*", name)
                gsub(/Cs[0-9A-Za-z]+_/, "Cs*_", name)
                return ".text." name
            }
            NR == FNR { of[FNR] = section($4); octets[FNR] = $2; all[of[FNR]] += $2; next }
            !($2 in seen) { seen[$2]; run[of[$2]] += octets[$2] }
            !(of[$2] in first) { first[of[$2]] = $1 }
            END {
                for (name in run)
                    print 3 * run[name] < 2 * all[name] ? 999 : first[name], name
            }' "$work/functions" - |
        LC_ALL=C sort
}

if [ -n "$work" ]; then
    attach
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/seen"
cargo build --locked --release --target "$target" -p wasmcni \
    --config 'profile.release.package.wasmcni.strip = false'
cp "target/$target/release/wasmcni" "$work/wasmcni"
nm -S --radix=d --defined-only "$work/wasmcni" | awk 'NF == 4 && $3 ~ /[tTwW]/' | LC_ALL=C sort -u -k1,1 >"$work/functions"
{
    printf 'set %s\n' 'pagination off' 'confirm off' 'breakpoint always-inserted on' 'print thread-events off'
    awk '{ print "tbreak *" $1 + 0 }' "$work/functions"
    printf 'run <%s >%s\n' "$work/stdin" "$work/said"
    # shellcheck disable=SC2016 # gdb's variable
    printf '%s\n' 'while $_isvoid($_exitcode)' continue end
} >"$work/breakpoints"
EXEC_PATH_WORK=$work unshare -Urmn --propagation private bash "${BASH_SOURCE[0]}"
sections >"$work/sections"
{
    printf '%s\n' '/* The functions that an exec runs, side by side: the kernel maps 64 KiB of a binary at a page fault, and' \
        '   those of the operator'\''s commands would lie between them. In the order in which they are first' \
        '   needed. Written by tests/exec-path.sh. What is missing, or is here in vain, costs memory and nothing else.' \
        '   See docs/decisions/0008-start-up.md. */' \
        SECTIONS { \
        '  /* Nothing unwinds: panics abort, and without symbols nobody reads a backtrace. */' \
        '  /DISCARD/ : { *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame) *(.gcc_except_table .gcc_except_table.*) }' \
        '  .text.exec_path :' '  {'
    awk '$1 != call { if (call) print "    )"; call = $1; print "    *(" }
        { print "      " $2 }
        END { print "    )" }' "$work/sections"
    printf '%s\n' '  }' '}' 'INSERT BEFORE .text;'
} >"$work/list"
mv "$work/list" "$list"
wc -l "$list"
