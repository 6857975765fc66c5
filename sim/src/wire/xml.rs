//! Answer trees of the query services.
//!
//! **Invariant:** an absent member is not in the tree at all (an empty element would be read as an empty text and, for
//! a token, page for ever); text is escaped and free of characters XML cannot hold.

use std::borrow::Cow;

/// A value of an answer.
#[derive(Debug, Clone)]
pub(crate) enum Xml {
    Text(String),
    Map(Fields),
    /// Elements under this item name.
    List(Vec<Xml>, &'static str),
}

/// Members of a structure, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(Vec<(Cow<'static, str>, Xml)>);

impl Fields {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn set(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Xml>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }

    pub(crate) fn opt(self, name: impl Into<Cow<'static, str>>, value: Option<impl Into<Xml>>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self,
        }
    }

    /// A list of `<member>` elements, written even when empty.
    pub(crate) fn members<T: Into<Xml>>(self, name: &'static str, rows: impl IntoIterator<Item = T>) -> Self {
        self.set(name, Xml::List(rows.into_iter().map(Into::into).collect(), "member"))
    }

    /// A list whose elements have a name of their own (ElastiCache), written even when empty.
    pub(crate) fn named<T: Into<Xml>>(self, name: &'static str, item: &'static str, rows: impl IntoIterator<Item = T>) -> Self {
        self.set(name, Xml::List(rows.into_iter().map(Into::into).collect(), item))
    }

    /// A list of `<item>` elements (ec2).
    pub(crate) fn items<T: Into<Xml>>(self, name: impl Into<Cow<'static, str>>, rows: impl IntoIterator<Item = T>) -> Self {
        self.set(name, Xml::List(rows.into_iter().map(Into::into).collect(), "item"))
    }

    /// Sets every text of this name directly below elements called `around`, lists of them included.
    pub(crate) fn overwrite(&mut self, around: &str, name: &str, value: &str) {
        self.overwrite_in("", around, name, value);
    }

    fn overwrite_in(&mut self, here: &str, around: &str, name: &str, value: &str) {
        for (member, xml) in &mut self.0 {
            match xml {
                Xml::Text(text) if here == around && member == name => value.clone_into(text),
                Xml::Text(_) => {}
                Xml::Map(fields) => fields.overwrite_in(member, around, name, value),
                Xml::List(rows, _) => {
                    for row in rows {
                        if let Xml::Map(fields) = row {
                            fields.overwrite_in(member, around, name, value);
                        }
                    }
                }
            }
        }
    }

    /// The members, written one after the other.
    pub(crate) fn render(&self, out: &mut String) {
        for (name, value) in &self.0 {
            element(out, name, value);
        }
    }
}

fn element(out: &mut String, name: &str, value: &Xml) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    match value {
        Xml::Text(text) => escape(out, text),
        Xml::Map(fields) => fields.render(out),
        Xml::List(rows, item) => rows.iter().for_each(|row| element(out, item, row)),
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Appends text with the markup characters escaped and control characters dropped.
pub(crate) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => {}
            c => out.push(c),
        }
    }
}

impl From<Fields> for Xml {
    fn from(fields: Fields) -> Self {
        Self::Map(fields)
    }
}

macro_rules! text {
    ($($t:ty),*) => {$(impl From<$t> for Xml {
        fn from(value: $t) -> Self {
            Self::Text(value.to_string())
        }
    })*};
}
text!(&str, String, &String, i64, u64, i32, u32, usize, bool, f64);
