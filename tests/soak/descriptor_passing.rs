//! Descriptors that are passed to a process which has none left.

use std::cell::RefCell;
use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use deferred::Result;
use reactor::{ConnectionClosed, Context, Protocol, Raw, Reactor};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::support::{is_own_process, limit_descriptors, turn_until};

const NAME: &str = "descriptor_passing::a_descriptor_that_cannot_be_received_ends_its_connection";

#[derive(Default)]
struct Noting(Rc<RefCell<Vec<String>>>);

impl Protocol for Noting {
    type Framing = Raw;

    fn received(&mut self, _: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        let data = String::from_utf8_lossy(data).into_owned();
        self.0.borrow_mut().push(data);
        Ok(())
    }

    fn descriptor_received(&mut self, _: &mut Context<'_, Self>, _: OwnedFd) -> Result<()> {
        self.0.borrow_mut().push("a descriptor".to_owned());
        Ok(())
    }

    fn connection_lost(&mut self, _: &mut Context<'_, Self>, reason: ConnectionClosed) {
        assert!(matches!(reason, ConnectionClosed::Lost(_)), "{reason}");
        self.0.borrow_mut().push(reason.to_string());
    }
}

/// Sends `count` copies of a descriptor with the byte.
fn send(socket: &UnixStream, byte: &[u8], descriptor: &impl AsFd, count: usize) {
    let descriptors = vec![descriptor.as_fd(); count];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let bytes = [IoSlice::new(byte)];
    let sent = sendmsg(socket, &bytes, &mut control, SendFlags::empty());
    assert_eq!(sent.expect("it fits"), 1);
}

#[test]
fn a_descriptor_that_cannot_be_received_ends_its_connection() {
    if !is_own_process(NAME) {
        return;
    }
    limit_descriptors(40);
    // No room for the one, or for some of several.
    for (count, room) in [(1, 0), (8, 3)] {
        let reactor = Reactor::new().expect("a reactor");
        let log = Rc::<RefCell<Vec<String>>>::default();
        let (near, far) = UnixStream::pair().expect("a pair");
        let connection = reactor
            .adopt_stream(far, Noting(Rc::clone(&log)))
            .expect("it can be watched");
        let file = File::open("/dev/null").expect("it is there");
        send(&near, b"1", &file, 1);
        turn_until(&reactor, || log.borrow().len() == 2);

        let mut all = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            all.push(file);
        }
        all.truncate(all.len() - room);
        send(&near, b"2", &file, count);
        send(&near, b"3", &file, 1);
        turn_until(&reactor, || connection.is_gone());
        let log = log.borrow();
        assert_eq!(log[..2], ["a descriptor", "1"]);
        assert_eq!(log.len(), 3, "{log:?}");
        assert!(log[2].contains("descriptors"), "{log:?}");
        assert!(log[2].contains("too many open"), "{log:?}");
        drop(all);
        let before = crate::support::descriptors();
        drop((reactor, near, file));
        assert!(crate::support::descriptors() < before);
    }
}
