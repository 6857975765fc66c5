//! A datapoint as a distribution, and the statistics over it.
//!
//! **Invariant:** putting two datapoints together and then taking a statistic is the same as taking it over all samples;
//! percentiles exist only where the samples themselves were kept.

use serde::{Deserialize, Serialize};

/// A statistic (aws-reference 9).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stat {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    Percentile(f64),
}

impl Stat {
    /// Reads a plain statistic.
    pub(crate) fn plain(text: &str) -> Option<Self> {
        Some(match text {
            "SampleCount" => Self::SampleCount,
            "Average" => Self::Average,
            "Sum" => Self::Sum,
            "Minimum" => Self::Minimum,
            "Maximum" => Self::Maximum,
            _ => return None,
        })
    }

    /// Reads a percentile, `p0` to `p100` with up to ten decimals.
    pub(crate) fn percentile(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('p')?;
        let plain = digits.len() <= 14 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.starts_with(|c: char| c.is_ascii_digit());
        digits.parse().ok().filter(|p| plain && (0.0..=100.0).contains(p)).map(Self::Percentile)
    }

    /// Either.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::plain(text).or_else(|| Self::percentile(text))
    }

    pub(crate) fn name(self) -> String {
        match self {
            Self::SampleCount => "SampleCount".into(),
            Self::Average => "Average".into(),
            Self::Sum => "Sum".into(),
            Self::Minimum => "Minimum".into(),
            Self::Maximum => "Maximum".into(),
            Self::Percentile(p) => format!("p{p}"),
        }
    }
}

/// Samples of a datapoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Datum {
    pub(crate) samples: f64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Value and how often; empty where only the four above are known.
    pub(crate) values: Vec<(f64, f64)>,
}

impl Datum {
    /// One sample.
    pub(crate) fn one(value: f64) -> Self {
        Self::many(vec![(value, 1.0)])
    }

    /// Values, each this often.
    pub(crate) fn many(values: Vec<(f64, f64)>) -> Self {
        let mut out = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, ..Self::default() };
        for (value, count) in &values {
            out.samples += count;
            out.sum += value * count;
            out.min = out.min.min(*value);
            out.max = out.max.max(*value);
        }
        out.values = values;
        out
    }

    /// Puts another one in.
    pub(crate) fn add(&mut self, other: &Self) {
        if self.samples == 0.0 {
            self.clone_from(other);
            return;
        }
        let whole = !self.values.is_empty() && !other.values.is_empty();
        self.samples += other.samples;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if whole {
            self.values.extend_from_slice(&other.values);
        } else {
            self.values.clear();
        }
    }

    pub(crate) fn value(&self, stat: Stat) -> Option<f64> {
        if self.samples <= 0.0 {
            return None;
        }
        Some(match stat {
            Stat::SampleCount => self.samples,
            Stat::Average => self.sum / self.samples,
            Stat::Sum => self.sum,
            Stat::Minimum => self.min,
            Stat::Maximum => self.max,
            Stat::Percentile(p) => return self.percentile(p),
        })
    }

    /// Nearest rank. None over negative values, as AWS has it.
    fn percentile(&self, p: f64) -> Option<f64> {
        if self.min == self.max {
            return Some(self.min).filter(|v| *v >= 0.0);
        }
        if self.values.is_empty() || self.min < 0.0 {
            return None;
        }
        let mut rows = self.values.clone();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rank = self.samples * p / 100.0;
        let mut seen = 0.0;
        for (value, count) in &rows {
            seen += count;
            if seen + 1e-9 >= rank {
                return Some(*value);
            }
        }
        rows.last().map(|(value, _)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_over_all_samples() {
        let mut d = Datum::many((1..=100).map(|n| (f64::from(n), 1.0)).collect());
        let read = |d: &Datum, text: &str| Stat::parse(text).and_then(|s| d.value(s));
        assert_eq!(["p50", "p95", "p99", "p100", "p0", "Average"].map(|s| read(&d, s)), [50.0, 95.0, 99.0, 100.0, 1.0, 50.5].map(Some));
        d.add(&Datum { samples: 2.0, sum: 400.0, min: 100.0, max: 300.0, values: Vec::new() });
        assert_eq!(["SampleCount", "Sum", "Minimum", "Maximum"].map(|s| read(&d, s)), [102.0, 5450.0, 1.0, 300.0].map(Some));
        assert_eq!(read(&d, "p95"), None, "the samples of a statistic set are not known");
        assert_eq!(["p", "p101", "p-1", "pNaN", "p1e1", "P50", "average", "p9.9.9"].map(Stat::parse), [None; 8]);
    }
}
