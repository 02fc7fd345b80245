//! Loading code that was compiled ahead: the only unsafe code of the host.
//!
//! wasmtime runs what it is given: it checks the metadata of compiled code, not the code. So code is
//! only ever taken from a [`Code`], and a `Code` is only ever made of bytes that this build's own
//! build script wrote and that are part of this binary.
#![allow(unsafe_code, reason = "compiled code is run as it is; each block argues why it may be")]
#![allow(clippy::disallowed_methods, reason = "the one place that loads compiled code")]

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::mman::{ProtFlags, mprotect};
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine};

/// Size of a page, in octets: what code that is to be executed in place is aligned to.
const PAGE: usize = 4096;

/// Compiled code of a component, page-aligned and part of this binary.
#[derive(Clone, Copy)]
pub struct Code {
    bytes: &'static [u8],
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Code({} octets)", self.bytes.len())
    }
}

impl Code {
    /// Code that a build script compiled with this workspace's engine configuration.
    ///
    /// # Safety
    /// `bytes` must be the whole, unchanged output of `Engine::precompile_component` (with
    /// `include_bytes!` of a file that the same build wrote), in an [`Aligned`] static.
    #[must_use]
    pub const unsafe fn compiled_by_build_script(bytes: &'static [u8]) -> Self {
        Self { bytes }
    }

    /// Size, in octets.
    pub fn size(self) -> usize {
        self.bytes.len()
    }
}

/// Aligns what it holds to a page.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct Aligned<T: ?Sized>(pub T);

/// Where code lies that was once loaded in place.
static IN_PLACE: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Makes a component of compiled code, in place: nothing is copied.
///
/// wasmtime takes code of one place once: a second component of it, such as of a plugin that delegates to
/// itself, is made of a copy.
///
/// # Errors
/// When the code was compiled by another version or configuration of wasmtime, or for a CPU with
/// features that this one lacks.
pub fn load(engine: &Engine, code: Code) -> wasmtime::Result<Component> {
    let place = code.bytes.as_ptr().addr();
    let mut in_place = IN_PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    let again = in_place.contains(&place);
    if !again {
        in_place.push(place);
    }
    drop(in_place);
    if again {
        // SAFETY: who wrote these bytes: `Code::compiled_by_build_script` requires that this build's
        // build script did, by `precompile_component`. They are copied.
        return unsafe { Component::deserialize(engine, code.bytes) };
    }
    // SAFETY: who wrote these bytes: see above. Where: in a static of this binary, which lives
    // as long as the process. Nobody changes them: the static is not mutable, its pages are mapped
    // private from the executable file, and `CodePages` only ever changes whether they may be
    // executed, never whether they may be written. When it makes them not executable again, nothing
    // executes them: they were loaded here once. The pointer is not null and is only read through.
    unsafe { Component::deserialize_raw(engine, NonNull::from(code.bytes)) }
}

/// Lets the engine execute code where it lies.
struct CodePages;

/// The hook for [`wasmtime::Config::with_custom_code_memory`].
pub(super) fn code_memory() -> Arc<dyn CustomCodeMemory> {
    Arc::new(CodePages)
}

impl CustomCodeMemory for CodePages {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, code: *const u8, octets: usize) -> wasmtime::Result<()> {
        protect(code, octets, ProtFlags::PROT_READ | ProtFlags::PROT_EXEC)
    }

    fn unpublish_executable(&self, code: *const u8, octets: usize) -> wasmtime::Result<()> {
        protect(code, octets, ProtFlags::PROT_READ)
    }
}

/// `mprotect(2)`.
fn protect(code: *const u8, octets: usize, flags: ProtFlags) -> wasmtime::Result<()> {
    let Some(address) = NonNull::new(code.cast_mut().cast::<c_void>()) else {
        return Err(wasmtime::Error::msg("protecting code: null address"));
    };
    // SAFETY: wasmtime gives the text section of a component that `load` made: whole pages (the
    // trait promises the alignment asked for) inside a `Code`, or inside wasmtime's own copy of one. Those
    // pages are not writable from here on: the flags are read, with or without execute. Rust code only
    // reads them.
    unsafe { mprotect(address, octets, flags) }
        .map_err(|e| wasmtime::Error::msg(format!("protecting {octets} octets of code: {e}")))
}
