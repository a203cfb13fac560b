//! Which key stands for which source.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use slab::Slab;

use crate::poll::{Key, MAX_KEY, Ready};

/// Something the loop watches a descriptor for.
pub(crate) trait Source {
    /// The descriptor is ready. Nothing of the reactor's is borrowed.
    fn ready(self: Rc<Self>, ready: Ready);

    /// The reactor stops, or goes: let go of everything, telling those who wait.
    fn shut_down(self: Rc<Self>);

    /// Close descriptors, without telling anybody: this process was forked from the loop's.
    fn let_go(self: Rc<Self>) {}

    /// If it is a descriptor that somebody else wants back: that.
    fn give_back(&self) -> Option<OwnedFd> {
        None
    }

    /// Whether it is a connection that is closing, and something is still to be sent: when the
    /// reactor stops, that is waited for.
    fn is_closing(&self) -> bool {
        false
    }

    /// Whether it is the loop's own, and stays when that stops.
    fn is_internal(&self) -> bool {
        false
    }
}

/// Keeps the place of a source until that is there.
pub(crate) struct NotYet;

impl Source for NotYet {
    fn ready(self: Rc<Self>, _ready: Ready) {}
    fn shut_down(self: Rc<Self>) {}
}

/// The sources, by key.
///
/// A key is a slot and the generation of its use, so that an event which was
/// still on its way when a source went never reaches the next one in its slot.
#[derive(Default)]
pub(crate) struct Registry {
    slots: RefCell<Slots>,
}

#[derive(Default)]
struct Slots {
    slab: Slab<Slot>,
    next_generation: usize,
}

struct Slot {
    generation: usize,
    source: Rc<dyn Source>,
}

const SLOT_BITS: u32 = Key::BITS / 2;
const SLOT_MASK: usize = (1 << SLOT_BITS) - 1;
/// One less than there is room for, so that no key is among those reserved.
const GENERATIONS: usize = MAX_KEY >> SLOT_BITS;

impl Registry {
    /// The key that the next source to be inserted will have.
    pub(crate) fn next_key(&self) -> Key {
        let slots = self.slots.borrow();
        slots.next_generation << SLOT_BITS | slots.slab.vacant_key()
    }

    /// Adds a source under [`next_key`](Self::next_key).
    pub(crate) fn insert(&self, source: Rc<dyn Source>) -> Key {
        let key = self.next_key();
        let mut slots = self.slots.borrow_mut();
        let generation = slots.next_generation;
        slots.next_generation = (generation + 1) % GENERATIONS;
        slots.slab.insert(Slot { generation, source });
        key
    }

    /// Puts `source` in the place of the one under `key`.
    pub(crate) fn replace(&self, key: Key, source: Rc<dyn Source>) {
        let replaced = match self.slots.borrow_mut().slab.get_mut(key & SLOT_MASK) {
            Some(slot) if slot.generation == key >> SLOT_BITS => {
                Some(std::mem::replace(&mut slot.source, source))
            }
            _ => None,
        };
        drop(replaced);
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<Rc<dyn Source>> {
        // That takes fewer steps than counting one more reader.
        let slots = self.slots.borrow_mut();
        let slot = slots.slab.get(key & SLOT_MASK)?;
        (slot.generation == key >> SLOT_BITS).then(|| Rc::clone(&slot.source))
    }

    pub(crate) fn remove(&self, key: Key) -> Option<Rc<dyn Source>> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.slab.get(key & SLOT_MASK)?;
        if slot.generation != key >> SLOT_BITS {
            return None;
        }
        Some(slots.slab.remove(key & SLOT_MASK).source)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Rc<dyn Source>> {
        let slots = self.slots.borrow();
        slots
            .slab
            .iter()
            .map(|(_, slot)| Rc::clone(&slot.source))
            .collect()
    }

    /// The same, with their keys.
    pub(crate) fn all_with_keys(&self) -> Vec<(Key, Rc<dyn Source>)> {
        let slots = self.slots.borrow();
        let key_of = |index: usize, slot: &Slot| slot.generation << SLOT_BITS | index;
        slots
            .slab
            .iter()
            .map(|(index, slot)| (key_of(index, slot), Rc::clone(&slot.source)))
            .collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.borrow().slab.len()
    }

    /// Takes out all of them.
    pub(crate) fn take_all(&self) -> Vec<Rc<dyn Source>> {
        let mut slots = self.slots.borrow_mut();
        slots.slab.drain().map(|slot| slot.source).collect()
    }
}
