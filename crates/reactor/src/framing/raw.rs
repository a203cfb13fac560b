//! `Raw`: no framing.

use deferred::Result;

use super::{Decoded, Framing};

/// Bytes as they arrive, in pieces of any size.
///
/// # Examples
///
/// ```
/// use reactor::{Context, Protocol, Raw, testing};
///
/// struct Shout;
///
/// impl Protocol for Shout {
///     type Framing = Raw;
///
///     fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
///         cx.write(data.to_ascii_uppercase());
///         Ok(())
///     }
/// }
///
/// testing::run(|reactor| {
///     let (_shout, peer) = reactor.connect_to_peer(Shout);
///     peer.send("any bytes");
///     assert_eq!(peer.received(), b"ANY BYTES");
/// });
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Framing for Raw {
    type Frame<'a> = &'a [u8];

    #[inline]
    fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<&'a [u8]>> {
        Ok(if input.is_empty() {
            Decoded::Incomplete
        } else {
            Decoded::Frame {
                frame: input,
                consumed: input.len(),
            }
        })
    }
}
