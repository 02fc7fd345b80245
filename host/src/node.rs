//! The node that wasmcni runs on.

use std::path::Path;

use crate::call::{NetnsProblem, Node};
use crate::kernel::Kernel;
use crate::kernel::linux::{ContainerNetns, LinuxKernel};

/// The real one.
#[derive(Debug, Clone, Copy)]
pub struct LinuxNode {
    /// Whether links are deleted without waiting for their memory.
    pub deferring_deletes: bool,
}

impl Node for LinuxNode {
    fn kernel(&self, netns: Option<&Path>) -> Result<Box<dyn Kernel>, NetnsProblem> {
        let problem = |reason: String| NetnsProblem {
            path: netns.map(Path::to_owned).unwrap_or_default(),
            reason,
        };
        let container = match netns {
            Some(path) => Some(ContainerNetns::open(path).map_err(|e| problem(e.to_string()))?),
            None => None,
        };
        let kernel = LinuxKernel::new(container).map_err(|e| problem(e.to_string()))?;
        Ok(Box::new(if self.deferring_deletes { kernel.deferring_deletes() } else { kernel }))
    }
}
