//! Registry: maps the key of an event to its source.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use slab::Slab;

use crate::address::Address;
use crate::poll::{Key, MAX_KEY, Ready};

/// Event source: gets the events of a descriptor from the loop.
pub(crate) trait EventSource {
    /// Called when the descriptor is ready, with no cell of the reactor borrowed.
    fn ready(self: Rc<Self>, ready: Ready);

    /// Called when the reactor stops or is dropped: the source ends, and fails its waits.
    fn shut_down(self: Rc<Self>);

    /// Called at the end of the loop in a forked process: the source closes its descriptors, and
    /// calls no handler.
    fn close_in_child(self: Rc<Self>) {}

    /// Takes out the descriptor, if this is a source of `add_reader` or `add_writer`. For
    /// `remove_all`.
    fn take_descriptor(&self) -> Option<OwnedFd> {
        None
    }

    /// Called when the reactor stops: begins to close, and returns whether unsent output is left.
    /// If so, the shutdown waits until the source calls [`is_over`](crate::core::Core::is_over);
    /// otherwise, the source is [shut down](Self::shut_down) now.
    fn begin_to_close(self: Rc<Self>) -> bool {
        false
    }

    /// The source as a connection, if it is one of a user's protocol.
    fn as_connection(self: Rc<Self>) -> Option<Rc<dyn ListedConnection>> {
        None
    }

    /// Whether the source belongs to the loop itself, and stays when the loop stops.
    fn is_internal(&self) -> bool {
        false
    }
}

/// A connection in the list of connections, without the type of its protocol.
pub(crate) trait ListedConnection {
    /// The name of the type of the protocol.
    fn protocol(&self) -> &'static str;
    fn peer(&self) -> Address;
    fn host(&self) -> Address;
    /// Number of bytes that wait to be sent.
    fn buffered(&self) -> usize;
    fn lose(&self);
    fn abort(&self);
}

/// Keeps the key of a source until the source is made.
pub(crate) struct Placeholder;

impl EventSource for Placeholder {
    fn ready(self: Rc<Self>, _ready: Ready) {}
    fn shut_down(self: Rc<Self>) {}
}

/// The sources, by key.
///
/// A key consists of the index of an entry and a generation. So an event that the poller has
/// returned before its source was removed never reaches the next source of the entry.
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
/// Number of generations. The largest value of the upper half is not used, so that no key is a
/// reserved one.
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
        // One count for all entries, so an entry that is removed and used again between two waits
        // has another generation.
        entries.next_generation = (generation + 1) % GENERATIONS;
        // Takes the entry that `next_key` has named: the next vacant one of the slab.
        entries.slab.insert(Entry { generation, source });
        key
    }

    /// Replaces the source under `key` by `source`.
    pub(crate) fn replace(&self, key: Key, source: Rc<dyn EventSource>) {
        let replaced = match self.entries.borrow_mut().slab.get_mut(key & SLOT_MASK) {
            Some(entry) if entry.generation == key >> SLOT_BITS => {
                Some(std::mem::replace(&mut entry.source, source))
            }
            _ => None,
        };
        // Dropped after the borrow has ended, because a source may own user code, whose drop may
        // call the registry.
        drop(replaced);
    }

    #[inline]
    pub(crate) fn get(&self, key: Key) -> Option<Rc<dyn EventSource>> {
        // `borrow_mut` takes fewer instructions than `borrow`, which counts readers.
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

    /// All sources.
    pub(crate) fn all(&self) -> Vec<Rc<dyn EventSource>> {
        let entries = self.entries.borrow();
        entries
            .slab
            .iter()
            .map(|(_, entry)| Rc::clone(&entry.source))
            .collect()
    }

    /// All sources, with their keys.
    pub(crate) fn all_with_keys(&self) -> Vec<(Key, Rc<dyn EventSource>)> {
        let entries = self.entries.borrow();
        let key_of = |index: usize, entry: &Entry| entry.generation << SLOT_BITS | index;
        entries
            .slab
            .iter()
            .map(|(index, entry)| (key_of(index, entry), Rc::clone(&entry.source)))
            .collect()
    }

    /// The number of sources.
    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().slab.len()
    }

    /// Takes out all sources.
    // Taken out as a whole, because calls of the sources may add others.
    pub(crate) fn take_all(&self) -> Vec<Rc<dyn EventSource>> {
        let mut entries = self.entries.borrow_mut();
        entries.slab.drain().map(|entry| entry.source).collect()
    }
}
