//! The system calls of `/dev/net/tun`. (Documentation/networking/tuntap.rst, tun(4) in `drivers/net/tun.c`)
//!
//! Tap devices are made by ioctl(2) alone, and every crate that wraps it has the same few unsafe lines: see
//! `docs/decisions/0011-tap-devices.md`.
#![allow(unsafe_code, reason = "ioctl; each block argues why it may be")]

use std::fs::File;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc::{self, c_short, c_ulong};

use crate::names::IfName;

/// Octets of a name with its NUL. (`IFNAMSIZ`)
const NAME_OCTETS: usize = 16;

/// `struct ifreq` of a 64-bit kernel, the largest that there is: a name, and a union of 24 octets of which
/// TUNSETIFF uses the flags.
#[repr(C)]
struct Request {
    name: [u8; NAME_OCTETS],
    flags: c_short,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<Request>() == 40 && size_of::<libc::ifreq>() <= 40);

/// Something that is set of a device, by its value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Setting {
    /// The user who may open it.
    Owner(u32),
    /// The group whose members may open it.
    Group(u32),
    /// It stays when nobody has it open.
    Persistent,
}

/// Has an open `/dev/net/tun` be a tap of this name, which must be free.
///
/// # Errors
/// `EBUSY`: the name is taken. `EPERM`: no CAP_NET_ADMIN in the namespace. `EINVAL`: not such a name.
pub(super) fn make_tap(tun: &File, name: &IfName, multi_queue: bool) -> Result<(), Errno> {
    let mut flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR | libc::IFF_TUN_EXCL;
    if multi_queue {
        flags |= libc::IFF_MULTI_QUEUE;
    }
    // The highest flag is the sign's bit.
    let [low, high, ..] = flags.to_le_bytes();
    let mut request = Request {
        name: [0; NAME_OCTETS],
        flags: c_short::from_le_bytes([low, high]),
        rest: [0; 22],
    };
    // An `IfName` has at most 15 octets: a NUL remains.
    for (to, from) in request.name.iter_mut().zip(name.as_str().bytes()) {
        *to = from;
    }
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq` at the address that it is given, and keeps it not
    // (`tun_chr_ioctl`, `tun_set_iff`). `request` is of its layout and at least of its size (asserted above),
    // wholly initialised, ours alone, and outlives the call. The descriptor is open as long as `tun`; of
    // another kind of file, the request is refused with ENOTTY.
    let answer = unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, &raw mut request) };
    Errno::result(answer).map(drop)
}

/// Sets something of the device that an open `/dev/net/tun` has become.
///
/// # Errors
/// `EINVAL`: no such user or group in our user namespace. `EBADFD`: it has become none.
pub(super) fn set(tun: &File, setting: Setting) -> Result<(), Errno> {
    let (request, value): (libc::Ioctl, c_ulong) = match setting {
        Setting::Owner(uid) => (libc::TUNSETOWNER, uid.into()),
        Setting::Group(gid) => (libc::TUNSETGROUP, gid.into()),
        Setting::Persistent => (libc::TUNSETPERSIST, 1),
    };
    // SAFETY: these three requests take their argument as a number and not as an address
    // (`__tun_chr_ioctl`), so the kernel reads and writes no memory of ours. The descriptor is open as long
    // as `tun`; of another kind of file, the request is refused with ENOTTY.
    let answer = unsafe { libc::ioctl(tun.as_raw_fd(), request, value) };
    Errno::result(answer).map(drop)
}
