//! What the host netns filters and translates for attachments.

use super::super::{Admission, Masquerade, SpoofGuard};
use super::state::Node;

impl Node {
    pub(super) fn masquerade_add(&mut self, masquerade: &Masquerade) {
        self.masquerades.retain(|entry| entry.source.addr() != masquerade.source.addr());
        self.masquerades.push(masquerade.clone());
    }

    pub(super) fn masquerade_delete(&mut self, masquerade: &Masquerade) {
        self.masquerades.retain(|entry| {
            entry.source.addr() != masquerade.source.addr() || entry.owner != masquerade.owner
        });
    }

    pub(super) fn admission_add(&mut self, admission: &Admission) {
        self.admissions.retain(|entry| entry.address != admission.address);
        self.admissions.push(admission.clone());
    }

    pub(super) fn admission_delete(&mut self, admission: &Admission) {
        self.admissions
            .retain(|entry| entry.address != admission.address || entry.owner != admission.owner);
    }

    pub(super) fn spoof_guard_add(&mut self, guard: &SpoofGuard) {
        self.spoof_guards.retain(|entry| entry.port != guard.port);
        self.spoof_guards.push(guard.clone());
    }

    pub(super) fn spoof_guard_delete(&mut self, guard: &SpoofGuard) {
        self.spoof_guards.retain(|entry| entry.port != guard.port || entry.owner != guard.owner);
    }
}
