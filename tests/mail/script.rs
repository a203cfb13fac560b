//! An SMTP server that says what a test has written down.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use deferred::Result;
use reactor::{Context, Protocol, Raw};

/// Ends the connection.
pub(crate) const HANG_UP: &str = "HANG UP";

/// Answers each line, and each new connection, by the next of its replies, an empty one by
/// nothing. Then it hangs up or is silent.
#[derive(Clone)]
pub(crate) struct Script {
    replies: Rc<RefCell<VecDeque<&'static str>>>,
    pub(crate) commands: Rc<RefCell<Vec<String>>>,
    /// What has come at once.
    pub(crate) pieces: Rc<RefCell<Vec<String>>>,
    pub(crate) connections: Rc<Cell<usize>>,
    hangs_up: bool,
    rest: String,
}

impl Script {
    pub(crate) fn new(replies: &[&'static str], hangs_up: bool) -> Self {
        Self {
            replies: Rc::new(RefCell::new(replies.iter().copied().collect())),
            commands: Rc::default(),
            pieces: Rc::default(),
            connections: Rc::default(),
            hangs_up,
            rest: String::new(),
        }
    }

    fn answer(&self, cx: &mut Context<'_, Self>) {
        match self.replies.borrow_mut().pop_front() {
            Some(HANG_UP) => cx.lose_connection(),
            Some(reply) => cx.write(reply),
            None if self.hangs_up => cx.lose_connection(),
            None => {}
        }
    }
}

impl Protocol for Script {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        self.connections.set(self.connections.get() + 1);
        self.answer(cx);
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        let data = String::from_utf8_lossy(data).into_owned();
        self.rest.push_str(&data);
        self.pieces.borrow_mut().push(data);
        while let Some((line, rest)) = self.rest.split_once("\r\n") {
            self.commands.borrow_mut().push(line.to_owned());
            self.rest = rest.to_owned();
            self.answer(cx);
        }
        Ok(())
    }
}
