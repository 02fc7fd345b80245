//! What a guest may use: memory, tables, host calls. Time is [`super::deadline`]'s.

use wasmtime::ResourceLimiter;

/// Core instances of one component. One of wit-component has up to four; of componentize-py, which links
/// libraries and has a stub for each interface of WASI, 38.
const INSTANCES: usize = 128;

/// Memories of one component, and tables.
const MEMORIES: usize = 16;

/// A limit that a guest ran into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Memory.
    #[error("memory: {wanted} octets wanted, {limit} allowed")]
    Memory {
        /// Octets that it wanted in all.
        wanted: usize,
        /// Octets that it may have.
        limit: usize,
    },
    /// Elements of tables.
    #[error("table-elements: {wanted} wanted, {limit} allowed")]
    Table {
        /// Elements that it wanted.
        wanted: usize,
        /// Elements that it may have.
        limit: usize,
    },
    /// Host calls.
    #[error("host-calls: {limit} allowed")]
    HostCalls {
        /// Calls that it may make.
        limit: u32,
    },
    /// What it logs: not an end, but the rest is dropped.
    #[error("log: {limit} octets allowed")]
    Log {
        /// Octets allowed.
        limit: u64,
    },
    /// What it returns.
    #[error("output: {octets} octets, {limit} allowed")]
    Output {
        /// Octets so far.
        octets: u64,
        /// Octets allowed.
        limit: u64,
    },
    /// What it gives the host in one call or result, before it is looked at.
    #[error("output: more than {limit} octets at once")]
    AtOnce {
        /// Octets allowed.
        limit: u64,
    },
    /// Time.
    #[error("deadline: {0:?} allowed")]
    Deadline(std::time::Duration),
    /// Native stack.
    #[error("stack: {} octets allowed", super::engine_config::STACK_BYTES)]
    Stack,
}

/// What a guest has used, against what it may.
#[derive(Debug)]
pub struct Budget {
    memory_limit: usize,
    /// Of all memories together.
    memory: usize,
    table_limit: usize,
    /// Of all tables together.
    table: usize,
    host_calls_limit: u32,
    host_calls: u32,
    log_limit: u64,
    log: u64,
    log_dropped: bool,
    output_limit: u64,
    /// The first limit that it ran into. A guest that is refused memory traps in its allocator, so
    /// the trap alone does not tell.
    pub exceeded: Option<Limit>,
}

impl Budget {
    /// A fresh budget.
    pub fn new(limits: &crate::policy::Limits) -> Self {
        Self {
            memory_limit: usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX),
            memory: 0,
            table_limit: usize::try_from(limits.table_elements).unwrap_or(usize::MAX),
            table: 0,
            host_calls_limit: limits.host_calls,
            host_calls: 0,
            log_limit: limits.log_bytes.into(),
            log: 0,
            log_dropped: false,
            output_limit: limits.output_bytes.into(),
            exceeded: None,
        }
    }

    /// Counts a host call.
    ///
    /// # Errors
    /// When it is one too many.
    pub fn host_call(&mut self) -> Result<(), Limit> {
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > self.host_calls_limit {
            return Err(self.exceed(Limit::HostCalls { limit: self.host_calls_limit }));
        }
        Ok(())
    }

    /// Counts octets that the guest wants to log; whether it may.
    pub fn log(&mut self, octets: usize) -> bool {
        self.log = self.log.saturating_add(octets as u64);
        self.log <= self.log_limit
    }

    /// The limit of the log, for the first line that is dropped.
    pub fn first_dropped(&mut self) -> Option<Limit> {
        let first = !std::mem::replace(&mut self.log_dropped, true);
        first.then_some(Limit::Log { limit: self.log_limit })
    }

    /// Octets that the guest may hand to the host at once.
    pub fn output_limit(&self) -> usize {
        usize::try_from(self.output_limit).unwrap_or(usize::MAX)
    }

    /// It handed more to the host than it may.
    pub fn too_much_at_once(&mut self) -> Limit {
        self.exceed(Limit::AtOnce { limit: self.output_limit })
    }

    /// Checks the size of what the guest returned, as the runtime gets it.
    ///
    /// # Errors
    /// When it is too large.
    pub fn output(&mut self, octets: usize) -> Result<(), Limit> {
        let (octets, limit) = (octets as u64, self.output_limit);
        if octets > limit {
            return Err(self.exceed(Limit::Output { octets, limit }));
        }
        Ok(())
    }

    fn exceed(&mut self, limit: Limit) -> Limit {
        self.exceeded.get_or_insert(limit).clone()
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Should the growth fail for another reason, it is counted all the same.
        let wanted = self.memory.saturating_sub(current).saturating_add(desired);
        if wanted > self.memory_limit {
            self.exceed(Limit::Memory { wanted, limit: self.memory_limit });
            return Ok(false);
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.table.saturating_sub(current).saturating_add(desired);
        if wanted > self.table_limit {
            self.exceed(Limit::Table { wanted, limit: self.table_limit });
            return Ok(false);
        }
        self.table = wanted;
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        MEMORIES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        let limits = crate::policy::Limits {
            memory_bytes: 1000,
            table_elements: 100,
            ..crate::policy::Limits::default()
        };
        Budget::new(&limits)
    }

    #[test]
    fn memories_count_together() {
        let mut budget = budget();
        assert!(budget.memory_growing(0, 400, None).unwrap());
        assert!(budget.memory_growing(0, 400, None).unwrap());
        assert!(budget.memory_growing(400, 600, None).unwrap());
        assert_eq!(budget.exceeded, None);
        assert!(!budget.memory_growing(400, 401, None).unwrap());
        assert_eq!(budget.exceeded, Some(Limit::Memory { wanted: 1001, limit: 1000 }));
    }

    #[test]
    fn tables_count_together() {
        let mut budget = budget();
        assert!(budget.table_growing(0, 60, None).unwrap());
        assert!(!budget.table_growing(0, 60, None).unwrap());
        assert_eq!(budget.exceeded, Some(Limit::Table { wanted: 120, limit: 100 }));
    }
}
