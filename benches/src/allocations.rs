//! Counting allocations, with an allocator that does so only when asked.
//!
//! While counting is off, it costs one load and one branch more than the system's
//! own, so times can be taken in the same program.

#![expect(
    unsafe_code,
    reason = "an allocator can only be stood in for by an unsafe impl"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    // Without a destructor or an initialiser, so that an allocator may use them.
    static IS_COUNTING: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

/// How many times `work` gets memory from the allocator, on this thread; growing a
/// block counts as well.
pub(crate) fn count(work: impl FnOnce()) -> u64 {
    let ((), count) = counted(work);
    count
}

/// What `work` returns; how many bytes it gets from the allocator and does not give back, on this
/// thread; and in how many steps.
pub(crate) fn held<T>(work: impl FnOnce() -> T) -> (T, i64, u64) {
    let before = BYTES.get();
    let (result, steps) = counted(work);
    (result, BYTES.get() - before, steps)
}

fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = COUNT.get();
    IS_COUNTING.set(true);
    let result = work();
    IS_COUNTING.set(false);
    (result, COUNT.get() - before)
}

struct Counting;

impl Counting {
    #[inline(always)]
    fn note(&self, more: usize, fewer: usize) {
        if IS_COUNTING.get() {
            COUNT.set(COUNT.get() + u64::from(more > 0));
            BYTES.set(BYTES.get() + more as i64 - fewer as i64);
        }
    }
}

// SAFETY: all is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note(layout.size(), 0);
        // SAFETY: by contract of this method.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.note(layout.size(), 0);
        // SAFETY: by contract of this method.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        self.note(new_size, layout.size());
        // SAFETY: by contract of this method.
        unsafe { System.realloc(block, layout, new_size) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.note(0, layout.size());
        // SAFETY: by contract of this method.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::count;
    use std::hint::black_box;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Duration;

    use reactor::{DatagramContext, DatagramProtocol, Reactor};

    #[test]
    fn boxes_are_counted_and_empty_ones_are_none() {
        assert_eq!(count(|| drop(black_box(Box::new(1)))), 1);
        assert_eq!(count(|| drop(black_box(Box::new(())))), 0);
    }

    struct Echo;

    impl DatagramProtocol for Echo {
        type Address = SocketAddr;

        fn datagram_received(
            &mut self,
            cx: &mut DatagramContext<'_, Self>,
            data: &[u8],
            from: SocketAddr,
        ) -> deferred::Result<()> {
            Ok(cx.send_to(data, from)?)
        }
    }

    #[test]
    fn a_datagram_that_is_sent_back_needs_no_memory() {
        let reactor = Reactor::new().expect("a reactor");
        let port = reactor
            .listen_udp("127.0.0.1:0", Echo)
            .expect("a free port");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let exchange = || {
            let mut echo = [0; 5];
            socket.send_to(b"hello", port.address()).expect("it fits");
            reactor
                .turn(Some(Duration::from_secs(20)))
                .expect("it turns");
            socket.recv(&mut echo).expect("an echo");
        };
        exchange();
        let needed = count(|| (0..1000).for_each(|_| exchange()));
        assert_eq!(needed, 0);
    }
}
