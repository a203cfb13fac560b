//! permessage-deflate (RFC 7692): negotiation, and each message compressed by itself.
//!
//! There is no context takeover in either direction. So a connection keeps no window, a thread
//! needs only one compressor, and a message that is compressed once can be sent to many.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use http::HeaderMap;
use http::header::SEC_WEBSOCKET_EXTENSIONS;

use super::close::Violation;

/// Shorter messages are not compressed, since few of them would become smaller.
const SHORTEST: usize = 256;

/// The extension that a client offers.
pub(super) const OFFER: &str =
    "permessage-deflate; client_no_context_takeover; server_no_context_takeover";

const NAME: &str = "permessage-deflate";
const CLIENT_CONTEXT: &str = "client_no_context_takeover";
const SERVER_CONTEXT: &str = "server_no_context_takeover";
const CLIENT_BITS: &str = "client_max_window_bits";
const SERVER_BITS: &str = "server_max_window_bits";

/// The end of each flushed block, which is left out of the message.
// RFC 7692, 7.2.1.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];

thread_local! {
    // Reset before each message. Borrowed while a message is compressed, which calls no other code.
    static COMPRESS: RefCell<Compress> =
        RefCell::new(Compress::new(Compression::fast(), false));
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// `payload`, compressed, if that is smaller.
pub(super) fn smaller(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() < SHORTEST {
        return None;
    }
    let mut small = Vec::new();
    let is_smaller = deflate(payload, &mut small) && small.len() < payload.len();
    is_smaller.then_some(small)
}

/// Appends `payload`, compressed, to `output`. Returns whether that succeeded.
fn deflate(payload: &[u8], output: &mut Vec<u8>) -> bool {
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        let mut rest = payload;
        loop {
            // An estimate; the loop makes more room if it is too low.
            output.reserve(rest.len() / 2 + 64);
            let before = compress.total_in();
            if compress
                .compress_vec(rest, output, FlushCompress::Sync)
                .is_err()
            {
                return false;
            }
            rest = &rest[count(compress.total_in() - before)..];
            // With room left, all was flushed.
            if rest.is_empty() && output.len() < output.capacity() {
                break;
            }
        }
        // `Sync` ends with an empty block that is not compressed, whose last bytes these are.
        let is_flushed = output.ends_with(&TAIL);
        output.truncate(output.len() - if is_flushed { TAIL.len() } else { 0 });
        is_flushed
    })
}

/// Appends `payload`, decompressed, to `output`, which may get `limit` bytes long.
pub(super) fn inflate(payload: &[u8], output: &mut Vec<u8>, limit: usize) -> Result<(), Violation> {
    DECOMPRESS.with_borrow_mut(|decompress| {
        decompress.reset(false);
        // RFC 7692, 7.2.2.
        for part in [payload, &TAIL] {
            let mut rest = part;
            loop {
                // Doubled each time, from 1 KiB on, so that the memory grows with the actual
                // output.
                if output.len() == output.capacity() {
                    // One byte beyond the limit shows that the message is too long. Saturated,
                    // because the limit may be `usize::MAX`.
                    let most = limit.saturating_add(1);
                    let more = (most - output.len()).min(output.len().max(1024));
                    output.reserve_exact(more);
                }
                let (taken, given) = (decompress.total_in(), output.len());
                let status = decompress
                    .decompress_vec(rest, output, FlushDecompress::Sync)
                    .map_err(|_| Violation::data("a message cannot be decompressed"))?;
                if output.len() > limit {
                    return Err(Violation::too_large("a decompressed message is too long"));
                }
                if status == Status::StreamEnd {
                    // The sender has ended its stream of blocks, so nothing follows.
                    return Ok(());
                }
                let taken = count(decompress.total_in() - taken);
                rest = &rest[taken..];
                if output.len() < output.capacity() {
                    if rest.is_empty() {
                        break;
                    }
                    // There is input and room, but the decoder uses neither: it would go on so for
                    // ever.
                    if taken == 0 && output.len() == given {
                        return Err(Violation::data("a message cannot be decompressed"));
                    }
                }
            }
        }
        Ok(())
    })
}

/// Converts a number of bytes of a slice.
fn count(bytes: u64) -> usize {
    // Always fits, since a slice has at most `usize::MAX` bytes.
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Each extension in the headers, with its parameters and their values.
fn offers(headers: &HeaderMap) -> Vec<(&str, Vec<(&str, &str)>)> {
    let values = headers.get_all(SEC_WEBSOCKET_EXTENSIONS).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|extension| {
            let mut words = extension.split(';').map(str::trim);
            let name = words.next().unwrap_or_default();
            let parameter = |word: &str| word.split_once('=').map(|(name, _)| name.len());
            let parameters = words.map(|word| match parameter(word) {
                Some(at) => (word[..at].trim(), word[at + 1..].trim().trim_matches('"')),
                None => (word, ""),
            });
            (name, parameters.collect())
        })
        .collect()
}

/// The server's answer to the first offer of the client that it can meet; `None` if there is none.
// RFC 7692, 5.1: the client's offers are in the order of its preference, and one that cannot be met
// is passed over.
pub(super) fn accept(headers: &HeaderMap) -> Option<String> {
    offers(headers)
        .into_iter()
        .filter(|(name, _)| *name == NAME)
        .find_map(|(_, parameters)| {
            let mut answer = format!("{NAME}; {SERVER_CONTEXT}; {CLIENT_CONTEXT}");
            let mut seen = Vec::new();
            for (name, value) in parameters {
                if seen.contains(&name) {
                    return None;
                }
                seen.push(name);
                match (name, value) {
                    // The client's window may have any size: the decompressor has the largest one.
                    (CLIENT_CONTEXT | SERVER_CONTEXT, "") | (CLIENT_BITS, "") => {}
                    (CLIENT_BITS, bits) if is_window(bits) => {}
                    // The compressor supports only this size.
                    (SERVER_BITS, "15") => answer.push_str("; server_max_window_bits=15"),
                    _ => return None,
                }
            }
            Some(answer)
        })
}

/// Whether a server has accepted the client's offer to compress.
pub(super) fn is_agreed(headers: &HeaderMap) -> Result<bool, &'static str> {
    let agreed = offers(headers);
    // At most one extension was offered, so the answer may have at most one (RFC 6455, 9.1).
    let [(NAME, parameters)] = &agreed[..] else {
        return match agreed.is_empty() {
            true => Ok(false),
            false => Err("the server answers with extensions that were not offered"),
        };
    };
    let mut keeps_no_context = false;
    for (name, value) in parameters {
        match (*name, *value) {
            // A server that accepts the offer has to repeat this one (RFC 7692, 7.1.1.1). Without
            // it, its messages would need a window that is kept.
            (SERVER_CONTEXT, "") => keeps_no_context = true,
            (CLIENT_CONTEXT, "") => {}
            // A server may send this parameter unasked (RFC 7692, 7.1.2.1), but not
            // `client_max_window_bits` (7.1.2.2).
            (SERVER_BITS, bits) if is_window(bits) => {}
            _ => return Err("the server answers with a parameter that was not offered"),
        }
    }
    match keeps_no_context {
        true => Ok(true),
        false => Err("the server keeps the context of its compression"),
    }
}

fn is_window(bits: &str) -> bool {
    matches!(bits.parse::<u8>(), Ok(8..=15))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &'static str) -> HeaderMap {
        let value = http::HeaderValue::from_static(value);
        HeaderMap::from_iter([(SEC_WEBSOCKET_EXTENSIONS, value)])
    }

    #[test]
    fn what_is_compressed_comes_back() {
        for length in [0, 1, 10, 1000, 100_000, 1_000_000] {
            let plain: Vec<u8> = (0..length)
                .map(|n: u32| (n.wrapping_mul(n) >> 7) as u8)
                .collect();
            let mut small = Vec::new();
            assert!(deflate(&plain, &mut small));
            let mut again = Vec::new();
            inflate(&small, &mut again, plain.len()).unwrap();
            assert!(again == plain, "{length}");
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let mut bomb = Vec::new();
        assert!(deflate(&vec![0; 50_000_000], &mut bomb));
        assert!(bomb.len() < 300_000, "{}", bomb.len());
        let mut output = Vec::new();
        let refused = inflate(&bomb, &mut output, 100_000).unwrap_err();
        assert_eq!(refused.code, super::super::CloseCode::TOO_LARGE);
        assert!(output.capacity() < 300_000, "{}", output.capacity());
    }

    #[test]
    fn garbage_is_refused() {
        let refused = inflate(&[0xFF; 20], &mut Vec::new(), 1000).unwrap_err();
        assert_eq!(refused.code, super::super::CloseCode::INVALID_DATA);
    }

    #[test]
    fn offers_that_can_be_met_are_accepted() {
        for (offer, is_met) in [
            ("permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits", true),
            ("permessage-deflate; client_max_window_bits=9", true),
            ("permessage-deflate; server_max_window_bits=15", true),
            ("permessage-deflate; server_max_window_bits=9", false),
            (
                "permessage-deflate; server_max_window_bits=9, permessage-deflate",
                true,
            ),
            ("x-webkit-deflate-frame, permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits=16", false),
            ("permessage-deflate; unknown", false),
            (
                "permessage-deflate; client_max_window_bits; client_max_window_bits",
                false,
            ),
            ("other", false),
        ] {
            assert_eq!(accept(&headers(offer)).is_some(), is_met, "{offer}");
        }
        assert!(accept(&HeaderMap::new()).is_none());
    }

    #[test]
    fn an_answer_has_to_keep_to_the_offer() {
        let both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(is_agreed(&headers(both)), Ok(true));
        assert_eq!(is_agreed(&HeaderMap::new()), Ok(false));
        for answer in [
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover; client_max_window_bits=10",
            "other",
            "permessage-deflate; server_no_context_takeover, other",
        ] {
            assert!(is_agreed(&headers(answer)).is_err(), "{answer}");
        }
    }
}
