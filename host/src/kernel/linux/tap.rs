//! Tap devices: `ip tuntap add mode tap`. rtnetlink makes none.
#![allow(clippy::disallowed_methods, reason = "the one place that opens /dev/net/tun")]

use std::fs::File;

use netlink_packet_route::link::LinkAttribute;
use nix::errno::Errno;
use nix::libc;

use super::Namespaces;
use super::link::{by_name, message};
use super::netns::in_netns;
use super::socket::Refusal;
use super::tun::{self, Setting};
use crate::kernel::{Link, LinkSpec, Role};

/// The device that makes devices. (Documentation/networking/tuntap.rst)
const TUN: &str = "/dev/net/tun";

/// What a tap has besides what every link has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) multi_queue: bool,
    pub(super) owner: Option<u32>,
    pub(super) group: Option<u32>,
}

/// Makes a tap. Until it is made persistent, which is done last, it goes with the open file: whatever fails
/// before, or a process that is killed, leaves none.
pub(super) fn create(
    namespaces: &mut Namespaces,
    netns: Role,
    spec: &LinkSpec,
    wanted: Wanted,
) -> Result<Link, Refusal> {
    if by_name(namespaces.get(netns)?.socket()?, &spec.name)?.is_some() {
        return Err(Errno::EEXIST.into());
    }
    let tun = open(namespaces, netns)?;
    // EBUSY is its answer for a name that has come to be taken.
    tun::make_tap(&tun, &spec.name, wanted.multi_queue)
        .map_err(|errno| if errno == Errno::EBUSY { Errno::EEXIST } else { errno })?;
    let owner = wanted.owner.map(Setting::Owner);
    for setting in owner.into_iter().chain(wanted.group.map(Setting::Group)) {
        tun::set(&tun, setting)?;
    }
    let socket = namespaces.get(netns)?.socket()?;
    let made = by_name(socket, &spec.name)?.ok_or(Refusal::from(Errno::ENODEV))?;
    let mut request = message(made.index);
    request.attributes.extend(spec.mtu.map(LinkAttribute::Mtu));
    request.attributes.extend(spec.mac.map(|mac| LinkAttribute::Address(mac.bytes().to_vec())));
    if !request.attributes.is_empty() {
        socket.act(libc::RTM_SETLINK, 0, &request)?;
    }
    let made = by_name(socket, &spec.name)?.ok_or(Refusal::from(Errno::ENODEV))?;
    tun::set(&tun, Setting::Persistent)?;
    Ok(made)
}

/// A file of [`TUN`] makes devices in the namespace that it was opened in, whoever uses it then.
/// (`tun_chr_open`)
fn open(namespaces: &mut Namespaces, netns: Role) -> Result<File, Refusal> {
    let open = || {
        File::options().read(true).write(true).open(TUN).map_err(|error| {
            let errno = Refusal::from(error).errno;
            if matches!(errno, Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) {
                let hint = format!("{TUN} is not there: load the kernel's module tun");
                return Refusal::because(Errno::EOPNOTSUPP, hint);
            }
            Refusal::because(errno, format!("opening {TUN}"))
        })
    };
    match namespaces.get(netns)?.to_enter() {
        Some(file) => in_netns(file, open),
        None => open(),
    }
}
