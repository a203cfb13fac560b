//! Buffers on the heap, for stages that do not fit into the core.
//!
//! A queue grows by one buffer after another: records are not moved when the next buffer
//! begins, and a buffer is freed as soon as its stages have run.

use std::mem::MaybeUninit;

use super::word::Word;

/// Size of the first buffer of a queue: for six stages that capture three words each.
const FIRST_WORDS: usize = 36;

/// Size of the largest buffer that the free list keeps with the memory of a dropped chain:
/// 1.5 KiB. The second buffer of a queue is as large.
const KEPT_WORDS: usize = 192;

/// Words at the end of a buffer: the first buffer of its queue, and its size.
const END_WORDS: usize = 2;

/// Ratio of the sizes of a buffer and the one before it, from the third on.
const GROWTH: usize = 5;

/// Size limit, unless one stage needs more: 32 MiB, less the allocator's header. glibc keeps
/// freed blocks up to that size for reuse. Larger ones it returns to the system at once, and
/// the next chain would pay for new pages.
const MOST_WORDS: usize = (32 << 20) / size_of::<Word>() - 1024;

/// A buffer on the heap: room for stages, and two words behind it.
///
/// INVARIANT: `end` is the last but one word of what came from a `Box<[Word]>` of as many
/// words as the last one says. A copy is not used after [`free`](Self::free).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffer {
    end: *mut Word,
}

impl Buffer {
    /// One with room for at least `needed` words, to follow one of `before` words.
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

    /// The first buffer of the queue of which this is the last.
    ///
    /// # Safety
    /// It is not freed, and [`set_first`](Self::set_first) was called.
    pub(super) unsafe fn first(self) -> Self {
        // SAFETY: by contract.
        unsafe { self.end.cast::<Self>().read() }
    }

    /// Notes the first buffer of the queue of which this is the last.
    ///
    /// # Safety
    /// It is not freed.
    pub(super) unsafe fn set_first(self, first: Self) {
        // SAFETY: by the invariant, the word is part of it.
        unsafe { self.end.cast::<Self>().write(first) }
    }

    /// Its size in words.
    ///
    /// # Safety
    /// It is not freed.
    pub(super) unsafe fn words(self) -> usize {
        // SAFETY: by contract and the invariant.
        (unsafe { (*self.end.add(1)).assume_init() }) as usize
    }

    /// Whether it is small enough to stay with the memory of a dropped chain.
    ///
    /// # Safety
    /// It is not freed.
    pub(super) unsafe fn may_be_kept(self) -> bool {
        // SAFETY: by contract.
        unsafe { self.words() <= KEPT_WORDS }
    }

    /// The start of its room.
    ///
    /// # Safety
    /// It is not freed.
    pub(super) unsafe fn start(self) -> *mut Word {
        // SAFETY: by contract.
        self.end.wrapping_sub(unsafe { self.words() } - END_WORDS)
    }

    /// The end of its room.
    pub(super) fn end(self) -> *mut Word {
        self.end
    }

    /// Frees the memory.
    ///
    /// # Safety
    /// It is not freed yet, and nothing in it is used any more.
    pub(super) unsafe fn free(self) {
        // SAFETY: by contract and the invariant.
        unsafe {
            let memory = std::ptr::slice_from_raw_parts_mut(self.start(), self.words());
            drop(Box::from_raw(memory));
        }
    }
}
