//! A policy document, read from JSON and checked whole.
//!
//! **Invariant:** what a read document holds can be judged; a member, an operator or a form that is not known is refused
//! with its name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Ask, condition::Condition, pattern::Pattern};

/// A policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Document {
    /// Version 2012-10-17: `${key}` is a variable.
    pub(super) variables: bool,
    pub(super) statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) allow: bool,
    pub(super) principals: Option<Principals>,
    actions: Choice,
    /// A trust policy has none.
    resources: Option<Choice>,
    conditions: Vec<Condition>,
}

/// `Action` or `NotAction`, `Resource` or `NotResource`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Choice {
    not: bool,
    patterns: Vec<String>,
}

/// Whom a trust policy names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Principals {
    /// Account ids, ARNs or `*`.
    pub(crate) aws: Vec<String>,
    /// Services, e.g. `ec2.amazonaws.com`.
    pub(crate) services: Vec<String>,
}

impl Document {
    /// Reads a policy of a user or role.
    pub(crate) fn identity(value: &Value) -> Result<Self, String> {
        Self::read(value, false)
    }

    /// Reads the trust policy of a role.
    pub(crate) fn trust(value: &Value) -> Result<Self, String> {
        Self::read(value, true)
    }

    /// Every condition key it uses.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(Statement::keys)
    }

    fn read(value: &Value, trust: bool) -> Result<Self, String> {
        let map = value.as_object().ok_or("it is not an object")?;
        if let Some(odd) = map.keys().find(|k| !matches!(k.as_str(), "Version" | "Id" | "Statement")) {
            return Err(format!("{odd} is not a member of a policy"));
        }
        let variables = match map.get("Version").map(|v| v.as_str()) {
            Some(Some("2012-10-17")) => true,
            None | Some(Some("2008-10-17")) => false,
            Some(_) => return Err("Version: neither 2012-10-17 nor 2008-10-17".into()),
        };
        let rows = match map.get("Statement") {
            Some(Value::Array(rows)) if !rows.is_empty() => rows.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Err("Statement: there is none".into()),
        };
        let mut statements: Vec<Statement> = Vec::new();
        for row in rows {
            let statement = Statement::read(row, trust)?;
            if statement.sid.is_some() && statements.iter().any(|s| s.sid == statement.sid) {
                return Err("Statement IDs (SID) in a single policy must be unique.".into());
            }
            statements.push(statement);
        }
        Ok(Self { variables, statements })
    }
}

impl Statement {
    fn read(value: &Value, trust: bool) -> Result<Self, String> {
        const KNOWN: &[&str] = &["Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"];
        let map = value.as_object().ok_or("Statement: it is not an object")?;
        if let Some(odd) = map.keys().find(|k| !KNOWN.contains(&k.as_str())) {
            return Err(format!("{odd} is not a member of a statement"));
        }
        let sid = match map.get("Sid") {
            None => None,
            Some(Value::String(text)) if text.chars().all(|c| c.is_ascii_alphanumeric()) => Some(text.clone()).filter(|t| !t.is_empty()),
            Some(_) => return Err("Statement IDs (SID) must be alpha-numeric.".into()),
        };
        let allow = match map.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err("Effect: neither Allow nor Deny".into()),
        };
        let actions = choice(map, "Action", "NotAction")?.ok_or("Action: it is needed")?;
        if let Some(odd) = actions.patterns.iter().find(|a| *a != "*" && !a.split_once(':').is_some_and(|(s, o)| vendor(s) && !o.is_empty())) {
            return Err(format!("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc. ({odd})"));
        }
        let resources = choice(map, "Resource", "NotResource")?;
        let principals = map.get("Principal").map(principals).transpose()?;
        match (trust, &resources, &principals) {
            (true, None, Some(_)) | (false, Some(_), None) => {}
            (true, Some(_), _) => return Err("Has prohibited field Resource".into()),
            (true, None, None) => return Err("Principal: it is needed".into()),
            (false, None, _) => return Err("Policy statement must contain resources.".into()),
            (false, _, Some(_)) => return Err("Policy document should not specify a principal.".into()),
        }
        if let Some(odd) = resources.iter().flat_map(|r| &r.patterns).find(|r| *r != "*" && !(r.starts_with("arn:") && r.splitn(6, ':').count() == 6))
        {
            return Err(format!("Resource {odd} must be in ARN format or \"*\"."));
        }
        let mut conditions = Vec::new();
        for (operator, keys) in members(map.get("Condition"), "Condition")? {
            for (key, values) in members(Some(keys), "Condition")? {
                conditions.push(Condition::new(operator, key, texts(values, "Condition")?)?);
            }
        }
        Ok(Self { sid, allow, principals, actions, resources, conditions })
    }

    /// Whether the statement speaks of this question.
    pub(super) fn applies(&self, variables: bool, ask: &Ask) -> bool {
        self.names(variables, ask) && self.conditions.iter().all(|c| c.holds(variables, &ask.context))
    }

    /// The same, its conditions aside.
    pub(super) fn names(&self, variables: bool, ask: &Ask) -> bool {
        let action = ask.action.to_lowercase();
        let by_action = self.actions.picks(|p| Pattern::new(&p.to_lowercase(), false, &ask.context).is_some_and(|p| p.matches(&action)));
        let by_resource = |p: &str| Pattern::new(p, variables, &ask.context).is_some_and(|p| p.matches_arn(&ask.resource));
        by_action && self.resources.as_ref().is_none_or(|r| r.picks(by_resource))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.conditions.iter().map(|c| c.key.as_str())
    }
}

impl Choice {
    fn picks(&self, matches: impl Fn(&str) -> bool) -> bool {
        self.patterns.iter().any(|p| matches(p)) != self.not
    }
}

fn vendor(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// Exactly one of two members, if any.
fn choice(map: &Map<String, Value>, name: &str, not: &str) -> Result<Option<Choice>, String> {
    match (map.get(name), map.get(not)) {
        (Some(_), Some(_)) => Err(format!("{name} and {not} exclude each other")),
        (Some(value), None) => Ok(Some(Choice { not: false, patterns: texts(value, name)? })),
        (None, Some(value)) => Ok(Some(Choice { not: true, patterns: texts(value, not)? })),
        (None, None) => Ok(None),
    }
}

/// A text or a list of texts; numbers and flags are taken as they are written.
fn texts(value: &Value, name: &str) -> Result<Vec<String>, String> {
    let rows = match value {
        Value::Array(rows) => rows.as_slice(),
        one => std::slice::from_ref(one),
    };
    let text = |row: &Value| match row {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(row.to_string()),
        _ => Err(format!("{name}: {row} is no text")),
    };
    let rows = rows.iter().map(text).collect::<Result<Vec<_>, _>>()?;
    if rows.is_empty() { Err(format!("{name}: it is empty")) } else { Ok(rows) }
}

fn members<'a>(value: Option<&'a Value>, name: &str) -> Result<Vec<(&'a String, &'a Value)>, String> {
    match value {
        None => Ok(Vec::new()),
        Some(Value::Object(map)) => Ok(map.iter().collect()),
        Some(_) => Err(format!("{name}: it is not an object")),
    }
}

fn principals(value: &Value) -> Result<Principals, String> {
    if value == "*" {
        return Ok(Principals { aws: vec!["*".into()], services: Vec::new() });
    }
    let mut out = Principals::default();
    for (kind, names) in members(Some(value), "Principal")? {
        match kind.as_str() {
            "AWS" => out.aws = texts(names, "Principal")?,
            "Service" => out.services = texts(names, "Principal")?,
            // Nobody signs in here by a web identity: such a statement trusts no caller of this world.
            "Federated" => drop(texts(names, "Principal")?),
            odd => return Err(format!("Principal: {odd} is not known")),
        }
    }
    Ok(out)
}
