//! Conditions of a statement: operators, `IfExists`, set operators.
//!
//! **Invariant:** an operator that is not here is refused when the document is read. A key that the context does not hold
//! fails a condition, unless the operator is a negated one or carries `IfExists`.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Context, pattern::Pattern};
use crate::clock;

/// What an operator compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Arn,
    Number(Order),
    Date(Order),
    Bool,
    Ip,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Set {
    Plain,
    AnyValue,
    AllValues,
}

/// One key of a condition block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Condition {
    set: Set,
    test: Test,
    negated: bool,
    if_exists: bool,
    pub(super) key: String,
    values: Vec<String>,
}

const OPERATORS: &[(&str, Test, bool)] = &[
    ("StringEquals", Test::Equals, false),
    ("StringNotEquals", Test::Equals, true),
    ("StringEqualsIgnoreCase", Test::EqualsIgnoreCase, false),
    ("StringNotEqualsIgnoreCase", Test::EqualsIgnoreCase, true),
    ("StringLike", Test::Like, false),
    ("StringNotLike", Test::Like, true),
    ("ArnEquals", Test::Arn, false),
    ("ArnLike", Test::Arn, false),
    ("ArnNotEquals", Test::Arn, true),
    ("ArnNotLike", Test::Arn, true),
    ("NumericEquals", Test::Number(Order::Equal), false),
    ("NumericNotEquals", Test::Number(Order::Equal), true),
    ("NumericLessThan", Test::Number(Order::Less), false),
    ("NumericLessThanEquals", Test::Number(Order::LessOrEqual), false),
    ("NumericGreaterThan", Test::Number(Order::Greater), false),
    ("NumericGreaterThanEquals", Test::Number(Order::GreaterOrEqual), false),
    ("DateEquals", Test::Date(Order::Equal), false),
    ("DateNotEquals", Test::Date(Order::Equal), true),
    ("DateLessThan", Test::Date(Order::Less), false),
    ("DateLessThanEquals", Test::Date(Order::LessOrEqual), false),
    ("DateGreaterThan", Test::Date(Order::Greater), false),
    ("DateGreaterThanEquals", Test::Date(Order::GreaterOrEqual), false),
    ("Bool", Test::Bool, false),
    ("IpAddress", Test::Ip, false),
    ("NotIpAddress", Test::Ip, true),
    ("Null", Test::Null, false),
];

impl Condition {
    /// Reads one key under an operator.
    pub(super) fn new(operator: &str, key: &str, values: Vec<String>) -> Result<Self, String> {
        let unknown = || format!("Condition: the operator {operator} is not known");
        let (set, rest) = match operator.split_once(':') {
            None => (Set::Plain, operator),
            Some(("ForAnyValue", rest)) => (Set::AnyValue, rest),
            Some(("ForAllValues", rest)) => (Set::AllValues, rest),
            Some(_) => return Err(unknown()),
        };
        let (name, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
        let (_, test, negated) = OPERATORS.iter().find(|(known, ..)| *known == name).ok_or_else(unknown)?;
        if *test == Test::Null && (if_exists || set != Set::Plain) {
            return Err(unknown());
        }
        let condition = Self { set, test: *test, negated: *negated, if_exists, key: key.to_owned(), values };
        match condition.values.iter().find(|value| !condition.readable(value)) {
            Some(value) => Err(format!("Condition: {operator} cannot compare with {value:?}")),
            None => Ok(condition),
        }
    }

    /// Whether a value is of the operator's kind.
    fn readable(&self, value: &str) -> bool {
        match self.test {
            Test::Number(_) => value.parse::<f64>().is_ok(),
            Test::Date(_) => date(value).is_some(),
            Test::Bool | Test::Null => matches!(value, "true" | "false"),
            Test::Ip => network(value).is_some(),
            _ => true,
        }
    }

    pub(super) fn holds(&self, variables: bool, context: &Context) -> bool {
        let found = context.get(&self.key);
        if self.test == Test::Null {
            return self.values.iter().any(|v| (v == "true") == found.is_none());
        }
        let Some(found) = found else {
            return self.if_exists || self.set == Set::AllValues || self.negated && self.set == Set::Plain;
        };
        let hit = |have: &String| self.values.iter().any(|wanted| self.compare(wanted, have, variables, context)) != self.negated;
        match (self.set, self.negated) {
            (Set::AllValues, _) | (Set::Plain, true) => found.iter().all(hit),
            (Set::AnyValue, _) | (Set::Plain, false) => found.iter().any(hit),
        }
    }

    fn compare(&self, wanted: &str, have: &str, variables: bool, context: &Context) -> bool {
        let literal = || Pattern::literal(wanted, variables, context);
        let pattern = || Pattern::new(wanted, variables, context);
        match self.test {
            Test::Equals => literal().is_some_and(|wanted| wanted == have),
            Test::EqualsIgnoreCase => literal().is_some_and(|wanted| wanted.to_lowercase() == have.to_lowercase()),
            Test::Like => pattern().is_some_and(|p| p.matches(have)),
            Test::Arn => pattern().is_some_and(|p| p.matches_arn(have)),
            Test::Number(order) => pair(wanted.parse::<f64>().ok(), have.parse::<f64>().ok(), order),
            Test::Date(order) => pair(date(wanted), date(have), order),
            Test::Bool => wanted.eq_ignore_ascii_case(have),
            Test::Ip => network(wanted).zip(have.parse::<IpAddr>().ok()).is_some_and(|(net, ip)| inside(net, ip)),
            Test::Null => false,
        }
    }
}

/// Compares what the request has (second) with what the document says.
fn pair<T: PartialOrd>(wanted: Option<T>, have: Option<T>, order: Order) -> bool {
    let Some((wanted, have)) = wanted.zip(have) else {
        return false;
    };
    match order {
        Order::Equal => have == wanted,
        Order::Less => have < wanted,
        Order::LessOrEqual => have <= wanted,
        Order::Greater => have > wanted,
        Order::GreaterOrEqual => have >= wanted,
    }
}

/// An instant or whole epoch seconds, in milliseconds.
fn date(text: &str) -> Option<i64> {
    clock::parse_iso(text).or_else(|| text.parse::<i64>().ok().and_then(|s| s.checked_mul(1000)))
}

/// `10.0.0.0/8`, or one address.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = if text.contains('/') { bits.parse().ok()? } else { most };
    (bits <= most).then_some((address, bits))
}

fn inside((net, bits): (IpAddr, u32), ip: IpAddr) -> bool {
    let same = |a: u128, b: u128, width: u32| bits == 0 || a >> (width - bits) == b >> (width - bits);
    match (net, ip) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}
