//! Words for the operator: they go to the host's stderr, and natively to the test's.

/// How much a line matters.
pub use crate::bindings::wasmcni::cni::log::Level;

/// Writes a line.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::wasmcni::cni::log::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    eprintln!("{level:?}: {message}");
}

/// Writes a line that says what went wrong and was passed over.
pub fn warn(message: &str) {
    log(Level::Warn, message);
}

/// Writes a line for those who look for a fault.
pub fn debug(message: &str) {
    log(Level::Debug, message);
}
