//! Block: the allocation of a core and its counts.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use super::core::Core;
use super::storage::Storage;

/// A core and its counts.
#[repr(C)] // the counts first, beside the fields of the core that every step uses
pub(crate) struct Block<M: Storage> {
    pub(super) counts: M::Counts,
    pub(super) core: Core<M>,
}

/// Memory of a block, ready for a core.
///
/// INVARIANT: `block` came from a `Box` and there is no other pointer to it. Of its fields,
/// only the queue of stages is initialised: empty, as [`Core::reset_stages`] leaves it.
pub(super) struct Memory<M: Storage> {
    block: NonNull<Block<M>>,
}

impl<M: Storage> Memory<M> {
    #[cold]
    #[inline(never)]
    pub(super) fn new() -> Self {
        let memory = Box::leak(Box::<Block<M>>::new_uninit());
        let block = NonNull::from(memory).cast::<Block<M>>();
        // SAFETY: it is valid for writes, and stays where it is.
        unsafe { Core::write_stages(&raw mut (*block.as_ptr()).core) };
        Self { block }
    }

    /// # Safety
    /// `block` is as the invariant says.
    #[inline(always)]
    pub(super) unsafe fn from_block(block: NonNull<Block<M>>) -> Self {
        Self { block }
    }

    #[inline(always)]
    pub(super) fn into_block(self) -> NonNull<Block<M>> {
        ManuallyDrop::new(self).block
    }
}

impl<M: Storage> Drop for Memory<M> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: by the invariant.
        unsafe {
            Core::free_stages(&raw mut (*self.block.as_ptr()).core);
            drop(Box::from_raw(
                self.block.as_ptr().cast::<MaybeUninit<Block<M>>>(),
            ));
        }
    }
}
