//! The simulated node of one call, with its faults.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Answered, Mishap};
use crate::call::{NetnsProblem, Node};
use crate::kernel::Kernel;
use crate::kernel::faults::{Faults, Record};
use crate::kernel::sim::SimNode;

/// The simulated node, with a call's faults. Clones are of one call.
#[derive(Clone, Default)]
pub(super) struct TrialNode {
    node: Rc<SimNode>,
    mishaps: Vec<Mishap>,
    /// Faults of one kernel alone, by the order in which kernels are handed out.
    pub(super) answers: Vec<Answered>,
    /// The call's path of a netns, and which one that is; without it, the path's last part is the name.
    pub(super) netns: Option<(PathBuf, Result<String, String>)>,
    records: Rc<RefCell<Vec<Record>>>,
}

impl TrialNode {
    pub(super) fn new(node: &Rc<SimNode>, mishaps: &[Mishap]) -> Self {
        Self { node: Rc::clone(node), mishaps: mishaps.to_vec(), ..Self::default() }
    }

    /// The name of the netns at a path.
    fn name<'a>(&'a self, path: &'a Path) -> Result<Option<&'a str>, String> {
        match &self.netns {
            Some((named, is)) if named == path => is.as_deref().map(Some).map_err(Clone::clone),
            Some(_) | None => Ok(path.file_name().and_then(|name| name.to_str())),
        }
    }
}

impl Node for TrialNode {
    fn kernel(&self, netns: Option<&Path>) -> Result<Box<dyn Kernel>, NetnsProblem> {
        let mut name = None;
        if let Some(path) = netns {
            let problem = |reason| NetnsProblem { path: path.to_owned(), reason };
            name = self.name(path).map_err(problem)?.filter(|name| self.node.has_netns(name));
            if name.is_none() {
                let reason = "there is no such network namespace on the simulated node";
                return Err(problem(reason.to_owned()));
            }
        }
        let number = self.records.borrow().len();
        let mut kernel = Faults::new(self.node.kernel(name));
        for Mishap { at, errno, lost } in self.mishaps.iter().copied() {
            kernel = if lost { kernel.lose(at, errno) } else { kernel.refuse(at, errno) };
        }
        for answer in self.answers.iter().filter(|answer| answer.kernel == number) {
            kernel = kernel.answer(answer.at, answer.error.clone());
        }
        self.records.borrow_mut().push(kernel.record());
        Ok(Box::new(kernel))
    }

    fn watched(&self) -> Vec<Record> {
        self.records.borrow().clone()
    }
}
