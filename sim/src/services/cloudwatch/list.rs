//! ListMetrics (aws-reference 9).
//!
//! **Invariant:** pages are of 500; what had no datapoint for two weeks (with RecentlyActive for three hours) is not
//! listed.

use serde_json::Value;

use super::{
    alarms::dimensions,
    fields::{flag, invalid, namespace, need, paged, rows, sized, text},
};
use crate::{
    wire::{
        ApiError,
        answer::{Answer, Members},
    },
    world::{World, metric::Metric},
};

const PAGE: usize = 500;
const HOUR: i64 = 3_600_000;

pub(super) fn metrics(w: &World, v: &Value) -> Result<Members, ApiError> {
    let space = text(v, "Namespace").map(namespace).transpose()?;
    let name = text(v, "MetricName").map(|n| sized(n, "MetricName", 255)).transpose()?;
    if rows(v, "Dimensions").len() > 10 {
        return Err(invalid("The collection Dimensions must not have a size greater than 10."));
    }
    let mut filters: Vec<(&str, Option<&str>)> = Vec::new();
    for row in rows(v, "Dimensions") {
        filters.push((sized(need(row, "Name")?, "Dimensions.Name", 255)?, text(row, "Value")));
    }
    let span = match text(v, "RecentlyActive") {
        None => 14 * 24 * HOUR,
        Some("PT3H") => 3 * HOUR,
        Some(other) => return Err(invalid(format!("The value {other} for parameter RecentlyActive is not supported."))),
    };
    let linked = flag(v, "IncludeLinkedAccounts").unwrap_or(false);
    let owner = text(v, "OwningAccount");
    if owner.is_some() && !linked {
        return Err(invalid("The parameter OwningAccount needs IncludeLinkedAccounts."));
    }
    let wanted = |m: &Metric| {
        owner.is_none_or(|o| o == w.account)
            && space.is_none_or(|s| s == m.namespace)
            && name.is_none_or(|n| n == m.name)
            && filters.iter().all(|(name, value)| m.dimensions.get(*name).is_some_and(|own| value.is_none_or(|v| v == own)))
    };
    let found = w.listed(w.now - span, &wanted);
    let (page, next) = paged(v, found, PAGE).map_err(|_| invalid("The parameter NextToken is not a token of this operation."))?;
    let owners = page.len();
    let rows = page.iter().map(|m| Members::new().set("Namespace", &m.namespace).set("MetricName", &m.name).list("Dimensions", dimensions(m)));
    let out = Members::new().list("Metrics", rows).opt("NextToken", next);
    Ok(if linked { out.list("OwningAccounts", (0..owners).map(|_| Answer::from(&w.account))) } else { out })
}
