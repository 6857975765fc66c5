//! Metric math: `+ - * / ^`, parentheses, lists, ids and the functions named in [`FUNCTIONS`].
//!
//! **Invariant:** an expression either has a type for every part or is refused, whatever the data; nesting is limited, so
//! that no text makes the reader run out of stack.

mod read;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use read::parse;

/// Functions there are here; others of CloudWatch's are refused.
pub(crate) const FUNCTIONS: [&str; 13] =
    ["ABS", "AVG", "CEIL", "FILL", "FLOOR", "MAX", "METRICS", "METRIC_COUNT", "MIN", "PERIOD", "RATE", "STDDEV", "SUM"];

/// A time series. Period in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    pub(crate) points: BTreeMap<i64, f64>,
    pub(crate) period: i64,
}

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(f64),
    Series(Line),
    Many(Vec<Line>),
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Number(f64),
    Id(String),
    Text(String),
    Negative(Box<Expr>),
    /// Operations from left to right; a list, so that a long sum is not a deep one.
    Chain(Box<Expr>, Vec<(char, Expr)>),
    List(Vec<Expr>),
    Call(String, Vec<Expr>),
}

impl Expr {
    /// Ids it refers to. FILL's own words are none.
    pub(crate) fn ids(&self) -> Vec<&str> {
        match self {
            Self::Number(_) | Self::Text(_) => Vec::new(),
            Self::Id(id) => vec![id],
            Self::Negative(of) => of.ids(),
            Self::Chain(first, rest) => first.ids().into_iter().chain(rest.iter().flat_map(|(_, e)| e.ids())).collect(),
            Self::List(rows) => rows.iter().flat_map(Self::ids).collect(),
            Self::Call(name, rows) => rows.iter().flat_map(Self::ids).filter(|id| name != "FILL" || !matches!(*id, "REPEAT" | "LINEAR")).collect(),
        }
    }
}

/// What ids mean, and over which span.
pub(crate) struct Scope<'a> {
    pub(crate) values: &'a BTreeMap<String, Value>,
    /// Ids that are metrics, not expressions.
    pub(crate) metrics: &'a BTreeSet<&'a str>,
    pub(crate) from: i64,
    pub(crate) to: i64,
}

impl Scope<'_> {
    pub(crate) fn value(&self, expr: &Expr) -> Result<Value, String> {
        match expr {
            Expr::Number(n) => Ok(Value::Scalar(*n)),
            Expr::Text(_) => Err("A text is not a value".into()),
            Expr::Id(id) => self.values.get(id).cloned().ok_or_else(|| format!("Undefined variable: {id}")),
            Expr::Negative(of) => Ok(each(self.value(of)?, |v| Some(-v))),
            Expr::Chain(first, rest) => rest.iter().try_fold(self.value(first)?, |left, (op, right)| binary(*op, left, self.value(right)?)),
            Expr::List(rows) => {
                let mut out = Vec::new();
                for row in rows {
                    match self.value(row)? {
                        Value::Series(line) => out.push(line),
                        Value::Many(lines) => out.extend(lines),
                        Value::Scalar(_) => return Err("A list holds time series only".into()),
                    }
                }
                Ok(Value::Many(out))
            }
            Expr::Call(name, rows) => self.call(name, rows),
        }
    }

    fn call(&self, name: &str, rows: &[Expr]) -> Result<Value, String> {
        let count = |n: usize| if rows.len() == n { Ok(()) } else { Err(format!("{name} takes {n} arguments")) };
        if name == "METRICS" {
            let part = match rows {
                [] => "",
                [Expr::Text(part)] => part,
                _ => return Err("METRICS takes a text or nothing".into()),
            };
            let lines = self.values.iter().filter(|(id, _)| self.metrics.contains(id.as_str()) && id.contains(part));
            return Ok(Value::Many(lines.filter_map(|(_, v)| if let Value::Series(line) = v { Some(line.clone()) } else { None }).collect()));
        }
        if name == "FILL" {
            count(2)?;
            return self.fill(self.value(&rows[0])?, &rows[1]);
        }
        count(1)?;
        let value = self.value(&rows[0])?;
        match (name, value) {
            ("ABS", value) => Ok(each(value, |v| Some(v.abs()))),
            ("CEIL", value) => Ok(each(value, |v| Some(v.ceil()))),
            ("FLOOR", value) => Ok(each(value, |v| Some(v.floor()))),
            ("METRIC_COUNT", Value::Many(lines)) => Ok(Value::Scalar(lines.len() as f64)),
            ("PERIOD", Value::Series(line)) => Ok(Value::Scalar(line.period as f64)),
            ("RATE", Value::Series(line)) => Ok(Value::Series(rate(&line))),
            ("RATE", Value::Many(lines)) => Ok(Value::Many(lines.iter().map(rate).collect())),
            ("SUM" | "AVG" | "MIN" | "MAX" | "STDDEV", Value::Series(line)) => {
                let all: Vec<f64> = line.points.values().copied().collect();
                Ok(Value::Scalar(together(name, &all).unwrap_or(0.0)))
            }
            ("SUM" | "AVG" | "MIN" | "MAX" | "STDDEV", Value::Many(lines)) => {
                let mut at: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
                for line in &lines {
                    line.points.iter().for_each(|(t, v)| at.entry(*t).or_default().push(*v));
                }
                let points = at.into_iter().filter_map(|(t, all)| Some((t, together(name, &all)?))).collect();
                Ok(Value::Series(Line { points, period: lines.iter().map(|l| l.period).max().unwrap_or(60) }))
            }
            (name, _) => Err(format!("{name} does not take this type")),
        }
    }

    fn fill(&self, value: Value, with: &Expr) -> Result<Value, String> {
        let how = match with {
            Expr::Id(word) if word == "REPEAT" || word == "LINEAR" => Err(word.as_str()),
            other => match self.value(other)? {
                Value::Scalar(n) => Ok(n),
                _ => return Err("FILL takes a number, REPEAT or LINEAR".into()),
            },
        };
        let one = |line: Line| {
            let step = line.period * 1000;
            let starts = (0..).map(|n| self.from + n * step).take_while(|at| *at < self.to);
            let points = starts.filter_map(|at| Some((at, line.points.get(&at).copied().or_else(|| filled(&line, at, how))?))).collect();
            Line { points, period: line.period }
        };
        match value {
            Value::Series(line) => Ok(Value::Series(one(line))),
            Value::Many(lines) => Ok(Value::Many(lines.into_iter().map(one).collect())),
            Value::Scalar(_) => Err("FILL takes a time series".into()),
        }
    }
}

fn filled(line: &Line, at: i64, how: Result<f64, &str>) -> Option<f64> {
    let before = line.points.range(..at).next_back();
    match how {
        Ok(n) => Some(n),
        Err("REPEAT") => before.map(|(_, v)| *v),
        Err(_) => {
            let ((t0, v0), (t1, v1)) = (before?, line.points.range(at..).next()?);
            Some(v0 + (v1 - v0) * (at - t0) as f64 / (t1 - t0) as f64)
        }
    }
}

fn rate(line: &Line) -> Line {
    let pairs = line.points.iter().zip(line.points.iter().skip(1));
    let points = pairs.map(|((t0, v0), (t1, v1))| (*t1, (v1 - v0) * 1000.0 / (t1 - t0) as f64)).collect();
    Line { points, period: line.period }
}

fn together(name: &str, all: &[f64]) -> Option<f64> {
    let sum: f64 = all.iter().sum();
    let average = sum / all.len() as f64;
    match name {
        _ if all.is_empty() => None,
        "SUM" => Some(sum),
        "AVG" => Some(average),
        "STDDEV" => Some((all.iter().map(|v| (v - average).powi(2)).sum::<f64>() / all.len() as f64).sqrt()),
        "MIN" => all.iter().copied().reduce(f64::min),
        _ => all.iter().copied().reduce(f64::max),
    }
}

/// The same for every datapoint; what is no number any more is no datapoint.
fn each(value: Value, f: impl Fn(f64) -> Option<f64>) -> Value {
    let line =
        |l: Line| Line { points: l.points.into_iter().filter_map(|(t, v)| Some((t, f(v).filter(|v| v.is_finite())?))).collect(), period: l.period };
    match value {
        Value::Scalar(n) => Value::Scalar(f(n).unwrap_or(0.0)),
        Value::Series(l) => Value::Series(line(l)),
        Value::Many(lines) => Value::Many(lines.into_iter().map(line).collect()),
    }
}

fn apply(op: char, a: f64, b: f64) -> Option<f64> {
    let value = match op {
        '+' => a + b,
        '-' => a - b,
        '*' => a * b,
        '/' => a / b,
        _ => a.powf(b),
    };
    Some(value).filter(|v| v.is_finite())
}

fn binary(op: char, a: Value, b: Value) -> Result<Value, String> {
    let both = |a: &Line, b: &Line| Line {
        points: a.points.iter().filter_map(|(t, v)| Some((*t, apply(op, *v, *b.points.get(t)?)?))).collect(),
        period: a.period.max(b.period),
    };
    Ok(match (a, b) {
        (Value::Scalar(a), Value::Scalar(b)) => Value::Scalar(apply(op, a, b).unwrap_or(0.0)),
        (a, Value::Scalar(b)) => each(a, |v| apply(op, v, b)),
        (Value::Scalar(a), b) => each(b, |v| apply(op, a, v)),
        (Value::Series(a), Value::Series(b)) => Value::Series(both(&a, &b)),
        (Value::Many(rows), Value::Series(b)) => Value::Many(rows.iter().map(|a| both(a, &b)).collect()),
        (Value::Series(a), Value::Many(rows)) => Value::Many(rows.iter().map(|b| both(&a, b)).collect()),
        (Value::Many(_), Value::Many(_)) => return Err(format!("'{op}' does not take two arrays")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        let line = |rows: &[(i64, f64)]| Value::Series(Line { points: rows.iter().copied().collect(), period: 60 });
        let values = BTreeMap::from([
            ("a".to_owned(), line(&[(0, 1.0), (60_000, 2.0), (180_000, 4.0)])),
            ("b".to_owned(), line(&[(0, 10.0), (180_000, 0.0)])),
        ]);
        let metrics = BTreeSet::from(["a", "b"]);
        Scope { values: &values, metrics: &metrics, from: 0, to: 240_000 }.value(&parse(text)?)
    }

    fn points(text: &str) -> Vec<f64> {
        match read(text) {
            Ok(Value::Series(line)) => line.points.into_values().collect(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn expressions_mean_what_the_guide_says() {
        assert_eq!(points("a + b"), [11.0, 4.0], "only where both have one");
        assert_eq!(points("2 * a - 1"), [1.0, 3.0, 7.0]);
        assert_eq!(points("-a ^ 2 / (1 + 1)"), [-0.5, -2.0, -8.0]);
        assert_eq!(points("a / b"), [0.1], "what cannot be divided is no datapoint");
        assert_eq!(points("FILL(a, 0)"), [1.0, 2.0, 0.0, 4.0]);
        assert_eq!(points("FILL(a, REPEAT)"), [1.0, 2.0, 2.0, 4.0]);
        assert_eq!(points("FILL(a, LINEAR)"), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(points("SUM([a, b])"), [11.0, 2.0, 4.0]);
        assert_eq!(points("AVG(METRICS())"), [5.5, 2.0, 2.0]);
        assert_eq!(points("b / MAX(b)"), [1.0, 0.0]);
        assert_eq!(read("METRIC_COUNT(METRICS(\"a\")) + PERIOD(a)"), Ok(Value::Scalar(61.0)));
        for bad in ["", "a +", "(a", "a b", "c", "SUM(a, b)", "NOISE(a)", "[1]", "METRICS() * METRICS()", "FILL(1, 0)", "a $ b", "1..2"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"(".repeat(2000)).is_err());
        assert!(read(&format!("{}1", "-".repeat(2000))).is_ok());
        assert!(read(&format!("{}a", "a+".repeat(1000))).is_ok());
    }
}
