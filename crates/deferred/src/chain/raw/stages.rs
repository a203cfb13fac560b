//! A queue of stages of any types.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::Location;

use super::core::Claim;
use super::{Word, read, word_aligned, words_of, write};
use crate::chain::mode::{Fits, Mode};
use crate::chain::run::Flow;
use crate::contain::drop_contained;

/// Room for four stages whose closures capture three words each, or ten that
/// capture nothing.
const INLINE_WORDS: usize = 20;

/// A header: two references.
const HEADER_WORDS: usize = 2 * words_of::<&()>();

/// The first heap buffer of a chain that outgrew its own.
const FIRST_SPILL_WORDS: u32 = 128;

/// A closure that is larger than this goes into a box, so that one of a
/// megabyte is not copied when the buffer grows.
const LARGEST_INLINE_BYTES: usize = 128;

/// A stage that can be queued.
pub(crate) trait Queued<M: Mode, T>: Fits<M> {
    /// Runs it on the result of the chain that is claimed.
    fn run_queued(self, claim: &mut Claim<'_, M>, added_at: &'static Location<'static>) -> Flow<M>;
}

/// A queue of stages of any types, with the place each was added at.
///
/// Dropping it drops the stages in order, containing panics.
#[repr(C)] // the room first: see `Core`
pub(crate) struct Stages<M: Mode> {
    inline: [Word; INLINE_WORDS],
    /// In use, instead of `inline`, from the first growth on.
    heap: Box<[Word]>,
    /// INVARIANT: `head <= tail <= capacity`, and the words between them are
    /// whole records: a `Header`, then its stage.
    head: u32,
    tail: u32,
    /// Of the buffer in use, in words.
    capacity: u32,
    /// What is in it is `Send` if `M` is.
    flavour: PhantomData<M>,
}

/// Stands before each stage.
struct Header<M: Mode> {
    of: &'static StageType<M>,
    added_at: &'static Location<'static>,
}

struct StageType<M: Mode> {
    /// What the stage takes in the buffer, behind the header.
    words: u32,
    /// Drops the stage at the place, which is not used again.
    drop: unsafe fn(*mut Word),
    /// Moves the stage out of the place and runs it.
    run: unsafe fn(*const Word, &mut Claim<'_, M>, &'static Location<'static>) -> Flow<M>,
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
struct QueuedAs<M, T, S>(PhantomData<(M, T, S)>);

impl<M: Mode, T: 'static, S: Queued<M, T>> QueuedAs<M, T, S> {
    const TYPE: &'static StageType<M> = &StageType {
        words: StageOf::<S>::WORDS as u32,
        drop: StageOf::<S>::drop_at,
        run: Self::run_at,
    };

    /// # Safety
    /// `place` holds an `S` as the queue keeps it, which is not used again.
    unsafe fn run_at(
        place: *const Word,
        claim: &mut Claim<'_, M>,
        added_at: &'static Location<'static>,
    ) -> Flow<M> {
        // SAFETY: by contract.
        let stage = unsafe { read::<S>(place, StageOf::<S>::BOXED) };
        stage.run_queued(claim, added_at)
    }
}

/// A stage that the queue has let go of, where it lay.
pub(super) struct First<M: Mode> {
    of: &'static StageType<M>,
    place: *const Word,
    added_at: &'static Location<'static>,
}

impl<M: Mode> First<M> {
    /// Where it was added.
    pub(super) fn added_at(&self) -> &'static Location<'static> {
        self.added_at
    }

    /// Moves the stage out of the queue's buffer and runs it.
    ///
    /// # Safety
    /// Nothing was done with the queue since it gave this.
    #[inline(always)]
    pub(super) unsafe fn run(self, claim: &mut Claim<'_, M>) -> Flow<M> {
        // SAFETY: such a stage is at that place, which the queue has let go of
        // and, by contract, not used since.
        unsafe { (self.of.run)(self.place, claim, self.added_at) }
    }
}

impl<M: Mode> Stages<M> {
    /// Makes an empty queue at `place`, leaving its room alone.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes.
    pub(super) unsafe fn write_empty(place: *mut Self) {
        const { assert!(words_of::<Header<M>>() == HEADER_WORDS && word_aligned::<Header<M>>()) };
        // SAFETY: by contract; `inline` may be left uninitialised.
        unsafe {
            (&raw mut (*place).heap).write(Box::default());
            (&raw mut (*place).head).write(0);
            (&raw mut (*place).tail).write(0);
            (&raw mut (*place).capacity).write(INLINE_WORDS as u32);
        }
    }

    /// Takes the stages out, leaving none.
    pub(crate) fn take_all(&mut self) -> Self {
        let taken = Self {
            inline: self.inline,
            heap: std::mem::take(&mut self.heap),
            head: self.head,
            tail: self.tail,
            capacity: self.capacity,
            flavour: PhantomData,
        };
        self.head = 0;
        self.tail = 0;
        self.capacity = INLINE_WORDS as u32;
        taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// Whether it is empty and has no buffer on the heap.
    pub(crate) fn is_bare(&self) -> bool {
        self.is_empty() & self.heap.is_empty()
    }

    /// Where the stages that wait were added.
    pub(crate) fn places(&self) -> impl Iterator<Item = &'static Location<'static>> {
        self.headers().map(|header| header.added_at)
    }

    /// Adds all the stages of another queue at the end.
    pub(crate) fn append(&mut self, mut other: Self) {
        let moved = other.head as usize..other.tail as usize;
        let needed = other.tail - other.head;
        if self.capacity - self.tail < needed {
            self.make_room(needed);
        }
        let tail = self.tail as usize;
        let to = tail..tail + moved.len();
        self.words_mut()[to].copy_from_slice(&other.words()[moved]);
        self.tail += needed;
        // They are here now.
        other.head = other.tail;
    }

    /// Adds a stage at the end.
    #[inline(always)]
    pub(crate) fn push<T: 'static, S: Queued<M, T>>(
        &mut self,
        stage: S,
        added_at: &'static Location<'static>,
    ) {
        let needed = (HEADER_WORDS + StageOf::<S>::WORDS) as u32;
        if self.capacity - self.tail < needed {
            self.make_room(needed);
        }
        let of = QueuedAs::<M, T, S>::TYPE;
        // SAFETY: from `tail` on there is room for `needed` words: a header, and
        // a stage as it is kept.
        unsafe {
            let place = self.words_mut().as_mut_ptr().add(self.tail as usize);
            place.cast::<Header<M>>().write(Header { of, added_at });
            write(place.add(HEADER_WORDS), stage, StageOf::<S>::BOXED);
        }
        self.tail += needed;
    }

    /// Lets go of the first stage.
    #[inline(always)]
    pub(super) fn leave_first(&mut self) -> Option<First<M>> {
        let Header { of, added_at } = *self.header_at(self.head)?;
        let place = self.leave(of).cast_const();
        Some(First {
            of,
            place,
            added_at,
        })
    }

    /// Lets go of the first record, whose type is `of`: gives the place of its
    /// stage, which is valid until the next push.
    #[inline(always)]
    fn leave(&mut self, of: &StageType<M>) -> *mut Word {
        let stage_at = self.head as usize + HEADER_WORDS;
        self.head = stage_at as u32 + of.words;
        if self.head == self.tail {
            self.head = 0;
            self.tail = 0;
        }
        self.words_mut().as_mut_ptr().wrapping_add(stage_at)
    }

    #[inline(always)]
    fn header_at(&self, at: u32) -> Option<&Header<M>> {
        if at == self.tail {
            return None;
        }
        let header = self.words().as_ptr().wrapping_add(at as usize).cast();
        // SAFETY: between `head` and `tail` there are whole records, and `at` is
        // the start of one: `head`, or what follows another.
        Some(unsafe { &*header })
    }

    fn headers(&self) -> impl Iterator<Item = &Header<M>> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let header = self.header_at(at)?;
            at += HEADER_WORDS as u32 + header.of.words;
            Some(header)
        })
    }

    /// The buffer in use.
    #[inline(always)]
    fn words(&self) -> &[Word] {
        if self.heap.is_empty() {
            &self.inline
        } else {
            &self.heap
        }
    }

    #[inline(always)]
    fn words_mut(&mut self) -> &mut [Word] {
        if self.heap.is_empty() {
            &mut self.inline
        } else {
            &mut self.heap
        }
    }

    /// Makes room for `needed` more words: moves the records to the front if
    /// that leaves half of the buffer, else into a larger one.
    #[cold]
    fn make_room(&mut self, needed: u32) {
        let waiting = self.head as usize..self.tail as usize;
        let used = self.tail - self.head;
        if used + needed <= self.capacity / 2 {
            self.words_mut().copy_within(waiting, 0);
        } else {
            let larger = (2 * (used + needed)).max(FIRST_SPILL_WORDS);
            let larger = larger.next_power_of_two();
            let mut heap = Box::<[u64]>::new_uninit_slice(larger as usize);
            heap[..waiting.len()].copy_from_slice(&self.words()[waiting]);
            self.heap = heap;
            self.capacity = larger;
        }
        self.head = 0;
        self.tail = used;
    }
}

impl<M: Mode> Default for Stages<M> {
    fn default() -> Self {
        let mut stages = MaybeUninit::uninit();
        // SAFETY: it is valid for writes, and initialised afterwards.
        unsafe {
            Self::write_empty(stages.as_mut_ptr());
            stages.assume_init()
        }
    }
}

impl<M: Mode> Drop for Stages<M> {
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
