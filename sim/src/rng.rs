//! Seeded numbers that can be stored: every draw is a pure function of the seed, a label and an ordinal.
//!
//! **Invariant:** a draw never depends on how many draws went before it elsewhere, so adding one event to a world
//! does not shift the timing of the others, and an exported world goes on exactly as the original would have.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Inclusive range of seconds an event's delay is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Shortest delay, seconds.
    pub min: i64,
    /// Longest delay, seconds.
    pub max: i64,
}

impl Span {
    /// A span of the two bounds, seconds.
    pub const fn new(min: i64, max: i64) -> Self {
        Self { min, max }
    }

    /// The delay of one named event, milliseconds.
    pub(crate) fn draw(self, seed: u64, label: &str, key: &str) -> i64 {
        let width = (self.max - self.min).max(0) as u64 + 1;
        (self.min + (hash(seed, label, key) % width) as i64) * 1000
    }
}

/// 64 well-mixed bits of (seed, label, key).
pub(crate) fn hash(seed: u64, label: &str, key: &str) -> u64 {
    let mut state = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in label.bytes().chain([0xff]).chain(key.bytes()) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    mix(state)
}

/// A number in 0..1 from the same source.
pub(crate) fn unit(seed: u64, label: &str, key: &str) -> f64 {
    (hash(seed, label, key) >> 11) as f64 / (1u64 << 53) as f64
}

/// Finaliser of splitmix64.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Lower-case hexadecimal text of `len` digits.
pub(crate) fn hex(seed: u64, label: &str, key: &str, len: usize) -> String {
    let mut out = String::with_capacity(len + 16);
    let mut part = 0u32;
    while out.len() < len {
        out.push_str(&format!("{:016x}", hash(seed, label, &format!("{key}/{part}"))));
        part += 1;
    }
    out.truncate(len);
    out
}

/// Text in the form of a version 4 UUID.
pub(crate) fn uuid(seed: u64, label: &str, key: &str) -> String {
    let h = hex(seed, label, key, 32);
    format!("{}-{}-4{}-a{}-{}", &h[0..8], &h[8..12], &h[13..16], &h[17..20], &h[20..32])
}

/// `sha256:<hex>` of the bytes, the way a registry names a manifest.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    sha256_of([bytes])
}

/// The same of bytes in parts.
pub(crate) fn sha256_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    use std::fmt::Write;
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    let mut out = String::from("sha256:");
    for byte in hash.finalize() {
        let _ = write!(out, "{byte:02x}");
    }
    out
}
