//! Loading code that was compiled ahead.
//!
//! wasmtime runs what it is given: it checks the metadata of compiled code, not the code. So code is
//! only ever taken from a [`Code`], and a `Code` is only ever made of bytes that this build's own
//! build script wrote and that are part of this binary, or of a file that wasmcni itself wrote when a plugin
//! was installed ([`super::store`]).
#![allow(unsafe_code, reason = "compiled code is run as it is; each block argues why it may be")]
#![allow(clippy::disallowed_methods, reason = "the one place that loads compiled code")]

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, mprotect};
use wasmtime::component::Component;
use wasmtime::{CustomCodeMemory, Engine};

use super::store::Checked;

/// Size of a page, in octets: what code that is to be executed in place is aligned to.
const PAGE: usize = 4096;

/// Compiled code of a component, page-aligned, for as long as the process runs.
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

    /// Code that was compiled when a component was installed.
    ///
    /// # Errors
    /// The system's, when the file cannot be mapped.
    ///
    pub(super) fn installed(checked: &Checked) -> std::io::Result<Self> {
        let file = checked.file();
        let size = file.metadata()?.len();
        let length = usize::try_from(size).ok().and_then(NonZeroUsize::new);
        let length = length.ok_or(std::io::ErrorKind::InvalidData)?;
        let (protection, flags) = (ProtFlags::PROT_READ, MapFlags::MAP_PRIVATE);
        // SAFETY: a new mapping at a place of the kernel's choice; nothing of this process's is touched.
        let place = unsafe { mmap(None, length, protection, flags, file, 0) }?;
        // SAFETY: `length` octets are mapped from there on, for reading, and stay mapped until the process
        // ends. They do not change: a `Checked` file lies in a directory that only root can write to, and
        // wasmcni replaces files there, it never writes to one (`cli/plugin/publish.rs`).
        let bytes =
            unsafe { std::slice::from_raw_parts(place.cast::<u8>().as_ptr(), length.get()) };
        Ok(Self { bytes })
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
        // SAFETY: who wrote these bytes: `Code::compiled_by_build_script` and `Code::installed` require that
        // wasmcni's own compiler did, by `precompile_component`: of the latter, `store` checks that the file is
        // what was written then. They are copied.
        return unsafe { Component::deserialize(engine, code.bytes) };
    }
    // SAFETY: who wrote these bytes: see above. Where: in a static of this binary, or mapped from a file; both
    // stay as long as the process. Nobody changes them: the static is not mutable, the mapping not writable, its
    // pages are private to this process and come from a file that is not written to, and `CodePages` only ever changes whether they may be
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
