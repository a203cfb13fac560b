//! Registry: from the key of an event to its source.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use slab::Slab;

use crate::address::Address;
use crate::poll::{Key, MAX_KEY, Ready};

/// Event source: what the loop calls for the events of a descriptor.
pub(crate) trait EventSource {
    /// The descriptor is ready. Nothing of the reactor's is borrowed.
    fn ready(self: Rc<Self>, ready: Ready);

    /// The reactor stops, or is dropped: end, and fail what waits.
    fn shut_down(self: Rc<Self>);

    /// This process was forked from the loop's: close descriptors, and call no handler.
    fn close_in_child(self: Rc<Self>) {}

    /// The descriptor, if this watches one for the caller of `remove_all`.
    fn take_descriptor(&self) -> Option<OwnedFd> {
        None
    }

    /// The reactor stops: begins to close, and returns whether something is still to be sent. Then
    /// the shutdown waits until the source says that it [is over](crate::core::Core::is_over);
    /// otherwise it is [shut down](Self::shut_down) now.
    fn begin_to_close(self: Rc<Self>) -> bool {
        false
    }

    /// The same, if it is a connection of a user's.
    fn as_connection(self: Rc<Self>) -> Option<Rc<dyn ListedConnection>> {
        None
    }

    /// Whether it belongs to the loop itself, and stays when that stops.
    fn is_internal(&self) -> bool {
        false
    }
}

/// What the list of connections tells of one, and does to it.
pub(crate) trait ListedConnection {
    /// The name of the type.
    fn protocol(&self) -> &'static str;
    fn peer(&self) -> Address;
    fn host(&self) -> Address;
    /// Bytes that wait to be sent.
    fn buffered(&self) -> usize;
    fn lose(&self);
    fn abort(&self);
}

/// Keeps the key of a source until that is made.
pub(crate) struct Placeholder;

impl EventSource for Placeholder {
    fn ready(self: Rc<Self>, _ready: Ready) {}
    fn shut_down(self: Rc<Self>) {}
}

/// The sources, by key.
///
/// A key is an entry and the generation of its use, so that an event which
/// was given before its source was removed never reaches the next source of the entry.
#[derive(Default)]
pub(crate) struct Registry {
    entries: RefCell<Entries>,
}

#[derive(Default)]
struct Entries {
    slab: Slab<Entry>,
    next_generation: usize,
}

struct Entry {
    generation: usize,
    source: Rc<dyn EventSource>,
}

// A key: the entry in the lower half, the generation in the upper one.
const SLOT_BITS: u32 = Key::BITS / 2;
const SLOT_MASK: usize = (1 << SLOT_BITS) - 1;
/// One less than there is room for, so that no key is among those reserved.
const GENERATIONS: usize = MAX_KEY >> SLOT_BITS;

impl Registry {
    /// The key that the next source to be inserted will have.
    pub(crate) fn next_key(&self) -> Key {
        let entries = self.entries.borrow();
        entries.next_generation << SLOT_BITS | entries.slab.vacant_key()
    }

    /// Adds a source under [`next_key`](Self::next_key).
    pub(crate) fn insert(&self, source: Rc<dyn EventSource>) -> Key {
        let key = self.next_key();
        let mut entries = self.entries.borrow_mut();
        let generation = entries.next_generation;
        // One count for all entries: an entry that is left and taken again between two waits has
        // another generation, whatever happened to the others.
        entries.next_generation = (generation + 1) % GENERATIONS;
        // It takes the entry that `next_key` has named: the slab's next vacant one.
        entries.slab.insert(Entry { generation, source });
        key
    }

    /// Puts `source` in the place of the one under `key`.
    pub(crate) fn replace(&self, key: Key, source: Rc<dyn EventSource>) {
        let replaced = match self.entries.borrow_mut().slab.get_mut(key & SLOT_MASK) {
            Some(entry) if entry.generation == key >> SLOT_BITS => {
                Some(std::mem::replace(&mut entry.source, source))
            }
            _ => None,
        };
        // After the borrow has ended: a source may own user code, whose drop may come back here.
        drop(replaced);
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<Rc<dyn EventSource>> {
        // `borrow_mut` takes fewer instructions than counting one more reader.
        let entries = self.entries.borrow_mut();
        let entry = entries.slab.get(key & SLOT_MASK)?;
        (entry.generation == key >> SLOT_BITS).then(|| Rc::clone(&entry.source))
    }

    pub(crate) fn remove(&self, key: Key) -> Option<Rc<dyn EventSource>> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.slab.get(key & SLOT_MASK)?;
        if entry.generation != key >> SLOT_BITS {
            return None;
        }
        Some(entries.slab.remove(key & SLOT_MASK).source)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Rc<dyn EventSource>> {
        let entries = self.entries.borrow();
        entries
            .slab
            .iter()
            .map(|(_, entry)| Rc::clone(&entry.source))
            .collect()
    }

    /// The same, with their keys.
    pub(crate) fn all_with_keys(&self) -> Vec<(Key, Rc<dyn EventSource>)> {
        let entries = self.entries.borrow();
        let key_of = |index: usize, entry: &Entry| entry.generation << SLOT_BITS | index;
        entries
            .slab
            .iter()
            .map(|(index, entry)| (key_of(index, entry), Rc::clone(&entry.source)))
            .collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().slab.len()
    }

    /// Takes out all of them.
    // Taken out as a whole: what is called on the sources may add others, which the next call
    // finds.
    pub(crate) fn take_all(&self) -> Vec<Rc<dyn EventSource>> {
        let mut entries = self.entries.borrow_mut();
        entries.slab.drain().map(|entry| entry.source).collect()
    }
}
