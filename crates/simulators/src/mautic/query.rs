//! The `where` conditions of lists, and how a database compares.

use std::cmp::Ordering;

use serde_json::Value;

use super::php;

/// Something with columns.
pub(crate) trait Row {
    /// The value of a column; None where there is no such column.
    fn column(&self, name: &str) -> Option<Value>;
}

/// One condition, or several in one.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Compare { column: String, expr: String, value: Value },
}

/// Encodes the values of conditions as 5.1 does before it compares: an apostrophe is then found by `in` only, which is spared
/// (recordings `213` and `214`).
pub(crate) fn encoded(conditions: Vec<Condition>) -> Vec<Condition> {
    conditions.into_iter().map(encoded_one).collect()
}

fn encoded_one(condition: Condition) -> Condition {
    match condition {
        Condition::All(inner) => Condition::All(encoded(inner)),
        Condition::Any(inner) => Condition::Any(encoded(inner)),
        Condition::Compare { column, expr, value: Value::String(text) } if !matches!(expr.as_str(), "in" | "notIn") => {
            Condition::Compare { column, expr, value: Value::String(php::entities(&text)) }
        }
        spared @ Condition::Compare { .. } => spared,
    }
}

/// Reads `where[0][col]=…&where[0][expr]=…&where[0][val]=…`, nested to any depth by `orX` and `andX`.
pub(crate) fn conditions(given: Option<&Value>) -> Vec<Condition> {
    let items: Vec<&Value> = match given {
        Some(Value::Object(map)) => map.values().collect(),
        Some(Value::Array(items)) => items.iter().collect(),
        _ => Vec::new(),
    };
    items.into_iter().filter_map(condition).collect()
}

fn condition(given: &Value) -> Option<Condition> {
    let expr = php::text(given.get("expr")?);
    let value = given.get("val").or_else(|| given.get("value"));
    Some(match expr.to_lowercase().as_str() {
        "orx" => Condition::Any(conditions(value)),
        "andx" => Condition::All(conditions(value)),
        _ => {
            let column = given.get("col").or_else(|| given.get("column"))?;
            Condition::Compare { column: php::text(column), expr, value: value.cloned().unwrap_or_default() }
        }
    })
}

/// Whether all conditions hold for a row. Fails for a column that does not exist.
pub(crate) fn all_hold(row: &impl Row, conditions: &[Condition]) -> Result<bool, ()> {
    let mut all = true;
    // All are looked at, for the sake of unknown columns.
    for condition in conditions {
        all &= holds(row, condition)?;
    }
    Ok(all)
}

fn holds(row: &impl Row, condition: &Condition) -> Result<bool, ()> {
    match condition {
        Condition::All(inner) => all_hold(row, inner),
        Condition::Any(inner) => {
            let mut any = inner.is_empty();
            for condition in inner {
                any |= holds(row, condition)?;
            }
            Ok(any)
        }
        Condition::Compare { column, expr, value } => compare(&row.column(column).ok_or(())?, expr, value),
    }
}

fn compare(column: &Value, expr: &str, value: &Value) -> Result<bool, ()> {
    if column.is_null() {
        return Ok(expr == "isNull");
    }
    let order = || compare_values(column, value);
    Ok(match expr {
        "eq" => order().is_eq(),
        "neq" => order().is_ne(),
        "gt" => order().is_gt(),
        "gte" => order().is_ge(),
        "lt" => order().is_lt(),
        "lte" => order().is_le(),
        "in" => choices(value).iter().any(|choice| compare_values(column, choice).is_eq()),
        "notIn" => choices(value).iter().all(|choice| compare_values(column, choice).is_ne()),
        "like" => like(&php::text(column), &php::text(value)),
        "notLike" => !like(&php::text(column), &php::text(value)),
        "isNull" => false,
        "isNotNull" => true,
        _ => return Err(()),
    })
}

fn choices(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::Object(map) => map.values().cloned().collect(),
        other => php::text(other).split(',').map(|choice| Value::from(choice.trim())).collect(),
    }
}

/// As MySQL orders: null first, numbers by value, text without regard to case.
pub(crate) fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Number(_), _) | (_, Value::Number(_)) => {
            let number = |value| php::numeric(value).unwrap_or(0.0);
            number(a).total_cmp(&number(b))
        }
        _ => comparable(a).cmp(&comparable(b)),
    }
}

/// A point in time may come with a `T` and an offset; the database has neither.
fn comparable(value: &Value) -> String {
    let text = php::text(value).to_lowercase();
    let looks_like_time = text.len() >= 19 && text.as_bytes()[10] == b't' && text.as_bytes()[4] == b'-';
    if !looks_like_time || !text.is_ascii() {
        return text;
    }
    format!("{} {}", &text[..10], &text[11..19])
}

/// `LIKE`: `%` for anything, `_` for one character, without regard to case.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    like_chars(&text, &pattern)
}

fn like_chars(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|skipped| like_chars(&text[skipped..], rest)),
        Some((wanted, rest)) => match text.split_first() {
            Some((found, text)) => (*wanted == '_' || wanted == found) && like_chars(text, rest),
            None => false,
        },
    }
}

/// `dateModified` as `date_modified`, the way `orderBy` takes both.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_matches_without_regard_to_case() {
        assert!(like("John@Example.com", "%@example.%"));
        assert!(like("abc", "a_c"));
        assert!(!like("abc", "a"));
    }

    #[test]
    fn times_compare_whether_written_for_the_database_or_for_the_api() {
        let stored = json!("2026-11-20 21:26:10");
        assert!(compare_values(&stored, &json!("2026-11-20T21:26:10+00:00")).is_eq());
        assert!(compare_values(&stored, &json!("2026-11-20 00:00:00")).is_gt());
        assert!(compare_values(&Value::Null, &stored).is_lt());
    }

    #[test]
    fn numbers_compare_by_value_even_as_text() {
        assert!(compare_values(&json!(9), &json!("10")).is_lt());
    }
}
