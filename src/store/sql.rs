//! SQL that is put together at run time: `$1`, `$2`, … on both engines, where sqlx's own builder writes `?` for `Any`.

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Any, AnyPool, Arguments, Encode, FromRow, Type};

use super::Result;

/// A statement and its values.
pub(super) struct Sql {
    text: String,
    values: AnyArguments,
    count: usize,
}

impl Sql {
    /// Begins with this text.
    pub(super) fn new(text: &'static str) -> Self {
        Self { text: text.to_owned(), values: AnyArguments::default(), count: 0 }
    }

    /// Appends text of ours.
    pub(super) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a placeholder and its value. A value that can not be encoded fails the statement.
    pub(super) fn push_bind<T: Encode<'static, Any> + Type<Any> + Send + 'static>(&mut self, value: T) -> &mut Self {
        self.count += 1;
        // Text and numbers are always encoded; were one not, the statement would have fewer values than placeholders and fail.
        if self.values.add(value).is_ok() {
            self.text.push_str(&format!("${}", self.count));
        } else {
            self.text.push_str("(a value that can not be encoded)");
        }
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// Of the database.
    pub(super) async fn fetch_all<R: for<'r> FromRow<'r, AnyRow> + Send + Unpin>(self, pool: &AnyPool) -> Result<Vec<R>> {
        Ok(sqlx::query_as_with(sqlx::AssertSqlSafe(self.text), self.values).fetch_all(pool).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::Sql;

    #[test]
    fn placeholders_are_numbered() {
        let mut q = Sql::new("select 1 where a = ");
        q.push_bind(1_i64).push(" and b = ").push_bind("x".to_owned());
        assert_eq!(q.text, "select 1 where a = $1 and b = $2");
    }
}
