//! One result of any type.

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::{MaybeUninit, needs_drop};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::{Word, read, word_aligned, words_of, write};
use crate::chain::flavour::{Fits, Flavour};
use crate::failure::{Failure, Result};
use crate::panics::drop_contained;
use crate::stage_trace::CallSite;

/// The largest value that is kept in the slot of a chain itself.
const SLOT_WORDS: usize = 8;

/// One result of any type: nothing, a value, or a failure.
///
/// A value of up to `WORDS` is kept in place, a larger one in a box. Dropping it drops
/// what is in it, containing a panic.
#[repr(C)] // what is always used before what is not
pub(crate) struct Slot<M, const WORDS: usize = SLOT_WORDS> {
    /// What is in it: nothing, a value of that type, or, if it is [`FAILURE`], a
    /// failure.
    content: Option<&'static ValueType>,
    /// INVARIANT: holds what `content` says; for a value, by the layout of its type.
    words: [Word; WORDS],
    /// What is in it is `Send` if `M` is.
    flavour: PhantomData<M>,
}

struct ValueType {
    id: TypeId,
    /// What the value takes in the slot.
    words: usize,
    /// Drops the value at the place, which is not used again.
    drop: Option<unsafe fn(*mut Word)>,
}

/// The one that stands for a failure. No other has its place: it is a static, and no
/// value has its id.
static FAILURE: ValueType = ValueType {
    id: TypeId::of::<IsFailure>(),
    words: words_of::<Failure>(),
    drop: Some(ValueOf::<Failure, SLOT_WORDS>::drop_at),
};

enum IsFailure {}

/// What is known of a `T` in a slot.
struct ValueOf<T, const WORDS: usize>(T);

impl<T: 'static, const WORDS: usize> ValueOf<T, WORDS> {
    const BOXED: bool = words_of::<T>() > WORDS || !word_aligned::<T>();
    const TYPE: &'static ValueType = &ValueType {
        id: TypeId::of::<T>(),
        words: if Self::BOXED { 1 } else { words_of::<T>() },
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

impl<M: Flavour, const WORDS: usize> Slot<M, WORDS> {
    pub(crate) const fn empty() -> Self {
        Self {
            content: None,
            words: [const { MaybeUninit::uninit() }; WORDS],
            flavour: PhantomData,
        }
    }

    /// Makes an empty slot at `place`, leaving its room alone.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes.
    #[inline(always)]
    pub(super) unsafe fn write_empty(place: *mut Self) {
        // SAFETY: by contract; `words` may be left uninitialised.
        unsafe { (&raw mut (*place).content).write(None) }
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.content.is_none()
    }

    #[inline(always)]
    pub(crate) fn is_failure(&self) -> bool {
        self.content
            .is_some_and(|of| ptr::eq(of, &raw const FAILURE))
    }

    /// Puts a result into an empty slot.
    #[inline(always)]
    pub(crate) fn put<T: Fits<M>>(&mut self, result: Result<T>) {
        match result {
            Ok(value) => self.put_value(value),
            Err(failure) => self.put_failure(failure),
        }
    }

    #[inline(always)]
    pub(crate) fn put_value<T: Fits<M>>(&mut self, value: T) {
        debug_assert!(self.is_empty());
        // SAFETY: `words` is aligned and, unless boxed, large enough.
        unsafe { write(self.words.as_mut_ptr(), value, ValueOf::<T, WORDS>::BOXED) };
        self.content = Some(ValueOf::<T, WORDS>::TYPE);
    }

    #[inline]
    pub(crate) fn put_failure(&mut self, failure: Failure) {
        debug_assert!(self.is_empty());
        const { assert!(WORDS >= 1 && words_of::<Failure>() == 1 && word_aligned::<Failure>()) };
        // SAFETY: a failure is one word.
        unsafe { write(self.words.as_mut_ptr(), failure, false) };
        self.content = Some(&FAILURE);
    }

    /// Takes the result out, if there is one and its value would be a `T`.
    #[inline(always)]
    pub(crate) fn take<T: Fits<M>>(&mut self) -> Option<Result<T>> {
        match self.take_value() {
            Some(value) => Some(Ok(value)),
            None => self.take_failure().map(Err),
        }
    }

    /// Takes the value out, if it is one, and a `T`.
    #[inline(always)]
    pub(crate) fn take_value<T: Fits<M>>(&mut self) -> Option<T> {
        let of = self.content?;
        // The place tells mostly, the identity always.
        if !ptr::eq(of, ValueOf::<T, WORDS>::TYPE) && !is_a(of, TypeId::of::<T>()) {
            return None;
        }
        self.content = None;
        // SAFETY: a `T` was put here, and `content` no longer says so.
        Some(unsafe { read(self.words.as_ptr(), ValueOf::<T, WORDS>::BOXED) })
    }

    /// Takes the failure out, if it is one.
    #[inline]
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        if !self.is_failure() {
            return None;
        }
        self.content = None;
        // SAFETY: a failure was put here, and `content` no longer says so.
        Some(unsafe { read(self.words.as_ptr(), false) })
    }

    /// The failure, if it is one.
    #[inline]
    pub(crate) fn failure(&mut self) -> Option<&mut Failure> {
        if !self.is_failure() {
            return None;
        }
        // SAFETY: `content` says that a failure is there.
        Some(unsafe { &mut *self.words.as_mut_ptr().cast::<Failure>() })
    }

    /// Notes in the failure, if it is one, that it leaves the stage added at `place`:
    /// as [`Failure::passed`], without an atomic exchange for each stage.
    #[inline(never)]
    pub(crate) fn note_passed(&mut self, place: CallSite) {
        let Some(failure) = self.failure() else {
            return;
        };
        let story = failure.story();
        if Arc::strong_count(story) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: this is the only reference, as weak ones are never made of a
            // story, and it is borrowed. What those did that are gone came before.
            unsafe { &mut *Arc::as_ptr(story).cast_mut() }.note_passed(place);
        }
    }

    /// Moves the content, of whatever type, into an empty slot.
    ///
    /// No more than there is, and by words: it has just been written so, and to read
    /// it otherwise has to wait until that is done.
    #[inline]
    pub(crate) fn move_to(&mut self, empty: &mut Self) {
        debug_assert!(empty.is_empty());
        let words = self.content.map_or(0, |of| of.words);
        if words == 1 {
            empty.words[0] = self.words[0];
        } else {
            empty.words[..words].copy_from_slice(&self.words[..words]);
        }
        empty.content = self.content.take();
    }

    /// Moves the whole content out, of whatever type.
    pub(crate) fn take_all(&mut self) -> Self {
        std::mem::replace(self, Self::empty())
    }
}

/// Out of the way: see [`Slot::take_value`].
#[cold]
fn is_a(of: &ValueType, id: TypeId) -> bool {
    of.id == id
}

impl<M, const WORDS: usize> Slot<M, WORDS> {
    #[cold]
    fn drop_content(&mut self) {
        if let Some(of) = self.content.take()
            && let Some(drop) = of.drop
        {
            // SAFETY: such a value, or a failure, is there, and `content` no longer
            // says so.
            unsafe { drop(self.words.as_mut_ptr()) }
        }
    }
}

impl<M, const WORDS: usize> Drop for Slot<M, WORDS> {
    #[inline]
    fn drop(&mut self) {
        if self.content.is_some() {
            self.drop_content();
        }
    }
}
