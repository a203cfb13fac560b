//! Memory for more stages than a core has room for.
//!
//! A queue that grows does so by one buffer after another: what is in one is not moved
//! when the next begins, and its memory is given back as soon as its stages have run.

use std::mem::MaybeUninit;

use super::Word;

/// The first one of a queue.
const FIRST_WORDS: usize = 128;

/// How much larger each is than the one before.
const GROWTH: usize = 4;

/// None is larger, unless one stage needs it: 32 MiB, less what an allocator adds. glibc's
/// keeps what is freed in pieces below that, instead of giving it back to the system only
/// to have new pages made for the next chain.
const MOST_WORDS: usize = (32 << 20) / size_of::<Word>() - 1024;

/// A buffer on the heap: place for stages, and at its end how large it is.
///
/// INVARIANT: `end` is the last word of what came from a `Box<[Word]>` of as many words
/// as it says. Who has a copy of it does not use it after [`free`](Self::free).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffer {
    end: *mut Word,
}

impl Buffer {
    /// None.
    pub(super) const NONE: Self = Self {
        end: std::ptr::null_mut(),
    };

    /// One with place for so many words at least, to follow one of `before` words.
    pub(super) fn new(needed: usize, before: usize) -> Self {
        let words = (GROWTH * before)
            .clamp(FIRST_WORDS, MOST_WORDS)
            .max(needed + 1);
        let mut memory = Box::<[Word]>::new_uninit_slice(words);
        memory[words - 1].write(MaybeUninit::new(words as u64));
        let start = Box::into_raw(memory).cast::<Word>();
        Self {
            end: start.wrapping_add(words - 1),
        }
    }

    /// The one whose place ends there.
    pub(super) fn ending_at(end: *mut Word) -> Self {
        Self { end }
    }

    #[inline(always)]
    pub(super) fn is_none(self) -> bool {
        self.end.is_null()
    }

    /// How many words it has in all.
    ///
    /// # Safety
    /// It is there.
    pub(super) unsafe fn words(self) -> usize {
        // SAFETY: by contract and the invariant.
        (unsafe { (*self.end).assume_init() }) as usize
    }

    /// Where its place begins.
    ///
    /// # Safety
    /// It is there.
    pub(super) unsafe fn start(self) -> *mut Word {
        // SAFETY: by contract.
        self.end.wrapping_sub(unsafe { self.words() } - 1)
    }

    /// Where its place ends.
    pub(super) fn end(self) -> *mut Word {
        self.end
    }

    /// Gives the memory back.
    ///
    /// # Safety
    /// It is there, and nothing in it is used any more.
    pub(super) unsafe fn free(self) {
        // SAFETY: by contract and the invariant.
        unsafe {
            let memory = std::ptr::slice_from_raw_parts_mut(self.start(), self.words());
            drop(Box::from_raw(memory));
        }
    }
}
