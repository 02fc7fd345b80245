//! The one engine configuration. The build script compiles the plugins with it (this file is
//! included there), the host loads them with it: compiled code fits only the engine that has the
//! same settings.

use wasmtime::Config;

/// Octets of native stack that a guest may use; one that recurses deeper traps.
pub(crate) const STACK_BYTES: usize = 512 * 1024;

/// Settings that decide what code is generated, and so must be equal on both sides.
pub(crate) fn engine_config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // A guest that does not come back is stopped at its deadline.
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        // A guest's initial memory is some 20 KB: copying it costs less than a memfd to map it from.
        .memory_init_cow(false)
        // No debugger and no unwinder looks at guests. Without unwind information start-up is 36 µs
        // shorter, without symbols a plugin 7 % smaller.
        .native_unwind_info(false)
        .debug_symbols(false)
        .generate_address_map(false);
    config
}
