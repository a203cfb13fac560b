//! A queue of stages of any types.

use std::any::TypeId;
use std::marker::PhantomData;
use std::panic::Location;

use super::{Word, read, word_aligned, words_of, write};
use crate::contain::drop_contained;

/// Room for four stages whose closures capture three words each, headers included.
const INLINE_WORDS: usize = 4 * (HEADER_WORDS + 3);

const HEADER_WORDS: usize = words_of::<Header<(), ()>>();

/// The first heap buffer of a chain that outgrew its own.
const FIRST_SPILL_WORDS: usize = 128;

/// A closure that is larger than this goes into a box, so that one of a
/// megabyte is not copied when the buffer grows.
const LARGEST_INLINE_BYTES: usize = 128;

/// A stage that can be queued: `RUN` is how it is run with an `A`, giving a `B`.
pub(crate) trait Queued<A, B>: 'static {
    const RUN: fn(&A) -> B;
}

/// A queue of stages of any types, with the place each was added at.
///
/// Dropping it drops the stages in order, containing panics.
#[repr(C)] // the room first: see `State`
pub(crate) struct Stages<A: 'static, B: 'static> {
    inline: [Word; INLINE_WORDS],
    /// In use, instead of `inline`, from the first growth on.
    heap: Box<[Word]>,
    /// INVARIANT: `head <= tail <= capacity`, and the words between them are
    /// whole records: a `Header`, then its stage.
    head: u32,
    tail: u32,
    run: PhantomData<fn(&A) -> B>,
}

/// Stands before each stage.
struct Header<A: 'static, B: 'static> {
    of: &'static StageType<A, B>,
    added_at: &'static Location<'static>,
}

struct StageType<A, B> {
    id: TypeId,
    /// What the stage takes in the buffer, behind the header.
    words: u32,
    /// Drops the stage at the place, which is not used again.
    drop: unsafe fn(*mut Word),
    run: fn(&A) -> B,
}

/// What is known of an `S` in the queue.
struct StageOf<S>(S);

impl<S: 'static> StageOf<S> {
    const BOXED: bool = size_of::<S>() > LARGEST_INLINE_BYTES || !word_aligned::<S>();
    const WORDS: usize = if Self::BOXED { 1 } else { words_of::<S>() };

    /// # Safety
    /// `place` holds an `S` as the queue keeps it, which is not used again.
    unsafe fn drop_at(place: *mut Word) {
        // SAFETY: by contract.
        drop_contained(unsafe { read::<S>(place, Self::BOXED) });
    }
}

/// The same, with how it is run.
struct QueuedAs<A, B, S>(PhantomData<(A, B, S)>);

impl<A: 'static, B: 'static, S: Queued<A, B>> QueuedAs<A, B, S> {
    const TYPE: &'static StageType<A, B> = &StageType {
        id: TypeId::of::<S>(),
        words: StageOf::<S>::WORDS as u32,
        drop: StageOf::<S>::drop_at,
        run: S::RUN,
    };
}

impl<A: 'static, B: 'static> Stages<A, B> {
    /// Makes an empty queue at `place`, leaving its room alone.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes.
    pub(super) unsafe fn write_empty(place: *mut Self) {
        const { assert!(words_of::<Header<A, B>>() == HEADER_WORDS && word_aligned::<Header<A, B>>()) };
        // SAFETY: by contract; `inline` may be left uninitialised.
        unsafe {
            (&raw mut (*place).heap).write(Box::default());
            (&raw mut (*place).head).write(0);
            (&raw mut (*place).tail).write(0);
        }
    }

    /// Takes the stages out, leaving none.
    pub(crate) fn take_all(&mut self) -> Self {
        let taken = Self {
            inline: self.inline,
            heap: std::mem::take(&mut self.heap),
            head: self.head,
            tail: self.tail,
            run: PhantomData,
        };
        self.head = 0;
        self.tail = 0;
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// How many stages wait.
    pub(crate) fn len(&self) -> usize {
        self.headers().count()
    }

    /// Adds a stage at the end.
    #[inline(always)]
    pub(crate) fn push<S: Queued<A, B>>(&mut self, stage: S, added_at: &'static Location<'static>) {
        let needed = HEADER_WORDS + StageOf::<S>::WORDS;
        if self.words().len() - (self.tail as usize) < needed {
            self.make_room(needed);
        }
        let tail = self.tail as usize;
        let room = &mut self.words_mut()[tail..tail + needed];
        let place = room.as_mut_ptr();
        // SAFETY: `room` is `needed` words: a header and a stage as it is kept.
        unsafe {
            let of = QueuedAs::<A, B, S>::TYPE;
            place.cast::<Header<A, B>>().write(Header { of, added_at });
            write(place.add(HEADER_WORDS), stage, StageOf::<S>::BOXED);
        }
        self.tail += needed as u32;
    }

    /// How to run the first stage, and where it was added.
    #[inline]
    pub(crate) fn first(&self) -> Option<(fn(&A) -> B, &'static Location<'static>)> {
        let header = self.header_at(self.head)?;
        Some((header.of.run, header.added_at))
    }

    /// Takes the first stage out, if it is an `S`.
    #[inline]
    pub(crate) fn pop<S: 'static>(&mut self) -> Option<(S, &'static Location<'static>)> {
        let Header { of, added_at } = *self.header_at(self.head)?;
        if of.id != TypeId::of::<S>() {
            return None;
        }
        let place = self.leave(of);
        // SAFETY: an `S` is at that place, and the queue has let go of it.
        let stage = unsafe { read::<S>(place, StageOf::<S>::BOXED) };
        Some((stage, added_at))
    }

    /// Lets go of the first record, whose type is `of`: gives the place of its
    /// stage, which is valid until the next push.
    #[inline]
    fn leave(&mut self, of: &StageType<A, B>) -> *mut Word {
        let stage_at = self.head as usize + HEADER_WORDS;
        self.head = stage_at as u32 + of.words;
        if self.head == self.tail {
            self.head = 0;
            self.tail = 0;
        }
        // Not by index: a stage of no size may lie at the very end.
        self.words_mut().as_mut_ptr().wrapping_add(stage_at)
    }

    #[inline]
    fn header_at(&self, at: u32) -> Option<&Header<A, B>> {
        if at == self.tail {
            return None;
        }
        let header = self.words().as_ptr().wrapping_add(at as usize).cast();
        // SAFETY: between `head` and `tail` there are whole records, and `at` is
        // the start of one: `head`, or what follows another.
        Some(unsafe { &*header })
    }

    fn headers(&self) -> impl Iterator<Item = &Header<A, B>> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let header = self.header_at(at)?;
            at += HEADER_WORDS as u32 + header.of.words;
            Some(header)
        })
    }

    #[inline]
    fn words(&self) -> &[Word] {
        if self.heap.is_empty() {
            &self.inline
        } else {
            &self.heap
        }
    }

    #[inline]
    fn words_mut(&mut self) -> &mut [Word] {
        if self.heap.is_empty() {
            &mut self.inline
        } else {
            &mut self.heap
        }
    }

    /// Makes room for `needed` more words: moves the records to the front if
    /// that frees half of the buffer, else into a larger one.
    #[cold]
    fn make_room(&mut self, needed: usize) {
        let waiting = self.head as usize..self.tail as usize;
        let used = waiting.len();
        if used + needed <= self.words().len() / 2 {
            self.words_mut().copy_within(waiting, 0);
        } else {
            let larger = (2 * (used + needed)).max(FIRST_SPILL_WORDS);
            let larger = larger.next_power_of_two();
            assert!(u32::try_from(larger).is_ok(), "a chain of over 16 GiB");
            let mut heap = Box::<[u64]>::new_uninit_slice(larger);
            heap[..used].copy_from_slice(&self.words()[waiting]);
            self.heap = heap;
        }
        self.head = 0;
        self.tail = used as u32;
    }
}

impl<A: 'static, B: 'static> Drop for Stages<A, B> {
    #[inline]
    fn drop(&mut self) {
        while let Some(header) = self.header_at(self.head) {
            let of = header.of;
            let place = self.leave(of);
            // SAFETY: such a stage is at that place, and the queue has let go of it.
            unsafe { (of.drop)(place) }
        }
    }
}
