#!/usr/bin/env bash
# Runs tests of the suite under a kernel that has everything they need: VLAN filtering of bridges, 802.1q,
# ipvlan, dummy, vrf. For machines whose own kernel lacks some of it. No root is needed.
#
#     tests/full-kernel.sh [FILTER or option of the test binary]...    default: $defaults below
#
# The kernel is Debian's, in a virtual machine whose root is this machine's: read-only, with what is written
# kept in memory. A test that cannot run is a failure here, never skipped.
#
# FULL_KERNEL_LIMIT: seconds until a run is given up, 3600 if not set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Where users who are not root find modprobe, depmod, ip.
PATH=$PATH:/usr/sbin:/sbin
limit=${FULL_KERNEL_LIMIT:-3600}
# Those that need more than common kernels have: the whole suite would take hours where there is no KVM.
defaults=(kernel:: isolation::kills::adds_of_chained isolation::kills::adds_of_ipvlan_vlan_dummy
    isolation::faults::linux_ipvlan_vlan_dummy isolation::faults::linux_chained
    plugins::dummy plugins::ipvlan plugins::pages plugins::vlan plugins::vrf
    reference::children::ipvlan reference::children::vlan reference::chained::vrf
    # A program's matter, not the kernel's, and slow to start there.
    --skip kernel::firewalld)
kernel=$(realpath -m "${CARGO_TARGET_DIR:-target}")/full-kernel
work="" machine=""

fail() {
    printf 'full-kernel: %s\n' "$*" >&2
    exit 1
}

# shellcheck disable=SC2317 # called by a trap
clean_up() {
    [ -z "$machine" ] || kill "$machine" 2>/dev/null || true
    [ -z "$work" ] || rm -rf "$work"
}

check_packages() {
    [ "$(uname -m)" = x86_64 ] || fail "this is for x86_64"
    local missing=()
    command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
    # The package "busybox" has the same program, but linked to libraries, which are not there when it starts.
    if ! command -v busybox >/dev/null || ldd "$(command -v busybox)" >/dev/null 2>&1; then
        missing+=(busybox-static)
    fi
    command -v modprobe >/dev/null || missing+=(kmod)
    [ ${#missing[@]} = 0 ] || fail "missing: ${missing[*]}; apt-get install ${missing[*]}"
}

# Once; `rm -r target/full-kernel` has a newer one fetched.
fetch_kernel() {
    [ ! -d "$kernel" ] || return 0
    # The stock kernel: the one for clouds has no 9p.
    local package new=$kernel.new
    package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-/ { print $2; exit }') || true
    [ -n "$package" ] || fail "apt knows no linux-image-amd64: needs Debian's packages, and apt-get update"
    rm -rf "$new"
    mkdir -p "$new"
    (cd "$new" && apt-get download "$package" >&2) || fail "no download of $package: apt-get update?"
    dpkg -x "$new"/*.deb "$new"
    rm "$new"/*.deb
    # Where newer packages have their modules.
    [ -e "$new/lib" ] || ln -s usr/lib "$new/lib"
    depmod -b "$new" "$(ls "$new/lib/modules")"
    # Only now: what was interrupted is begun anew.
    mv "$new" "$kernel"
}

# Prints the test binary's path.
build_suite() {
    cargo test --locked -p suite --no-run --message-format=json-render-diagnostics |
        sed -n 's/.*"name":"suite".*"executable":"\([^"]*\)".*/\1/p'
}

# All that is needed to see this machine's root; every other module is loaded from there, by the kernel.
make_initramfs() {
    local root=$work/initramfs module modules
    mkdir -p "$root"/{bin,dev,machine,memory,modules,proc,root}
    cp "$(command -v busybox)" "$root/bin/busybox"
    modules=$(for module in virtio_pci virtio_console 9p 9pnet_virtio overlay; do
        modprobe -d "$kernel" -S "$version" --show-depends "$module"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
    for module in $modules; do
        case $module in
        *.xz) busybox xzcat "$module" ;;
        *) cat "$module" ;;
        esac >"$root/modules/$(basename "$module")"
        basename "$module" >>"$root/modules/in-order"
    done
    cp "$work/inside" "$root/inside"
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
# Whatever fails here ends init, which ends the machine.
set -e
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/in-order
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 machine /machine
mount -t tmpfs memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/machine,upperdir=/memory/upper,workdir=/memory/work overlay /root
mount -t tmpfs run /root/run
mount --move /dev /root/dev
mount --move /proc /root/proc
cp /inside /root/run/inside
exec switch_root /root /bin/bash /run/inside
INIT
    chmod +x "$root/init"
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$work/initrd"
}

# What happens in there: the tests as this user, their output to the first port, their exit code to the second.
write_inside() {
    local user=(setpriv "--reuid=$(id -u)" "--regid=$(id -g)" --clear-groups)
    # Nothing else of the environment: a run is the same everywhere.
    local environment=(env -i "PATH=$PATH" "HOME=$HOME" CI=1 "RUST_BACKTRACE=${RUST_BACKTRACE:-0}")
    cat >"$work/inside" <<INSIDE
export PATH=$(printf %q "$PATH")
mount -t sysfs sys /sys
ln -s /proc/self/fd /dev/fd
ip link set lo up
mkdir -p /lib/modules
ln -sT $(printf %q "$kernel/lib/modules/$version") /lib/modules/$version
# For /dev/net/tun: all else the kernel loads by itself.
modprobe tun
cd $(printf %q "$PWD/tests")
$(printf '%q ' "${user[@]}" "${environment[@]}" "$@") </dev/null >/dev/vport*p1 2>&1
echo \$? >/dev/vport*p2
busybox poweroff -f
INSIDE
}

# qemu with what all machines have. `kvm` or `tcg`: a machine in software, some times slower, but everywhere.
qemu() {
    local accelerator=$1 limit=$2
    shift 2
    exec timeout --foreground -k 5 "$limit" qemu-system-x86_64 -no-user-config -nodefaults -display none \
        -machine "pc,accel=$accelerator" -cpu max -no-reboot -kernel "$kernel/boot/vmlinuz-$version" "$@"
}

# /dev/kvm may be there and a machine nevertheless stand still, such as in a virtual machine. Without a root
# the kernel must come to its panic, a matter of a second.
accelerator() {
    if (qemu kvm 10 -append panic=-1) >/dev/null 2>&1 </dev/null; then echo kvm; else echo tcg; fi
}

run_machine() {
    cd "$work"
    # A stdin that neither says anything nor ends: at its end qemu would close the port.
    mkfifo silence
    qemu "$(accelerator)" "$limit" -smp "$(nproc)" -m 2G -initrd initrd \
        -append "console=ttyS0 quiet panic=-1 mitigations=off" -serial file:console \
        -fsdev local,id=machine,path=/,security_model=none,readonly=on,multidevs=remap \
        -device virtio-9p-pci,fsdev=machine,mount_tag=machine \
        -device virtio-serial-pci \
        -chardev stdio,id=output,signal=off,logfile=output -device virtserialport,chardev=output,nr=1 \
        -chardev file,id=status,path=status -device virtserialport,chardev=status,nr=2 <>silence
}

main() {
    local suite ended=0 status version
    [ $# -gt 0 ] || set -- "${defaults[@]}"
    check_packages
    fetch_kernel
    version=$(ls "$kernel/lib/modules")
    suite=$(build_suite)
    [ -x "$suite" ] || fail "cargo names no test binary: '$suite'"

    trap clean_up EXIT
    work=$(mktemp -d)
    write_inside "$suite" "$@"
    make_initramfs
    # In the background, so that a signal to this shell is heard at once, and ends the machine.
    run_machine &
    machine=$!
    wait "$machine" || ended=$?
    machine=

    status=$(cat "$work/status" 2>/dev/null) || true
    if [ -z "$status" ]; then
        [ "$ended" != 124 ] || fail "not done in $limit s (FULL_KERNEL_LIMIT)"
        tail -n 40 "$work/console" >&2 || true
        fail "the tests did not come to an end (qemu: $ended)"
    fi
    if grep 'NOT TESTED' "$work/output" >&2; then
        fail "this kernel has everything, but the above was not tested"
    fi
    # A misspelt filter.
    if grep -q '^running 0 tests' "$work/output"; then
        fail "no test has a name with any of: $*"
    fi
    exit "$status"
}

main "$@"
