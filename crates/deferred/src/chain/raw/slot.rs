//! Slot: one result of any type.

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::{MaybeUninit, needs_drop};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use super::word::{Placement, Word, read, word_aligned, words_of, write};
use crate::failure::{Failure, Result};
use crate::panics::drop_contained;
use crate::stage_trace::CallSite;

/// The size of the largest value that the slot of a chain keeps without a box, in words.
const SLOT_WORDS: usize = 8;

/// A type that may go into a chain of flavour `M`: any type if one thread reaches the chain, a
/// `Send` type if several do.
pub(crate) trait Fits<M>: 'static {}

/// One result of any type: nothing, a value, or a failure.
///
/// A value of up to `WORDS` is kept in place, a larger one in a box. Dropping it drops
/// what is in it, containing a panic.
#[repr(C)] // the type before the words, of which only a few are used
pub(crate) struct Slot<M, const WORDS: usize = SLOT_WORDS> {
    /// `None` if the slot is empty; [`FAILURE`] for a failure; else the type of the value.
    content: Option<&'static ValueType>,
    /// INVARIANT: holds what `content` says: the value, or a box of it if it is larger.
    words: [Word; WORDS],
    /// A value fits `M`, so the slot is `Send` if `M` is.
    flavour: PhantomData<M>,
}

struct ValueType {
    id: TypeId,
    /// Number of words that the value, or its box, takes in the slot.
    words: usize,
    /// Drops the value at the place, which must not be used again; `None` if there is nothing
    /// to drop.
    drop: Option<unsafe fn(*mut Word)>,
}

/// Stands for a failure. Its address tells it from the types of values: it is a static,
/// so no constant shares it, and its id is that of no value.
static FAILURE: ValueType = ValueType {
    id: TypeId::of::<IsFailure>(),
    words: words_of::<Failure>(),
    drop: Some(ValueOf::<Failure, SLOT_WORDS>::drop_at),
};

enum IsFailure {}

/// How a slot keeps a `T`.
struct ValueOf<T, const WORDS: usize>(T);

impl<T, const WORDS: usize> Placement<T> for ValueOf<T, WORDS> {
    const BOXED: bool = words_of::<T>() > WORDS || !word_aligned::<T>();
}

impl<T: 'static, const WORDS: usize> ValueOf<T, WORDS> {
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
        drop_contained(unsafe { read::<Self, T>(place) });
    }
}

impl<M, const WORDS: usize> Slot<M, WORDS> {
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
        // SAFETY: `words` is aligned to a word, and large enough: `BOXED` says so.
        unsafe { write::<ValueOf<T, WORDS>, T>(self.words.as_mut_ptr(), value) };
        self.content = Some(ValueOf::<T, WORDS>::TYPE);
    }

    #[inline]
    pub(crate) fn put_failure(&mut self, failure: Failure) {
        debug_assert!(self.is_empty());
        const { assert!(WORDS >= 1 && words_of::<Failure>() == 1 && word_aligned::<Failure>()) };
        // SAFETY: a failure is one word.
        unsafe { write::<ValueOf<Failure, WORDS>, Failure>(self.words.as_mut_ptr(), failure) };
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

    /// Takes the value out, if the slot holds one, and it is a `T`.
    #[inline(always)]
    pub(crate) fn take_value<T: Fits<M>>(&mut self) -> Option<T> {
        let of = self.content?;
        // The addresses are equal if both are of one codegen unit; else the ids decide.
        if !ptr::eq(of, ValueOf::<T, WORDS>::TYPE) && !is_a(of, TypeId::of::<T>()) {
            return None;
        }
        self.content = None;
        // SAFETY: a `T` was put here, and the slot now counts as empty, so it is read once.
        Some(unsafe { read::<ValueOf<T, WORDS>, T>(self.words.as_ptr()) })
    }

    /// Takes the failure out, if the slot holds one.
    #[inline]
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        if !self.is_failure() {
            return None;
        }
        self.content = None;
        // SAFETY: a failure was put here, and the slot now counts as empty.
        Some(unsafe { read::<ValueOf<Failure, WORDS>, Failure>(self.words.as_ptr()) })
    }

    /// The failure, if the slot holds one.
    #[inline]
    pub(crate) fn failure(&mut self) -> Option<&mut Failure> {
        if !self.is_failure() {
            return None;
        }
        // SAFETY: `content` is `FAILURE`, so the first word holds a failure.
        Some(unsafe { &mut *self.words.as_mut_ptr().cast::<Failure>() })
    }

    /// If the slot holds a failure, notes in it that it has left the stage added at `place`: as
    /// [`Failure::passed`], without an atomic exchange for each stage.
    #[inline(never)]
    pub(crate) fn note_passed(&mut self, place: CallSite) {
        let Some(failure) = self.failure() else {
            return;
        };
        let story = failure.story();
        if Arc::strong_count(story) == 1 {
            fence(Ordering::Acquire);
            // SAFETY: this is the only reference (no weak ones are ever made of a story), and
            // it is borrowed. The fence orders this after the drops of the others.
            unsafe { &mut *Arc::as_ptr(story).cast_mut() }.note_passed(place);
        }
    }

    /// Moves the content, of whatever type, into an empty slot.
    ///
    /// It copies only the words in use, one by one: they have just been written so, and a
    /// wider load would stall until the stores have left the processor's buffer.
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

/// A function of its own, so that the common path of [`Slot::take_value`] has no call.
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
            // SAFETY: a value of that type was put here, and the slot now counts as empty.
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

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::chain::raw::Local;

    fn slot() -> Slot<Local> {
        Slot::empty()
    }

    #[test]
    fn a_value_comes_out_as_what_it_was_put_in_as() {
        let mut slot = slot();
        slot.put_value(7_u32);
        assert!(slot.take_value::<i32>().is_none(), "it is no `i32`");
        assert!(slot.take_failure().is_none());
        assert_eq!(slot.take_value::<u32>(), Some(7));
        assert!(slot.is_empty());
    }

    #[test]
    fn large_and_aligned_values_are_boxed_and_come_out_whole() {
        #[derive(Debug, PartialEq)]
        #[repr(align(64))]
        struct Aligned(u8);

        let (mut one, mut other) = (slot(), slot());
        one.put_value([3_u64; 100]);
        one.move_to(&mut other);
        assert!(one.is_empty());
        assert_eq!(other.take_value(), Some([3_u64; 100]));
        one.put_value(Aligned(5));
        one.move_to(&mut other);
        assert_eq!(other.take_value(), Some(Aligned(5)));
    }

    #[test]
    fn what_is_left_in_a_slot_is_dropped_once() {
        let counted = Rc::new(());
        let mut one = slot();
        one.put_value(Rc::clone(&counted));
        let mut other = slot();
        one.move_to(&mut other);
        drop(one);
        assert_eq!(Rc::strong_count(&counted), 2);
        drop(other.take_all());
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn a_failure_is_no_value_of_any_type() {
        let mut slot = slot();
        slot.put::<u32>(Err(Failure::msg("no")));
        assert!(slot.is_failure());
        assert!(slot.take_value::<Failure>().is_none());
        slot.note_passed(std::panic::Location::caller());
        let failure = slot.take::<u32>().and_then(Result::err);
        assert_eq!(
            failure.map(|failure| failure.stage_trace().count()),
            Some(1)
        );
    }
}
