//! What tests of all kinds stand on.

pub(crate) mod exec;
pub(crate) mod firewalld;
pub(crate) mod netns;
pub(crate) mod node;
pub(crate) mod programs;
pub(crate) mod sandbox;
pub(crate) mod sctp;
pub(crate) mod talk;
