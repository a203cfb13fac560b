//! The two containers that forget a type and check it again on the way out:
//! [`Slot`] for one result, [`Stages`] for the queue of stages.
//!
//! This is the one file of the crate with unsafe code. It exists because a box
//! per stage is what a chain would otherwise cost: kept here, a closure or a
//! value of ordinary size lives inside the chain's own allocation.
//!
//! Both are safe to use: what comes out is checked against the type that went
//! in, so a mistake elsewhere gives `None` and not a wrong value.

#![expect(
    unsafe_code,
    reason = "inline storage of erased values; a box for each costs twice as much as the chain"
)]

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::{MaybeUninit, needs_drop};
use std::panic::Location;

use crate::contain::drop_contained;
use crate::failure::{Failure, Result};

type Word = MaybeUninit<u64>;

/// The largest value that is kept in the slot itself.
const SLOT_WORDS: usize = 8;

/// Room for four stages whose closures capture three words each, headers included.
const INLINE_WORDS: usize = 4 * (HEADER_WORDS + 3);

/// The first heap buffer of a chain that outgrew its own.
const FIRST_SPILL_WORDS: usize = 128;

/// A closure that is larger than this goes into a box, so that one of a
/// megabyte is not copied when the buffer grows.
const LARGEST_INLINE_BYTES: usize = 128;

const HEADER_WORDS: usize = words_of::<Header<(), ()>>();

const fn words_of<T>() -> usize {
    size_of::<T>().div_ceil(size_of::<Word>())
}

/// Whether a `T` can be put at any place that is aligned to a word.
const fn word_aligned<T>() -> bool {
    align_of::<T>() <= align_of::<Word>()
}

/// Moves `value` to `place`, boxed if `BOXED`.
///
/// # Safety
/// `place` is aligned to a word and valid for writes of `words_of` of a `T`, or
/// of one word if `BOXED`; if not `BOXED`, a word's alignment is enough for `T`.
unsafe fn write<T>(place: *mut Word, value: T, boxed: bool) {
    if boxed {
        // SAFETY: by contract.
        unsafe { place.cast::<Box<T>>().write(Box::new(value)) }
    } else {
        // SAFETY: by contract.
        unsafe { place.cast::<T>().write(value) }
    }
}

/// Moves out what [`write`] put at `place`.
///
/// # Safety
/// `place` holds a `T` written by [`write`] with the same `boxed`, which is not
/// used again afterwards.
unsafe fn read<T>(place: *const Word, boxed: bool) -> T {
    if boxed {
        // SAFETY: by contract.
        *unsafe { place.cast::<Box<T>>().read() }
    } else {
        // SAFETY: by contract.
        unsafe { place.cast::<T>().read() }
    }
}

// ---------------------------------------------------------------------------

/// One result of any type: nothing, a value, or a failure.
///
/// Dropping it drops what is in it, containing a panic.
pub(crate) struct Slot {
    content: Content,
    /// INVARIANT: holds what `content` says; for a value, by the layout of its type.
    words: [Word; SLOT_WORDS],
}

#[derive(Clone, Copy)]
enum Content {
    Nothing,
    Value(&'static ValueType),
    Failure,
}

struct ValueType {
    id: TypeId,
    /// Drops the value at the place, which is not used again.
    drop: Option<unsafe fn(*mut Word)>,
}

/// What is known of a `T` in a slot.
struct ValueOf<T>(T);

impl<T: 'static> ValueOf<T> {
    const BOXED: bool = words_of::<T>() > SLOT_WORDS || !word_aligned::<T>();
    const TYPE: &'static ValueType = &ValueType {
        id: TypeId::of::<T>(),
        drop: if Self::BOXED || needs_drop::<T>() {
            Some(Self::drop_at)
        } else {
            None
        },
    };

    /// # Safety
    /// `place` holds a `T` as a slot keeps it, which is not used again.
    unsafe fn drop_at(place: *mut Word) {
        // SAFETY: by contract.
        drop_contained(unsafe { read::<T>(place, Self::BOXED) });
    }
}

impl Slot {
    pub(crate) const fn empty() -> Self {
        Self {
            content: Content::Nothing,
            words: [const { MaybeUninit::uninit() }; SLOT_WORDS],
        }
    }

    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.content, Content::Failure)
    }

    /// Puts a result into an empty slot.
    #[inline]
    pub(crate) fn put<T: 'static>(&mut self, result: Result<T>) {
        match result {
            Ok(value) => {
                debug_assert!(matches!(self.content, Content::Nothing));
                // SAFETY: `words` is aligned and, unless boxed, large enough.
                unsafe { write(self.words.as_mut_ptr(), value, ValueOf::<T>::BOXED) };
                self.content = Content::Value(ValueOf::<T>::TYPE);
            }
            Err(failure) => self.put_failure(failure),
        }
    }

    fn put_failure(&mut self, failure: Failure) {
        debug_assert!(matches!(self.content, Content::Nothing));
        const { assert!(words_of::<Failure>() == 1 && word_aligned::<Failure>()) };
        // SAFETY: a failure is one word.
        unsafe { write(self.words.as_mut_ptr(), failure, false) };
        self.content = Content::Failure;
    }

    /// Takes the result out, if there is one and its value would be a `T`.
    #[inline]
    pub(crate) fn take<T: 'static>(&mut self) -> Option<Result<T>> {
        match self.content {
            Content::Value(of) if of.id == TypeId::of::<T>() => {
                self.content = Content::Nothing;
                // SAFETY: a `T` was put here, and `content` no longer says so.
                Some(Ok(unsafe {
                    read(self.words.as_ptr(), ValueOf::<T>::BOXED)
                }))
            }
            Content::Failure => self.take_failure().map(Err),
            _ => None,
        }
    }

    /// Takes the failure out, if it is one.
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        if !self.is_failure() {
            return None;
        }
        self.content = Content::Nothing;
        // SAFETY: a failure was put here, and `content` no longer says so.
        Some(unsafe { read(self.words.as_ptr(), false) })
    }

    /// Notes in the failure, if it is one, that it leaves the stage added at `place`.
    pub(crate) fn note_passed(&mut self, place: &'static Location<'static>) {
        if self.is_failure() {
            // SAFETY: `content` says that a failure is there.
            let failure = unsafe { &mut *self.words.as_mut_ptr().cast::<Failure>() };
            failure.passed(place);
        }
    }

    /// Moves the whole content out, of whatever type.
    pub(crate) fn take_all(&mut self) -> Self {
        std::mem::replace(self, Self::empty())
    }

    #[cold]
    fn drop_content(&mut self) {
        match std::mem::replace(&mut self.content, Content::Nothing) {
            Content::Nothing => {}
            Content::Value(of) => {
                if let Some(drop) = of.drop {
                    // SAFETY: such a value is there, and `content` no longer says so.
                    unsafe { drop(self.words.as_mut_ptr()) }
                }
            }
            Content::Failure => {
                // SAFETY: a failure is there, and `content` no longer says so.
                drop_contained(unsafe { read::<Failure>(self.words.as_ptr(), false) });
            }
        }
    }
}

impl Drop for Slot {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.content, Content::Nothing) {
            self.drop_content();
        }
    }
}

// ---------------------------------------------------------------------------

/// A stage that can be queued: `RUN` is how it is run with an `A`, giving a `B`.
pub(crate) trait Queued<A, B>: 'static {
    const RUN: fn(&A) -> B;
}

/// A queue of stages of any types, with the place each was added at.
///
/// Dropping it drops the stages in order, containing panics.
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
    pub(crate) fn empty() -> Self {
        const { assert!(words_of::<Header<A, B>>() == HEADER_WORDS && word_aligned::<Header<A, B>>()) };
        Self {
            inline: [const { MaybeUninit::uninit() }; INLINE_WORDS],
            heap: Box::new([]),
            head: 0,
            tail: 0,
            run: PhantomData,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// How many stages wait.
    pub(crate) fn len(&self) -> usize {
        self.headers().count()
    }

    /// Adds a stage at the end.
    #[inline]
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

    /// How to run the first stage.
    #[inline]
    pub(crate) fn first(&self) -> Option<fn(&A) -> B> {
        Some(self.header_at(self.head)?.of.run)
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
