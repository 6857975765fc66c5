//! Answer trees of a service that speaks several protocols: one tree, written as JSON, CBOR or XML.
//!
//! **Invariant:** the tree knows what is a time, a whole number and a double, so that each protocol writes it in its own
//! way (aws-reference 1.1): an absent member is not in the tree.

use serde_json::{Map, Number, Value};

use super::xml::{Fields, Xml};
use crate::clock;

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Text(String),
    Int(i64),
    Double(f64),
    Flag(bool),
    /// Milliseconds.
    Time(i64),
    List(Vec<Answer>),
    Map(Members),
    /// A map whose keys are data.
    Entries(Vec<(String, Answer)>),
}

/// Members of a structure, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Members(pub(crate) Vec<(&'static str, Answer)>);

impl Members {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn set(mut self, name: &'static str, value: impl Into<Answer>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    pub(crate) fn opt(self, name: &'static str, value: Option<impl Into<Answer>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// A list, written even when empty.
    pub(crate) fn list<T: Into<Answer>>(self, name: &'static str, rows: impl IntoIterator<Item = T>) -> Self {
        self.set(name, Answer::List(rows.into_iter().map(Into::into).collect()))
    }

    pub(crate) fn time(self, name: &'static str, millis: i64) -> Self {
        self.set(name, Answer::Time(millis))
    }

    /// Sets every text of this name in the rows of lists called `around`.
    pub(crate) fn overwrite(&mut self, around: &str, name: &str, value: &str) {
        let rows =
            self.0.iter_mut().filter(|(member, _)| *member == around).filter_map(|(_, a)| if let Answer::List(rows) = a { Some(rows) } else { None });
        for row in rows.flatten() {
            if let Answer::Map(members) = row {
                members.0.iter_mut().filter(|(member, _)| *member == name).for_each(|(_, a)| *a = value.into());
            }
        }
    }

    /// As JSON, times in epoch seconds.
    pub(crate) fn json(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, value)| ((*name).to_owned(), value.json())).collect::<Map<_, _>>())
    }

    /// As the elements of a query answer.
    pub(crate) fn xml(&self) -> Fields {
        self.0.iter().fold(Fields::new(), |out, (name, value)| out.set(*name, value.xml()))
    }
}

/// Epoch seconds of milliseconds, as a whole number where it is one.
pub(crate) fn seconds(millis: i64) -> Number {
    if millis % 1000 == 0 {
        return Number::from(millis / 1000);
    }
    Number::from_f64(millis as f64 / 1000.0).unwrap_or_else(|| Number::from(millis / 1000))
}

impl Answer {
    fn json(&self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.clone()),
            Self::Int(n) => Value::from(*n),
            Self::Double(n) => Value::from(*n),
            Self::Flag(flag) => Value::Bool(*flag),
            Self::Time(millis) => Value::Number(seconds(*millis)),
            Self::List(rows) => Value::Array(rows.iter().map(Self::json).collect()),
            Self::Map(members) => members.json(),
            Self::Entries(rows) => Value::Object(rows.iter().map(|(k, v)| (k.clone(), v.json())).collect::<Map<_, _>>()),
        }
    }

    fn xml(&self) -> Xml {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Int(n) => (*n).into(),
            Self::Double(n) => (*n).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Time(millis) => clock::iso(*millis).into(),
            Self::List(rows) => Xml::List(rows.iter().map(Self::xml).collect(), "member"),
            Self::Map(members) => members.xml().into(),
            Self::Entries(rows) => {
                Xml::List(rows.iter().map(|(k, v)| Fields::new().set("key", k.as_str()).set("value", v.xml()).into()).collect(), "entry")
            }
        }
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Answer {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Answer {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}

impl From<f64> for Answer {
    fn from(n: f64) -> Self {
        Self::Double(n)
    }
}

impl From<bool> for Answer {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Members> for Answer {
    fn from(members: Members) -> Self {
        Self::Map(members)
    }
}
