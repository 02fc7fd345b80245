//! For IPAM plugins: the addresses of the network that attachments hold.
//!
//! The functions and their grants are documented in `wit/deps/ipam/reservations.wit`.

pub use crate::bindings::wasmcni::ipam::reservations::{AttachmentId, Claim, Store, open};

impl From<crate::AttachmentId> for AttachmentId {
    fn from(id: crate::AttachmentId) -> Self {
        Self { container_id: id.container_id, ifname: id.ifname }
    }
}
