//! `docs/core/howto/listings/TwistedQuotes`: `quoteproto.py` and `quoters.py`

use std::rc::Rc;

use deferred::Result;
use reactor::{Context, Lines, Protocol, ReactorHandle};

pub(crate) trait Quoter {
    fn quote(&self) -> Result<String>;
}

struct Qotd {
    quoter: Rc<dyn Quoter>,
}

impl Protocol for Qotd {
    type Framing = Lines;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.send_line(self.quoter.quote()?);
        cx.lose_connection();
        Ok(())
    }
}

pub(crate) struct StaticQuoter(pub(crate) &'static str);

impl Quoter for StaticQuoter {
    fn quote(&self) -> Result<String> {
        Ok(self.0.to_owned())
    }
}

/// Loads quotes from files in the format of `fortune`; `choose` gives a number below its own.
pub(crate) struct FortuneQuoter {
    pub(crate) files: Vec<String>,
    pub(crate) choose: fn(usize) -> usize,
}

impl Quoter for FortuneQuoter {
    fn quote(&self) -> Result<String> {
        let file = std::fs::read_to_string(&self.files[(self.choose)(self.files.len())])?;
        let quotes: Vec<_> = file.split("\n%\n").collect();
        Ok(quotes[(self.choose)(quotes.len())].to_owned())
    }
}

pub(crate) fn start(reactor: &ReactorHandle, quoter: impl Quoter + 'static) -> Result<()> {
    let quoter: Rc<dyn Quoter> = Rc::new(quoter);
    reactor.listen_tcp("127.0.0.1:8007", move || Qotd {
        quoter: Rc::clone(&quoter),
    })?;
    Ok(())
}
