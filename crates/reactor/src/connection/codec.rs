//! `Context::send`: writing through a codec of `tokio-util`.

use tokio_util::codec::Encoder;

use super::context::Context;
use super::protocol::Protocol;
use crate::framing::{Codec, Framing};

impl<C, P> Context<'_, P>
where
    C: 'static,
    Codec<C>: Framing,
    P: Protocol<Framing = Codec<C>>,
{
    /// Sends `item`, encoded by the codec of this connection. Needs the feature `tokio-util`.
    ///
    /// # Errors
    ///
    /// The error of the encoder. Then nothing is sent.
    #[doc(alias = "SinkExt")]
    pub fn send<I>(&mut self, item: I) -> Result<(), C::Error>
    where
        C: Encoder<I>,
    {
        let encoded = self.framing().encode(item)?;
        self.write(encoded);
        Ok(())
    }
}
