//! What a guest may use: memory, tables, host calls. Time is [`super::deadline`]'s.

use wasmtime::ResourceLimiter;

/// Core instances, memories and tables of one component; a component of wit-component has up to four.
const INSTANCES: usize = 16;

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
    /// What it logs.
    #[error("log: {octets} octets, {limit} allowed")]
    Log {
        /// Octets so far.
        octets: u64,
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
    table_limit: usize,
    host_calls_limit: u32,
    host_calls: u32,
    log_limit: u64,
    log: u64,
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
            table_limit: usize::try_from(limits.table_elements).unwrap_or(usize::MAX),
            host_calls_limit: limits.host_calls,
            host_calls: 0,
            log_limit: limits.log_bytes.into(),
            log: 0,
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

    /// Counts octets that the guest logs.
    ///
    /// # Errors
    /// When they are too many.
    pub fn log(&mut self, octets: usize) -> Result<(), Limit> {
        self.log = self.log.saturating_add(octets as u64);
        if self.log > self.log_limit {
            let (octets, limit) = (self.log, self.log_limit);
            return Err(self.exceed(Limit::Log { octets, limit }));
        }
        Ok(())
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
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.memory_limit {
            self.exceed(Limit::Memory { wanted: desired, limit: self.memory_limit });
            return Ok(false);
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.table_limit {
            self.exceed(Limit::Table { wanted: desired, limit: self.table_limit });
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        INSTANCES
    }

    fn memories(&self) -> usize {
        INSTANCES
    }
}
