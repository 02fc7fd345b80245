//! The guest's heap, which only grows: a call takes milliseconds, and all of its memory goes with it.
//!
//! std's allocator for WebAssembly finds memory that was given back. That costs 9 KB in each plugin, an eighth
//! of the smallest one, which every exec of it has to map. Here the block that was given out last can grow and
//! be given back, so that texts that are put together and dropped leave nothing; all else stays until the end.
#![allow(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Octets of a WebAssembly page.
const PAGE: usize = 1 << 16;

#[global_allocator]
static HEAP: Heap = Heap { end: AtomicUsize::new(0) };

/// Where the last block ends, as an address; 0: no block was given out yet. Atomic for being in a static: a
/// guest has one thread.
struct Heap {
    end: AtomicUsize,
}

unsafe extern "C" {
    /// Where the linker's own data end and the heap may begin (wasm-ld).
    static __heap_base: u8;
}

impl Heap {
    fn end(&self) -> usize {
        match self.end.load(Relaxed) {
            0 => (&raw const __heap_base).addr(),
            end => end,
        }
    }

    /// Makes a block end there, and the memory reach so far; `None`: the host gives no more, or there is no
    /// such address.
    fn reach(&self, end: Option<usize>) -> Option<()> {
        let end = end?;
        let there = wasm32::memory_size(0);
        let wanted = end.div_ceil(PAGE);
        if wanted > there && wasm32::memory_grow(0, wanted - there) == usize::MAX {
            return None;
        }
        self.end.store(end, Relaxed);
        Some(())
    }

    fn is_last(&self, block: *mut u8, layout: Layout) -> bool {
        block.addr() + layout.size() == self.end()
    }
}

// SAFETY: blocks lie between `__heap_base`, above which the linker puts nothing, and the end of the memory.
// Each begins at or after the end of the one before, since `end` moves back only over the block that ends
// there, when that is given back or shrinks; so no two overlap. `reach` has the memory reach to a block's end
// before it is given out. A block begins at a multiple of its alignment. Nothing unwinds: nothing panics.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(start) = self.end().checked_next_multiple_of(layout.align()) else {
            return ptr::null_mut();
        };
        match self.reach(start.checked_add(layout.size())) {
            Some(()) => ptr::with_exposed_provenance_mut(start),
            None => ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.is_last(block, layout) {
            self.end.store(block.addr(), Relaxed);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.is_last(block, layout) {
            return match self.reach(block.addr().checked_add(size)) {
                Some(()) => block,
                None => ptr::null_mut(),
            };
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the caller's `size` is not zero, and fits this alignment.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
        if !new.is_null() {
            // SAFETY: the old block has `layout.size()` octets, which is less than the new one has, and they
            // do not overlap.
            unsafe { ptr::copy_nonoverlapping(block, new, layout.size()) };
        }
        new
    }
}
