//! Stops guests that do not come back.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wasmtime::Engine;

/// Octets of the watching thread's stack; it calls two functions.
const STACK: usize = 64 * 1024;

/// How long a guest may run that begins after the end.
const AFTERWARDS: Duration = Duration::from_millis(10);

/// Ends the running guests' epoch at a point in time, unless dropped before.
#[derive(Debug)]
pub struct Deadline {
    cancel: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Deadline {
    /// Watches until `at`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn watch(engine: &Engine, at: Instant) -> std::io::Result<Self> {
        let (cancel, cancelled) = channel();
        let engine = engine.clone();
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || {
            let mut left = at.saturating_duration_since(Instant::now());
            // And again: a delegate that begins now counts from the present epoch.
            while cancelled.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                engine.increment_epoch();
                left = AFTERWARDS;
            }
        })?;
        Ok(Self { cancel: Some(cancel), thread: Some(thread) })
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.cancel.take();
        if let Some(thread) = self.thread.take() {
            // It ends as soon as the channel is closed; it cannot panic.
            let _ = thread.join();
        }
    }
}
