//! `switch_to`: a protocol takes an [`Io`]'s connection over, as after an upgrade.

use std::rc::Rc;

use deferred::Deferred;
use reactor::{Connection, Protocol};

use super::Io;

impl Io {
    /// Puts `bytes` back before the unread input: for the bytes after an upgrade's head that hyper
    /// has read, and gives back with the connection.
    ///
    /// # Examples
    ///
    /// The client's side of an upgrade, by hyper's own API:
    ///
    /// ```
    /// use hyper::client::conn::http1;
    /// use reactor::testing::TestReactor;
    /// use reactor_web::{Body, Io, IoProtocol};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// async fn upgrade(io: Io) -> deferred::Result<Io> {
    ///     let reactor = io.reactor().clone();
    ///     let (mut sender, connection) = http1::handshake(io).await?;
    ///     let parts = reactor.spawn(async { Ok(connection.without_shutdown().await?) });
    ///     let request = http::Request::get("/")
    ///         .header("connection", "upgrade")
    ///         .header("upgrade", "echo")
    ///         .body(Body::empty())?;
    ///     assert_eq!(sender.send_request(request).await?.status(), 101);
    ///     let mut parts = parts.await?;
    ///     parts.io.unread(&parts.read_buf);
    ///     Ok(parts.io)
    /// }
    ///
    /// let reactor = TestReactor::new();
    /// let seen = Rc::new(RefCell::new(Vec::new()));
    /// let slot = Rc::clone(&seen);
    /// let (_connection, peer) = reactor.connect_to_peer(IoProtocol::new(|io| {
    ///     let reactor = io.reactor().clone();
    ///     let reading = async move {
    ///         *slot.borrow_mut() = upgrade(io).await?.peek().await?;
    ///         Ok(())
    ///     };
    ///     reactor.spawn(reading).log_error().ignore();
    /// }));
    /// peer.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nhi");
    /// assert_eq!(*seen.borrow(), b"hi");
    /// ```
    pub fn unread(&mut self, bytes: &[u8]) {
        self.shared.input.borrow_mut().give_back(bytes);
    }

    /// Number of bytes of input that wait to be read.
    pub(crate) fn unread_len(&self) -> usize {
        self.shared.input.borrow().unread().len()
    }

    /// Hands the connection to `protocol`, with the unread input, in this turn of the loop; the
    /// Deferred fires with the new handle. See [`Context::switch_to`](reactor::Context::switch_to).
    /// For a stream with the I/O traits of `futures` or Tokio, `protocol` is a
    /// [`ByteStreamProtocol`](reactor::ByteStreamProtocol).
    ///
    /// # Errors
    ///
    /// Through the Deferred: [`Gone`](reactor::Gone) if the connection is over, and
    /// [`Abandoned`](deferred::Abandoned) if it closes before the switch. In both cases, no handler
    /// of the protocol is called.
    ///
    /// # Examples
    ///
    /// ```
    /// use reactor::testing::TestReactor;
    /// use reactor::{Context, Lines, Protocol};
    /// use reactor_web::{Io, IoProtocol};
    ///
    /// struct Echo;
    ///
    /// impl Protocol for Echo {
    ///     type Framing = Lines;
    ///
    ///     fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> deferred::Result<()> {
    ///         cx.send_line(line);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// async fn greet(mut io: Io) -> deferred::Result<()> {
    ///     let greeting = io.peek().await?;
    ///     assert!(greeting.starts_with(b"echo\r\n"));
    ///     io.consume(6);
    ///     let _echo = io.switch_to(Echo).await?;
    ///     Ok(())
    /// }
    ///
    /// let reactor = TestReactor::new();
    /// let (_connection, peer) = reactor.connect_to_peer(IoProtocol::new(|io| {
    ///     let reactor = io.reactor().clone();
    ///     reactor.spawn(greet(io)).log_error().ignore();
    /// }));
    /// peer.send("echo\r\none\r\nt");
    /// peer.send("wo\r\n");
    /// assert_eq!(peer.received(), b"one\r\ntwo\r\n");
    /// ```
    pub fn switch_to<P: Protocol>(mut self, protocol: P) -> Deferred<Connection<P>> {
        // Set first: the drop of this `Io`, at the end of the call, must not close the connection.
        self.is_handed_over = true;
        let shared = Rc::clone(&self.shared);
        let switched = self.connection.call(move |_, cx| {
            // Output that was gathered in `received` goes before that of the next protocol.
            let output = shared.output.take();
            if !output.is_empty() {
                cx.write(output);
            }
            let lost = shared.lost.take();
            if !lost.is_empty() {
                // `lost` waits for the end of the connection. `connection_lost` of this protocol is
                // not called after the switch, so the triggers move to `closed`, which stays.
                let closed = cx.connection().closed().add_both(move |_| {
                    for waiter in lost {
                        // Errs if it was cancelled: then nothing waits.
                        let _ = waiter.callback(());
                    }
                });
                closed.ignore();
            }
            // Taken in the closure, and not before the call, since input may come before it runs.
            let unread = shared.input.borrow_mut().take_unread();
            cx.switch_to_with(protocol, unread)
        });
        let shared = Rc::clone(&self.shared);
        // Set only now: until the switch has succeeded, an abort by the handle of this protocol
        // ends the connection.
        switched.add_callback(move |connection| {
            let next = connection.clone();
            shared
                .abort_next
                .replace(Some(Box::new(move || next.abort())));
            Ok(connection)
        })
    }
}
