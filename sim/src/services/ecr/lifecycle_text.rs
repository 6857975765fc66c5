//! The text of a lifecycle policy: read strictly, written as ECR keeps it (aws-reference 8).
//!
//! **Invariant:** a policy that is taken is honoured in every member; storage classes and transitions are refused.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::input::bad;
use crate::{
    wire::ApiError,
    world::images::expiry::{Count, Rule, Select},
};

const RULES_LIMIT: usize = 50;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyText {
    rules: Vec<RuleText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RuleText {
    rule_priority: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    selection: SelectionText,
    action: ActionText,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SelectionText {
    tag_status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag_prefix_list: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag_pattern_list: Option<Vec<String>>,
    count_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    count_unit: Option<String>,
    count_number: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionText {
    #[serde(rename = "type")]
    kind: String,
}

fn select(s: &SelectionText) -> Result<Select, String> {
    let tags = |list: &[String]| {
        if list.is_empty() || list.iter().any(|t| t.is_empty() || t.len() > 300) {
            return Err("a list of tags holds one or more tags of 1 to 300 characters".to_owned());
        }
        Ok(list.to_vec())
    };
    match (s.tag_status.as_str(), &s.tag_prefix_list, &s.tag_pattern_list) {
        ("untagged", None, None) => Ok(Select::Untagged),
        ("any", None, None) => Ok(Select::Any),
        ("tagged", Some(prefixes), None) => tags(prefixes).map(Select::Prefixes),
        ("tagged", None, Some(patterns)) => {
            if patterns.iter().any(|p| p.matches('*').count() > 4) {
                return Err("a tag pattern has at most four wildcards".into());
            }
            tags(patterns).map(Select::Patterns)
        }
        ("tagged", None, None) => Err("tagStatus tagged needs a tagPrefixList or a tagPatternList".into()),
        ("tagged", Some(_), Some(_)) => Err("tagPrefixList and tagPatternList exclude each other".into()),
        ("untagged" | "any", ..) => Err(format!("tagStatus {} takes no list of tags", s.tag_status)),
        (odd, ..) => Err(format!("tagStatus {odd:?} is none of tagged, untagged, any")),
    }
}

fn count(s: &SelectionText) -> Result<Count, String> {
    if s.count_number < 1 {
        return Err("countNumber must be greater than 0".into());
    }
    match (s.count_type.as_str(), s.count_unit.as_deref()) {
        ("sinceImagePushed", Some("days")) => Ok(Count::OlderThanDays(s.count_number)),
        ("sinceImagePushed", _) => Err("countType sinceImagePushed needs the countUnit days".into()),
        ("imageCountMoreThan", None) => Ok(Count::MoreThan(s.count_number)),
        ("imageCountMoreThan", Some(_)) => Err("countType imageCountMoreThan takes no countUnit".into()),
        (odd, _) => Err(format!("countType {odd:?} is none of sinceImagePushed, imageCountMoreThan")),
    }
}

fn rules(policy: &PolicyText) -> Result<Vec<Rule>, String> {
    if policy.rules.is_empty() || policy.rules.len() > RULES_LIMIT {
        return Err(format!("a policy has 1 to {RULES_LIMIT} rules"));
    }
    let (mut out, mut priorities, mut selections) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for rule in &policy.rules {
        if rule.rule_priority < 1 || !priorities.insert(rule.rule_priority) {
            return Err(format!("rulePriority {} is below 1 or stands twice", rule.rule_priority));
        }
        if rule.action.kind != "expire" {
            return Err(format!("action {:?} is not expire", rule.action.kind));
        }
        if rule.description.as_ref().is_some_and(|d| d.chars().count() > 256) {
            return Err("a description has at most 256 characters".into());
        }
        let select = select(&rule.selection)?;
        // At most one rule for untagged images, one for any, and one for the same tags.
        if !selections.insert(select.clone()) {
            return Err("two rules select the same images".into());
        }
        out.push(Rule { priority: rule.rule_priority, select, count: count(&rule.selection)? });
    }
    let last = out.iter().map(|r| r.priority).max().unwrap_or_default();
    if out.iter().any(|r| r.select == Select::Any && r.priority != last) {
        return Err("a rule with tagStatus any must have the highest rulePriority".into());
    }
    Ok(out)
}

/// Reads a policy: its text as ECR gives it back, and its rules.
pub(super) fn read(text: &str) -> Result<(String, Vec<Rule>), ApiError> {
    if !(100..=30_720).contains(&text.len()) {
        return Err(bad("LifecyclePolicyText", "Member must have length between 100 and 30720"));
    }
    let refuse = |why: String| bad("LifecyclePolicyText", format!("Lifecycle policy validation failure: {why}"));
    let policy: PolicyText = serde_json::from_str(text).map_err(|e| refuse(e.to_string()))?;
    let rules = rules(&policy).map_err(refuse)?;
    let kept = serde_json::to_string(&policy).map_err(|e| refuse(e.to_string()))?;
    Ok((kept, rules))
}
