//! Buffers on the heap, for stages that do not fit into the room in the chain's core.
//!
//! A queue of stages is a list of buffers. When the last buffer is full, the queue allocates
//! one more, and leaves the stages of the others where they are. A buffer is freed as soon as
//! its stages have run, except the last one, which the queue uses again.

use std::mem::MaybeUninit;

use super::word::Word;

/// Size of the first buffer of a queue, in words. Six stages fit whose closures capture three
/// words each.
const FIRST_WORDS: usize = 36;

/// Size of the second buffer of a queue, in words: 1.5 KiB. A larger buffer is freed with its
/// chain; the free list keeps one of at most this size with the memory of a dropped chain.
const KEPT_WORDS: usize = 192;

/// Number of words at the end of a buffer, after the room for stages. The first holds the
/// address of the first buffer of the queue (see [`Buffer::set_first`]), the second the size of
/// this buffer.
const END_WORDS: usize = 2;

/// From the third buffer of a queue on, a buffer is this many times as large as the one before.
const GROWTH: usize = 5;

/// Largest size of a buffer in words, unless one stage needs more: 32 MiB, less the
/// allocator's header. glibc keeps freed blocks up to that size for reuse. glibc returns
/// larger blocks to the system at once, and the next chain would pay for new pages.
const MOST_WORDS: usize = (32 << 20) / size_of::<Word>() - 1024;

/// A buffer on the heap: room for stages, then [`END_WORDS`] words.
///
/// INVARIANT: the memory comes from a `Box<[Word]>`. Its last word holds the length of that
/// slice, and `end` points to the word before the last. After [`free`](Self::free), no copy of
/// this `Buffer` is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffer {
    end: *mut Word,
}

impl Buffer {
    /// Allocates a buffer with room for at least `needed` words. `before` is the size of the
    /// queue's last buffer, or 0 if there is none.
    pub(super) fn new(needed: usize, before: usize) -> Self {
        let usual = match before {
            0 => FIRST_WORDS,
            1..KEPT_WORDS => KEPT_WORDS,
            _ => (GROWTH * before).min(MOST_WORDS),
        };
        let words = usual.max(needed + END_WORDS);
        let mut memory = Box::<[Word]>::new_uninit_slice(words);
        memory[words - 1].write(MaybeUninit::new(words as u64));
        let start = Box::into_raw(memory).cast::<Word>();
        Self {
            end: start.wrapping_add(words - END_WORDS),
        }
    }

    /// The buffer whose room ends at `end`.
    pub(super) fn ending_at(end: *mut Word) -> Self {
        Self { end }
    }

    /// The first buffer of the queue whose last buffer this is.
    ///
    /// # Safety
    /// The buffer is not freed, and [`set_first`](Self::set_first) was called.
    pub(super) unsafe fn first(self) -> Self {
        // SAFETY: by contract.
        unsafe { self.end.cast::<Self>().read() }
    }

    /// Stores the first buffer of the queue whose last buffer this is.
    ///
    /// # Safety
    /// The buffer is not freed.
    pub(super) unsafe fn set_first(self, first: Self) {
        // SAFETY: by the invariant, the word at `end` belongs to the buffer.
        unsafe { self.end.cast::<Self>().write(first) }
    }

    /// The size of the buffer in words, with the two at its end.
    ///
    /// # Safety
    /// The buffer is not freed.
    pub(super) unsafe fn words(self) -> usize {
        // SAFETY: by contract and the invariant.
        (unsafe { (*self.end.add(1)).assume_init() }) as usize
    }

    /// Whether the buffer is small enough for the free list to keep it with the memory of a
    /// dropped chain.
    ///
    /// # Safety
    /// The buffer is not freed.
    pub(super) unsafe fn may_be_kept(self) -> bool {
        // SAFETY: by contract.
        unsafe { self.words() <= KEPT_WORDS }
    }

    /// The start of the room for stages, and of the buffer.
    ///
    /// # Safety
    /// The buffer is not freed.
    pub(super) unsafe fn start(self) -> *mut Word {
        // SAFETY: by contract.
        self.end.wrapping_sub(unsafe { self.words() } - END_WORDS)
    }

    /// The end of the room for stages.
    pub(super) fn end(self) -> *mut Word {
        self.end
    }

    /// Frees the memory.
    ///
    /// # Safety
    /// The buffer is not freed yet, and no pointer into it is used any more.
    pub(super) unsafe fn free(self) {
        // SAFETY: by contract and the invariant.
        unsafe {
            let memory = std::ptr::slice_from_raw_parts_mut(self.start(), self.words());
            drop(Box::from_raw(memory));
        }
    }
}
