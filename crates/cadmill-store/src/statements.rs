//! Several statements sent to a database as one.

use sea_orm::{DbBackend, Statement, Value};

/// Texts of statements whose parameters are numbered through, and the values of all of them.
#[derive(Debug, Default)]
pub(crate) struct Numbered {
    pub(crate) texts: Vec<String>,
    pub(crate) values: Vec<Value>,
}

impl Numbered {
    /// Numbers the parameters of these statements, `$1` and so on, through all of them.
    pub(crate) fn new(statements: Vec<Statement>) -> Self {
        let mut numbered = Self::default();
        for statement in statements {
            let before = numbered.values.len();
            let mut parts = statement.sql.split('$');
            let mut text = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let end = part.find(|letter: char| !letter.is_ascii_digit());
                let (number, rest) = part.split_at(end.unwrap_or(part.len()));
                let number = number.parse().unwrap_or(0) + before;
                text.extend(["$", &number.to_string(), rest]);
            }
            numbered.texts.push(text);
            numbered
                .values
                .extend(statement.values.into_iter().flatten());
        }
        numbered
    }
}

/// One statement of PostgreSQL that does what all of these do, in one round trip. They do not see
/// what the others write, so no two of them may write the same row. It returns what the last one
/// returns.
pub(crate) fn as_one(mut statements: Vec<Statement>) -> Option<Statement> {
    if statements.len() < 2 {
        return statements.pop();
    }
    let Numbered { mut texts, values } = Numbered::new(statements);
    let last = texts.pop()?;
    let parts = texts.iter().enumerate();
    let parts: Vec<_> = parts
        .map(|(number, text)| format!("part_{number} AS ({text})"))
        .collect();
    let sql = format!("WITH {} {last}", parts.join(", "));
    Some(Statement::from_sql_and_values(
        DbBackend::Postgres,
        sql,
        values,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_through() {
        let statement = |sql: &str, values: Vec<Value>| {
            Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
        };
        let first = statement(
            "UPDATE a SET x = $2 WHERE id = $1",
            vec![1.into(), 2.into()],
        );
        let second = statement("INSERT INTO b VALUES ($1), ($1)", vec![3.into()]);
        let one = as_one(vec![first.clone(), second]).unwrap();
        assert_eq!(
            one.sql,
            "WITH part_0 AS (UPDATE a SET x = $2 WHERE id = $1) INSERT INTO b VALUES ($3), ($3)"
        );
        assert_eq!(one.values.unwrap().0, [1.into(), 2.into(), 3.into()]);
        assert_eq!(as_one(vec![first.clone()]), Some(first));
        assert_eq!(as_one(Vec::new()), None);
    }
}
