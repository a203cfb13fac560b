//! Memory for more stages than a core has room for.
//!
//! A queue that grows does so by one buffer after another: what is in one is not moved
//! when the next begins, and its memory is given back as soon as its stages have run.

use std::mem::MaybeUninit;

use super::Word;

/// The first one of a queue: six stages that capture three words each.
const FIRST_WORDS: usize = 36;

/// The largest one that stays with the memory of a chain that is gone, for the stages of
/// the next one: 1.5 KiB. The second of a queue is as large.
const KEPT_WORDS: usize = 192;

/// What stands at the end of one: the first of its queue, and how large it is.
const END_WORDS: usize = 2;

/// How much larger each is than the one before, but for the second.
const GROWTH: usize = 5;

/// None is larger, unless one stage needs it: 32 MiB, less what an allocator adds. glibc's
/// keeps what is freed in pieces below that, instead of giving it back to the system only
/// to have new pages made for the next chain.
const MOST_WORDS: usize = (32 << 20) / size_of::<Word>() - 1024;

/// A buffer on the heap: place for stages, and two words behind it.
///
/// INVARIANT: `end` is the last but one word of what came from a `Box<[Word]>` of as many
/// words as the last one says. A copy is not used after [`free`](Self::free).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Buffer {
    end: *mut Word,
}

impl Buffer {
    /// One with place for so many words at least, to follow one of `before` words.
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

    /// The one whose place ends there.
    pub(super) fn ending_at(end: *mut Word) -> Self {
        Self { end }
    }

    /// The first buffer of the queue of which this is the last.
    ///
    /// # Safety
    /// It is there, and [`set_first`](Self::set_first) was called.
    pub(super) unsafe fn first(self) -> Self {
        // SAFETY: by contract.
        unsafe { self.end.cast::<Self>().read() }
    }

    /// Notes the first buffer of the queue of which this is the last.
    ///
    /// # Safety
    /// It is there.
    pub(super) unsafe fn set_first(self, first: Self) {
        // SAFETY: by the invariant, the word is part of it.
        unsafe { self.end.cast::<Self>().write(first) }
    }

    /// How many words it has in all.
    ///
    /// # Safety
    /// It is there.
    pub(super) unsafe fn words(self) -> usize {
        // SAFETY: by contract and the invariant.
        (unsafe { (*self.end.add(1)).assume_init() }) as usize
    }

    /// Whether it is small enough to stay with the memory of a chain that is gone.
    ///
    /// # Safety
    /// It is there.
    pub(super) unsafe fn may_be_kept(self) -> bool {
        // SAFETY: by contract.
        unsafe { self.words() <= KEPT_WORDS }
    }

    /// Where its place begins.
    ///
    /// # Safety
    /// It is there.
    pub(super) unsafe fn start(self) -> *mut Word {
        // SAFETY: by contract.
        self.end.wrapping_sub(unsafe { self.words() } - END_WORDS)
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
