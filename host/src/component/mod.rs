//! What runs: components, compiled ahead, bundled or installed; their imports; the engine and its limits.

mod aot;
mod bundled;
pub mod deadline;
mod engine_config;
pub mod imports;
pub mod limits;
pub mod store;

pub use aot::{Aligned, Code, load};
pub use bundled::{BUNDLED, Bundled, Origin, find};

use wasmtime::Engine;

/// The engine that runs what the build script compiled.
///
/// # Errors
/// When this CPU or kernel cannot run it; the text is wasmtime's.
pub fn engine() -> wasmtime::Result<Engine> {
    let mut config = engine_config::engine_config();
    // Reserving addresses for guests' memories costs nothing until they are touched; what a guest
    // may use is its grants' limit.
    config.with_custom_code_memory(Some(aot::code_memory()));
    Engine::new(&config)
}
