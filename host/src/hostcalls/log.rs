//! `wasmcni:cni/log`.

use super::Ctx;
use crate::bindings::wasmcni::cni::log::{Host, Level};

impl Host for Ctx {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.budget.host_call()?;
        if !self.budget.log(message.len()) {
            if let Some(limit) = self.budget.first_dropped() {
                let plugin = self.gate.plugin();
                (self.log)(&format!("warn: the rest of what {plugin:?} logs is dropped: {limit}"));
            }
            return Ok(());
        }
        let level = match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        // One line a message, and nothing that a terminal or a log reader would act on.
        let clean: String =
            message.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        (self.log)(&format!("{level}: {clean}"));
        Ok(())
    }
}
