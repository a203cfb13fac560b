//! Medians and how far to trust them.
//!
//! Times on a shared machine have a long tail on one side, so nothing here is a
//! mean. An interval is a bootstrap one: it assumes no shape.

/// A median with the interval it lies in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    /// 95 % of the medians of resamples lie between these.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Estimate {
    /// Of samples that are independent of one another, at least one.
    pub(crate) fn of(samples: &[f64]) -> Self {
        const RESAMPLES: usize = 2000;
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut resample = vec![0.0; samples.len()];
        let mut medians: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                resample.fill_with(|| samples[random.below(samples.len())]);
                median(&mut resample)
            })
            .collect();
        Self {
            median: median(&mut samples.to_vec()),
            low: quantile(&mut medians, 0.025),
            high: quantile(&mut medians, 0.975),
        }
    }

    /// `1.02 [0.99, 1.04]`
    pub(crate) fn text(&self) -> String {
        format!("{:.2} [{:.2}, {:.2}]", self.median, self.low, self.high)
    }
}

/// The median of `samples`, which it sorts; NaN if there are none.
pub(crate) fn median(samples: &mut [f64]) -> f64 {
    quantile(samples, 0.5)
}

/// The value below which `part` of the samples lie, between two of them if need
/// be. Sorts `samples`.
pub(crate) fn quantile(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let Some(last) = samples.len().checked_sub(1) else {
        return f64::NAN;
    };
    let position = part * last as f64;
    let below = samples[position.floor() as usize];
    let above = samples[position.ceil() as usize];
    below + (above - below) * position.fract()
}

/// The median of `samples`, which it sorts, and what half of them lie between:
/// `1.02 (0.97..1.08)`.
pub(crate) fn middle_half(samples: &mut [f64]) -> String {
    format!(
        "{:.2} ({:.2}..{:.2})",
        median(samples),
        quantile(samples, 0.25),
        quantile(samples, 0.75)
    )
}

/// Quotients of two series, element by element.
pub(crate) fn ratios(numerators: &[f64], denominators: &[f64]) -> Vec<f64> {
    numerators
        .iter()
        .zip(denominators)
        .map(|(n, d)| n / d)
        .collect()
}

/// Random enough to resample with (xorshift); the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn a_quantile_is_taken_between_samples() {
        assert_eq!(quantile(&mut [0.0, 10.0], 0.25), 2.5);
        assert_eq!(quantile(&mut [0.0, 10.0], 1.0), 10.0);
    }

    #[test]
    fn the_interval_holds_the_median() {
        let samples: Vec<f64> = (0..31).map(f64::from).collect();
        let estimate = Estimate::of(&samples);
        assert_eq!(estimate.median, 15.0);
        assert!(estimate.low < 15.0 && 15.0 < estimate.high);
    }
}
