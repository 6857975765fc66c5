//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Most connections at once, however many file handles there are.
const MOST: usize = 16_384;
/// File handles that stay free for the database and for AWS.
const KEPT_BACK: usize = 128;
/// Fewest connections, however few file handles there are.
const FEWEST: usize = 32;

/// Counts of open connections, and their limits.
#[derive(Debug)]
pub(super) struct Caps {
    total: usize,
    per_address: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Too many from its address.
    Address,
    /// Too many in all.
    All,
}

impl Caps {
    /// Limits for a process that may open this many files; `per_address` 0 sets no limit for one address.
    pub(super) fn new(open_files: Option<usize>, per_address: usize) -> Arc<Self> {
        let total = open_files.map_or(MOST, |n| n.saturating_sub(KEPT_BACK).clamp(FEWEST, MOST));
        let per_address = if per_address == 0 { usize::MAX } else { per_address };
        Arc::new(Self { total, per_address, open: Mutex::default() })
    }

    /// A place for a connection from this address.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Slot, Full> {
        let address = household(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.total {
            return Err(Full::All);
        }
        let here = open.by_address.entry(address).or_default();
        if *here >= self.per_address {
            return Err(Full::Address);
        }
        *here += 1;
        open.total += 1;
        Ok(Slot { caps: self.clone(), address })
    }
}

/// The place of one connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    caps: Arc<Caps>,
    address: IpAddr,
}

impl Slot {
    /// More than half of all places, or of its address's places, are taken: who is idle should leave.
    pub(super) fn is_crowded(&self) -> bool {
        let open = self.caps.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.by_address.get(&self.address).copied().unwrap_or(0);
        open.total > self.caps.total / 2 || here > self.caps.per_address / 2
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.caps.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(here) = open.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

/// Who counts as one: an IPv4 address, or the /64 network that one IPv6 customer gets.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_limited_by_address_and_in_all_and_come_back() {
        let caps = Caps::new(Some(KEPT_BACK + 40), 30);
        let mut slots: Vec<Slot> = (0..30).map(|_| caps.take(at("192.0.2.1")).unwrap()).collect();
        assert_eq!(caps.take(at("192.0.2.1")).unwrap_err(), Full::Address);
        assert_eq!(caps.take(at("::ffff:192.0.2.1")).unwrap_err(), Full::Address, "the same address in other clothes");
        slots.extend((0..10).map(|_| caps.take(at("192.0.2.2")).unwrap()));
        assert_eq!(caps.take(at("192.0.2.3")).unwrap_err(), Full::All);
        slots.clear();
        assert!(caps.open.lock().unwrap().by_address.is_empty() && caps.open.lock().unwrap().total == 0);
        assert!(caps.take(at("192.0.2.1")).is_ok());
    }

    #[test]
    fn a_network_of_one_customer_counts_as_one() {
        let caps = Caps::new(None, 1);
        let _first = caps.take(at("2001:db8:1:2::1")).unwrap();
        assert_eq!(caps.take(at("2001:db8:1:2:ffff::9")).unwrap_err(), Full::Address);
        assert!(caps.take(at("2001:db8:1:3::1")).is_ok());
    }

    #[test]
    fn crowded_means_more_than_half() {
        let caps = Caps::new(None, 2);
        let first = caps.take(at("192.0.2.1")).unwrap();
        assert!(!first.is_crowded());
        let second = caps.take(at("192.0.2.1")).unwrap();
        assert!(first.is_crowded());
        drop(second);
        assert!(!first.is_crowded());
    }
}
