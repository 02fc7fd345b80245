//! The node that wasmcni runs on.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use crate::call::{NetnsProblem, Node};
use crate::kernel::Kernel;
use crate::kernel::faults::{Faults, Record};
use crate::kernel::linux::{BusAddress, ContainerNetns, LinuxKernel};

/// The real one.
#[derive(Debug, Clone)]
pub struct LinuxNode {
    /// Where firewalld is looked for.
    pub system_bus: BusAddress,
    /// Whether links are deleted without waiting for their memory.
    pub deferring_deletes: bool,
    /// What is asked of the kernels, if it is to be known.
    pub watched: Option<Rc<RefCell<Vec<Record>>>>,
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
        let kernel = if self.deferring_deletes { kernel.deferring_deletes() } else { kernel };
        let Some(watched) = &self.watched else { return Ok(Box::new(kernel)) };
        let kernel = Faults::new(kernel);
        watched.borrow_mut().push(kernel.record());
        Ok(Box::new(kernel))
    }

    fn watched(&self) -> Vec<Record> {
        self.watched.as_ref().map(|watched| watched.borrow().clone()).unwrap_or_default()
    }
}
