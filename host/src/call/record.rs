//! Recording a call: what there is before it, and what came of it. Whatever fails here, the call goes on.

use std::path::Path;

use super::{Job, Reply, World};
use crate::component::Bundled;
use crate::recording::{About, Begun, Recorder};

/// A call that is being recorded.
pub(super) struct Recorded<'a> {
    begun: Begun<'a>,
    /// Kernels that were handed out before the call itself.
    kernels: usize,
}

/// Takes down what there is; `None`: the kernel cannot even be opened, as the call will tell.
pub(super) fn begin<'a>(
    world: &'a World,
    to: &'a Recorder,
    plugin: &'a Bundled,
    job: &'a Job,
) -> Option<Recorded<'a>> {
    let netns = job.netns.as_deref();
    let (mut kernel, container) = match world.node.kernel(netns) {
        Ok(kernel) => (kernel, netns.map(Ok::<&Path, String>)),
        Err(problem) => (world.node.kernel(None).ok()?, Some(Err(problem.reason))),
    };
    let about = About {
        plugin: plugin.name,
        network: job.conf.name.as_str(),
        attachment: job.attachment.as_ref(),
        configuration: job.conf.document(),
        directories: &world.directories,
    };
    let begun = to.begin(about, kernel.as_mut(), container);
    Some(Recorded { begun, kernels: world.node.watched().len() })
}

impl Recorded<'_> {
    /// Writes it, or says on stderr why not.
    pub(super) fn end(self, world: &World, reply: &Reply) {
        let watched = world.node.watched();
        let watched = watched.get(self.kernels..).unwrap_or_default();
        let written = self.begun.end(&world.trail, watched, &reply.stdout, reply.status);
        if let Err(error) = written {
            (world.log)(&format!("warn: {error}"));
        }
    }
}
