//! `docs/core/howto/listings/servers/chat.py`

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use deferred::Result;
use reactor::{Connection, ConnectionClosed, Context, Lines, Protocol, ReactorHandle};

type Users = Rc<RefCell<BTreeMap<Vec<u8>, Connection<Chat>>>>;

struct Chat {
    users: Users,
    name: Option<Vec<u8>>,
}

impl Chat {
    fn get_name(&mut self, cx: &mut Context<'_, Self>, name: &[u8]) {
        if self.users.borrow().contains_key(name) {
            return cx.send_line("Name taken, please choose another.");
        }
        cx.send_line([b"Welcome, ", name, b"!"].concat());
        self.name = Some(name.to_vec());
        let mut users = self.users.borrow_mut();
        users.insert(name.to_vec(), cx.connection());
    }

    fn chat(&self, name: &[u8], message: &[u8]) {
        let message = [b"<", name, b"> ", message].concat();
        for (_, user) in self.users.borrow().iter().filter(|(of, _)| *of != name) {
            let _ = user.send_line(&message);
        }
    }
}

impl Protocol for Chat {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.send_line("What's your name?");
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, line: &[u8]) -> Result<()> {
        match &self.name {
            None => self.get_name(cx, line),
            Some(name) => self.chat(name, line),
        }
        Ok(())
    }

    fn connection_lost(&mut self, _cx: &mut Context<'_, Self>, _reason: ConnectionClosed) {
        if let Some(name) = &self.name {
            self.users.borrow_mut().remove(name);
        }
    }
}

pub(crate) fn start(reactor: &ReactorHandle) -> Result<()> {
    let users = Users::default();
    reactor.listen_tcp("127.0.0.1:8123", move || Chat {
        users: Rc::clone(&users),
        name: None,
    })?;
    Ok(())
}
