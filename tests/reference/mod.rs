//! The same calls to wasmcni and to the reference plugins.
