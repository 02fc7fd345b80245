//! Whose a file must be that says what may run as root, or is what runs.

use cap_std::fs::{Metadata, MetadataExt};

/// Owner and mode of a file or directory that somebody else than root can write; `None`: nobody else can.
///
/// In a user namespace this process's user stands for root.
pub(crate) fn untrusted(seen: &Metadata) -> Option<(u32, u32)> {
    let (owner, mode) = (seen.uid(), seen.mode() & 0o7777);
    let own = owner == 0 || owner == nix::unistd::geteuid().as_raw();
    (!own || mode & 0o022 != 0).then_some((owner, mode))
}
