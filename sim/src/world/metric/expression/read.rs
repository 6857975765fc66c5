//! Reading metric math.
//!
//! **Invariant:** what stands open is limited, and a chain of operations is a list: no text makes a deep expression.

use super::{Expr, FUNCTIONS};

/// Parentheses, brackets and calls that may stand open.
const DEEPEST: usize = 40;

/// Reads an expression.
pub(crate) fn parse(text: &str) -> Result<Expr, String> {
    let mut reader = Reader { rest: text, depth: 0 };
    let expr = reader.sum()?;
    match reader.peek() {
        None => Ok(expr),
        Some(c) => Err(format!("Unexpected character '{c}'")),
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        self.rest.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest = &self.rest[wanted.len_utf8()..];
        }
        found
    }

    fn need(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(format!("Expected '{wanted}'")) }
    }

    fn word(&mut self, fits: impl Fn(char) -> bool) -> String {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn sum(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("The expression is nested too deep".into());
        }
        let first = self.product()?;
        let mut rest = Vec::new();
        while let Some(op @ ('+' | '-')) = self.peek() {
            self.take(op);
            rest.push((op, self.product()?));
        }
        self.depth -= 1;
        Ok(chain(first, rest))
    }

    fn product(&mut self) -> Result<Expr, String> {
        let first = self.power()?;
        let mut rest = Vec::new();
        while let Some(op @ ('*' | '/')) = self.peek() {
            self.take(op);
            rest.push((op, self.power()?));
        }
        Ok(chain(first, rest))
    }

    fn power(&mut self) -> Result<Expr, String> {
        let mut negative = false;
        while self.take('-') {
            negative = !negative;
        }
        let first = self.atom()?;
        let mut rest = Vec::new();
        while self.take('^') {
            rest.push(('^', self.atom()?));
        }
        let base = chain(first, rest);
        Ok(if negative { Expr::Negative(Box::new(base)) } else { base })
    }

    fn atom(&mut self) -> Result<Expr, String> {
        match self.peek() {
            None => Err("Unexpected end of the expression".into()),
            Some('(') => {
                self.take('(');
                let inner = self.sum()?;
                self.need(')')?;
                Ok(inner)
            }
            Some('[') => {
                self.take('[');
                self.rows(']').map(Expr::List)
            }
            Some(quote @ ('"' | '\'')) => {
                self.take(quote);
                let text = self.word(|c| c != quote);
                self.need(quote)?;
                Ok(Expr::Text(text))
            }
            Some(c) if c.is_ascii_digit() || c == '.' => {
                let digits = self.word(|c| c.is_ascii_digit() || c == '.');
                digits.parse().map(Expr::Number).map_err(|_| format!("{digits} is not a number"))
            }
            Some(c) if c.is_ascii_alphabetic() => {
                let name = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
                if self.take('(') {
                    if !FUNCTIONS.contains(&name.as_str()) {
                        return Err(format!("Unsupported function: {name}"));
                    }
                    return Ok(Expr::Call(name, self.rows(')')?));
                }
                Ok(Expr::Id(name))
            }
            Some(c) => Err(format!("Unexpected character '{c}'")),
        }
    }

    fn rows(&mut self, end: char) -> Result<Vec<Expr>, String> {
        let mut rows = Vec::new();
        if self.take(end) {
            return Ok(rows);
        }
        loop {
            rows.push(self.sum()?);
            if self.take(end) {
                return Ok(rows);
            }
            self.need(',')?;
        }
    }
}

fn chain(first: Expr, rest: Vec<(char, Expr)>) -> Expr {
    if rest.is_empty() { first } else { Expr::Chain(Box::new(first), rest) }
}
