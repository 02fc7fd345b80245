//! The node that wasmcni runs on.

use std::path::Path;

use crate::call::{NetnsProblem, Node};
use crate::kernel::Kernel;
use crate::kernel::linux::{BusAddress, ContainerNetns, LinuxKernel};

/// The real one.
#[derive(Debug, Clone)]
pub struct LinuxNode {
    /// Where firewalld is looked for.
    pub system_bus: BusAddress,
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
        let kernel = kernel.on_bus(self.system_bus.clone());
        Ok(Box::new(if self.deferring_deletes { kernel.deferring_deletes() } else { kernel }))
    }
}
