use deferred::succeed;
use reactor::{Context, Protocol, Raw};

struct Talk {
    number: u32,
}

impl Protocol for Talk {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.when(succeed(1), |this, _cx, _one| this.number);
        cx.connection().post(|_this, _cx| succeed(1))?;
        Ok(())
    }
}

fn main() {}
