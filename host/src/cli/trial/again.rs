//! A recorded call on a simulated node.

use std::path::PathBuf;

use super::super::failure::Failure;
use super::node::TrialNode;
use super::{Called, Trial, write};
use crate::call::Node as _;
use crate::kernel::faults::At;
use crate::kernel::{Kernel as _, KernelError, NetnsId, Role};
use crate::names::NetworkName;
use crate::recording::Identity;

/// What one of a call's kernels answers to an operation, in its order from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Answered {
    pub(in super::super) kernel: usize,
    pub(in super::super) at: At,
    pub(in super::super) error: KernelError,
}

/// What came of a call that was served again.
#[derive(Debug)]
pub(in super::super) struct Again {
    pub(in super::super) called: Called,
    /// Answers that nobody asked for, in sentences.
    pub(in super::super) unmet: Vec<String>,
}

impl Trial {
    /// Where a path is that the node has.
    pub(in super::super) fn named(&self, path: &str) -> PathBuf {
        self.directories().named(path)
    }

    /// The identities of the node's own netns and of the one of this name.
    pub(in super::super) fn identities<'a>(&self, netns: &'a str) -> [(&'a str, Identity); 2] {
        let kernel = self.node.kernel(Some(netns));
        [("host", Role::Host), (netns, Role::Container)].map(|(name, role)| {
            let none = NetnsId { device: 0, inode: 0 };
            let NetnsId { device, inode } = kernel.netns(role).unwrap_or(none);
            (name, Identity { device, inode })
        })
    }

    /// Writes a journal: `NETWORK/CONTAINER:IFNAME:PLUGIN`.
    pub(in super::super) fn put_journal(&self, name: &str, text: &str) -> Result<(), Failure> {
        let parts = name.split_once('/');
        let plain = |file: &str| {
            !file.is_empty() && !file.contains(['/', '\0']) && file != "." && file != ".."
        };
        let (network, file) = parts
            .filter(|(network, file)| NetworkName::try_from(*network).is_ok() && plain(file))
            .ok_or_else(|| {
                let want = "it is no NETWORK/CONTAINER:IFNAME:PLUGIN";
                Failure::new(format!("reading the journal {name:?}"), want)
            })?;
        let attachments = self.directories().run.join("attachments");
        write(&attachments.join(network).join(file), text.as_bytes())
    }

    /// Calls a plugin as it was called: `netns` is the path that the runtime gave, and what it led to.
    pub(in super::super) fn call_again(
        &self,
        plugin: &str,
        env: &dyn Fn(&str) -> Option<String>,
        stdin: &str,
        netns: (String, Option<Result<String, String>>),
        answers: Vec<Answered>,
    ) -> Again {
        let (path, is) = netns;
        let mut node = TrialNode::new(&self.node, &[]);
        node.netns = is.map(|is| (path.into(), is));
        node.answers.clone_from(&answers);
        let called = self.call_on(node.clone(), plugin, env, stdin);
        let records = node.watched();
        let met = |answer: &&Answered| {
            let At::Named(name, nth) = answer.at else { return true };
            let operations = records.get(answer.kernel).map(|record| record.operations());
            operations.into_iter().flatten().filter(|other| other.name == name).count() >= nth
        };
        let unmet = answers.iter().filter(|answer| !met(answer));
        let unmet = unmet.map(|answer| {
            format!("the kernel refused what was not asked for again: {}", answer.error)
        });
        Again { called, unmet: unmet.collect() }
    }
}
