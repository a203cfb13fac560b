//! `Accept-Encoding`: the content codings that a client takes (RFC 9110, 12.5.3).

use http::{HeaderMap, header};

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// All codings, in the order of preference among those with equal weights.
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// The name of the coding in a header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

#[cfg(feature = "compression")]
impl Coding {
    /// The coding with this name in a header.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let is_named = |coding: &Self| name.eq_ignore_ascii_case(coding.name());
        let alias = name.eq_ignore_ascii_case("x-gzip").then_some(Self::Gzip);
        Self::ALL.into_iter().find(is_named).or(alias)
    }
}

/// The weights that a client gives to codings, in thousandths. 0: the client refuses the coding.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accepted {
    weights: [u16; Coding::ALL.len()],
    /// Weight of uncompressed content, to which the other weights are compared. Even at 0, a client
    /// that accepts no coding gets the content uncompressed.
    identity: u16,
}

impl Accepted {
    /// The weights in the headers of a request.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut accepted = Self::default();
        let mut named = [None; Coding::ALL.len()];
        let mut rest = None;
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        let texts = values.filter_map(|value| value.to_str().ok());
        for element in texts.flat_map(|text| text.split(',')) {
            let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
            let weight = weight(parameters);
            let is = |known: &str| name.trim().eq_ignore_ascii_case(known);
            if is("*") {
                rest = Some(weight);
            } else if is("identity") {
                accepted.identity = weight;
            }
            for (place, coding) in named.iter_mut().zip(Coding::ALL) {
                if is(coding.name()) || (coding == Coding::Gzip && is("x-gzip")) {
                    *place = Some(weight);
                }
            }
        }
        for (weight, named) in accepted.weights.iter_mut().zip(named) {
            // `*` stands for the codings that are not named (RFC 9110, 12.5.3).
            *weight = named.or(rest).unwrap_or(0);
        }
        accepted
    }

    /// The codings to try, the preferred one first: those that the client accepts with at least the
    /// weight of uncompressed content.
    pub(crate) fn best(self) -> impl Iterator<Item = Coding> {
        let mut codings: Vec<_> = Coding::ALL.into_iter().zip(self.weights).collect();
        codings.retain(|(_, weight)| *weight > 0 && *weight >= self.identity);
        // Stable: among equals, the order stays.
        codings.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        codings.into_iter().map(|(coding, _)| coding)
    }
}

/// The weight in the parameters of an element, `q=0.5`; 1000 without one.
fn weight(parameters: &str) -> u16 {
    // RFC 9110, 12.4.2.
    let Some(value) = parameters.trim().strip_prefix(['q', 'Q']) else {
        return 1000;
    };
    let value = value.trim_start().strip_prefix('=').unwrap_or(value).trim();
    let weight = value.parse::<f32>().unwrap_or(1.0).clamp(0.0, 1.0);
    // At most 1000, so it fits. The cast makes NaN, which `parse` accepts, a 0.
    (weight * 1000.0) as u16
}
