//! The allocator of a program that is linked with musl.
//!
//! musl's own gives memory back to the kernel at once and asks for it anew, which took 0.2 to 0.3 ms of a launch.

#![allow(unsafe_code, reason = "the platform modules are the only home of unsafe")]

use dlmalloc::GlobalDlmalloc;
use std::alloc::{GlobalAlloc, Layout};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// Calls dlmalloc. Without it, the calls with their lock are inlined at two thousand places.
struct Allocator;

// SAFETY: every call is handed on unchanged to dlmalloc, which keeps the trait's promises.
unsafe impl GlobalAlloc for Allocator {
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the promises of `GlobalAlloc::alloc`.
        unsafe { GlobalDlmalloc.alloc(layout) }
    }

    #[inline(never)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the promises of `GlobalAlloc::alloc_zeroed`.
        unsafe { GlobalDlmalloc.alloc_zeroed(layout) }
    }

    #[inline(never)]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `GlobalAlloc::dealloc`.
        unsafe { GlobalDlmalloc.dealloc(pointer, layout) }
    }

    #[inline(never)]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the promises of `GlobalAlloc::realloc`.
        unsafe { GlobalDlmalloc.realloc(pointer, layout, new_size) }
    }
}
