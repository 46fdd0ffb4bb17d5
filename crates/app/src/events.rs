//! From an event's JSON to a lifecycle event: the same checks for calls and for files.

pub mod calls;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tandem_core::automation::derive::{self, amount};
use tandem_core::automation::event::{EventName, EventUser, LONGEST_ID, LifecycleEvent, Moment};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::automation::subject::Past;
use tandem_core::domain::issue::{FieldIssue, IssueCode};
use tandem_core::domain::record::Fields;
use tandem_core::mapping::RuleSet;
use tandem_core::sync::change::{Subject, Visitor};

use crate::http::contact::read_change;
use crate::http::input::Input;

/// The most that an event's properties hold, in bytes of JSON.
const LARGEST_PROPERTIES: usize = 16 * 1024;
/// The most that is said of its user, in bytes of JSON.
const LARGEST_USER: usize = 64 * 1024;

/// How the ids of events begin that payment providers tell of.
const PROVIDERS_IDS: [&str; 2] = ["stripe:", "lemonsqueezy:"];

/// What an event is checked by.
pub struct EventRules<'a> {
    /// What follows from events.
    pub lifecycle: &'a RuleBook,
    /// The field rules.
    pub fields: &'a RuleSet,
    /// When it came.
    pub now: Timestamp,
    /// The key that its sender signs visitors' numbers with.
    pub api_key: &'a str,
}

/// An event that can be taken, and what of it can not.
pub struct ReadEvent {
    /// The event.
    pub event: LifecycleEvent,
    /// Values that were left out.
    pub issues: Vec<FieldIssue>,
}

/// The events of a document: one, a list, or an object with a list.
///
/// # Errors
/// An issue when there is no list where one should be, or it is empty.
pub fn listed(document: Value) -> Result<Vec<Value>, FieldIssue> {
    let items = match document {
        Value::Array(items) => items,
        Value::Object(mut object) => match object.remove("events") {
            Some(Value::Array(items)) => items,
            None => match object.remove("batch") {
                Some(Value::Array(items)) => calls::of_batch(items, &object),
                Some(_) => return Err(FieldIssue::new("batch", IssueCode::WrongType, "The value must be a list.")),
                None => vec![Value::Object(object)],
            },
            Some(_) => return Err(FieldIssue::new("events", IssueCode::WrongType, "The value must be a list.")),
        },
        other => vec![other],
    };
    if items.is_empty() {
        return Err(FieldIssue::new("events", IssueCode::Missing, "Give at least one event."));
    }
    Ok(items.into_iter().map(calls::as_event).collect())
}

/// Reads one event of several; its issues name it by its place: `events[3].user.email`.
///
/// # Errors
/// As [`read_event`], and when it is no object.
pub fn read_item(index: usize, item: &Value, rules: &EventRules<'_>) -> Result<ReadEvent, Vec<FieldIssue>> {
    let place = |issue: FieldIssue| FieldIssue { field: format!("events[{index}].{}", issue.field), ..issue };
    let Some(object) = item.as_object() else {
        let issue = FieldIssue::new(format!("events[{index}]"), IssueCode::WrongType, "An event must be an object.");
        return Err(vec![issue]);
    };
    match read_event(object, rules) {
        Ok(ReadEvent { event, issues }) => Ok(ReadEvent { event, issues: issues.into_iter().map(place).collect() }),
        Err(issues) => Err(issues.into_iter().map(place).collect()),
    }
}

/// Reads an event.
///
/// # Errors
/// The issues, when it says too little, or what the rules need is missing or wrong.
pub fn read_event(object: &Map<String, Value>, rules: &EventRules<'_>) -> Result<ReadEvent, Vec<FieldIssue>> {
    let input = Input::root(object);
    let mut faults = Vec::new();
    let name = name(input).map_err(|issue| faults.push(issue)).ok();
    let id = id(input).map_err(|issue| faults.push(issue)).ok().flatten();
    let at = time(input, rules.now).map_err(|issue| faults.push(issue)).unwrap_or(rules.now);
    let properties = properties(input).map_err(|issue| faults.push(issue)).unwrap_or_default();
    let user = user(input, rules, at).map_err(|issues| faults.extend(issues)).ok();
    let (Some(name), Some((user, issues))) = (name, user) else { return Err(faults) };
    let id = id.unwrap_or_else(|| LifecycleEvent::derived_id(&name, &user, at, &properties));
    let event = LifecycleEvent { by: Moment { at, rank: 0, id }, name, user, properties };
    faults.extend(unfit(&event, rules.lifecycle));
    if faults.is_empty() { Ok(ReadEvent { event, issues }) } else { Err(faults) }
}

fn name(input: Input<'_>) -> Result<EventName, FieldIssue> {
    let (field, text) = match (input.text("name")?, input.text("event")?) {
        (Some(text), _) => ("name", text),
        (None, Some(text)) => ("event", text),
        (None, None) => return Err(input.issue("name", IssueCode::Missing, "Name the event: user_signup, for one.")),
    };
    let unsound = |error| input.issue(field, IssueCode::Invalid, format!("The value {error}."));
    EventName::try_from(text.to_owned()).map_err(unsound)
}

fn id(input: Input<'_>) -> Result<Option<String>, FieldIssue> {
    let Some(id) = input.text("id")?.map(str::trim).filter(|id| !id.is_empty()) else { return Ok(None) };
    if id.len() > LONGEST_ID || id.chars().any(char::is_control) {
        let message = format!("The value takes 1 to {LONGEST_ID} bytes without control characters.");
        return Err(input.issue("id", IssueCode::Invalid, message));
    }
    if PROVIDERS_IDS.iter().any(|prefix| id.starts_with(prefix)) {
        // Or the provider's own event would pass for a repeat.
        return Err(input.issue("id", IssueCode::Invalid, "Ids that begin so are those of payment providers' events."));
    }
    Ok(Some(id.to_owned()))
}

/// A moment in the future is a clock that is wrong: it must not win over all that happens until then.
fn time(input: Input<'_>, now: Timestamp) -> Result<Timestamp, FieldIssue> {
    let (field, text) = match input.text("time")? {
        Some(text) => ("time", Some(text)),
        None => ("timestamp", input.text("timestamp")?),
    };
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(now) };
    match text.parse::<Timestamp>() {
        Ok(at) => Ok(at.min(now)),
        Err(_) => Err(input.issue(field, IssueCode::Invalid, "The value must be a moment in RFC 3339.")),
    }
}

fn properties(input: Input<'_>) -> Result<Fields, FieldIssue> {
    let Some(properties) = input.object("properties", "properties")? else { return Ok(Fields::new()) };
    let properties: Fields = properties.entries().map(|(name, value)| (name.clone(), value.clone())).collect();
    if is_larger(&properties, LARGEST_PROPERTIES) {
        let message = format!("Properties take at most {LARGEST_PROPERTIES} bytes of JSON.");
        return Err(input.issue("properties", IssueCode::TooLong, message));
    }
    Ok(properties)
}

fn is_larger(value: &impl serde::Serialize, bytes: usize) -> bool {
    serde_json::to_vec(value).is_ok_and(|json| json.len() > bytes)
}

/// What is said about being mailed was said when the event happened.
fn user(
    input: Input<'_>,
    rules: &EventRules<'_>,
    at: Timestamp,
) -> Result<(EventUser, Vec<FieldIssue>), Vec<FieldIssue>> {
    let user = input.object("user", "user").map_err(|issue| vec![issue])?;
    let missing = || vec![input.issue("user", IssueCode::Missing, "Say whom it is about: id, email, or both.")];
    let user = user.ok_or_else(missing)?;
    let change = read_change(user, rules.fields, at)?;
    let mut issues = change.issues;
    let visitor = visitor(user, rules.api_key, &mut issues);
    let Subject::Person { external_id, email } = change.subject else { return Err(missing()) };
    let user_of = EventUser {
        external_id,
        email,
        fields: change.fields,
        consent: change.consent,
        visitor,
        ..EventUser::default()
    };
    if is_larger(&user_of, LARGEST_USER) {
        let message = format!("What is said of a user takes at most {LARGEST_USER} bytes of JSON.");
        return Err(vec![input.issue("user", IssueCode::TooLong, message)]);
    }
    Ok((user_of, issues))
}

/// A broken cookie must not keep an event out.
fn visitor(user: Input<'_>, api_key: &str, issues: &mut Vec<FieldIssue>) -> Option<Visitor> {
    match user.remote_id("mtc_id") {
        Ok(id) => {
            let id = id?;
            let signature = user.text("mtc_signature").ok().flatten();
            let trusted = signature.is_some_and(|signature| crate::http::visitor::is_signed(&id, signature, api_key));
            Some(Visitor { id, trusted })
        }
        Err(issue) => {
            issues.push(issue);
            None
        }
    }
}

/// What the rules need of the event, and it lacks.
fn unfit(event: &LifecycleEvent, book: &RuleBook) -> Vec<FieldIssue> {
    let past = Past { by: event.by.clone(), name: event.name.clone(), facts: book.facts(&event.properties) };
    let tier = derive::check(book, &past).err().map(|failure| {
        let (field, message) = failure.message.split_once(": ").unwrap_or(("properties", failure.message.as_str()));
        FieldIssue::new(field, IssueCode::NotInList, message)
    });
    let is_number = |name: &&str| event.properties.get(*name).and_then(amount).is_some();
    let numbers = book.needed_numbers(event.name.as_str()).filter(|name| !is_number(name));
    let numbers = numbers.map(|name| {
        FieldIssue::new(
            format!("properties.{name}"),
            IssueCode::Invalid,
            "The event needs a number here, of 1,000,000,000 at most.",
        )
    });
    tier.into_iter().chain(numbers).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tandem_core::automation::rulebook::DEFAULT_RULES;

    use super::*;

    fn read(value: Value) -> Result<ReadEvent, Vec<String>> {
        let fields = RuleSet::parse(tandem_connectors::mautic::FIELDS).unwrap();
        let lifecycle = RuleBook::parse(DEFAULT_RULES, &fields, |_| None).unwrap();
        let now = "2026-11-21T10:00:00Z".parse().unwrap();
        let rules = EventRules { lifecycle: &lifecycle, fields: &fields, now, api_key: "tdm_key" };
        let told = |issues: Vec<FieldIssue>| issues.into_iter().map(|issue| issue.field).collect();
        read_event(value.as_object().unwrap(), &rules).map_err(told)
    }

    #[test]
    fn an_event_needs_a_name_and_a_user() {
        assert_eq!(read(json!({})).err().unwrap(), ["name", "user"]);
        assert_eq!(read(json!({"name": "User Signup", "user": {}})).err().unwrap(), ["name", "user.email"]);
        assert_eq!(read(json!({"name": "user_login", "user": {"email": "nobody"}})).err().unwrap(), ["user.email"]);
        assert!(read(json!({"event": "user_login", "user": {"id": 7}})).is_ok());
    }

    #[test]
    fn a_bad_value_of_the_user_holds_nothing_else_back() {
        let read = read(json!({
            "name": "user_signup", "timestamp": "2027-01-01T00:00:00Z",
            "user": {"email": "A@Example.com", "first_name": "Ada", "mtc_id": "x", "shoe_size": 40},
        }));
        let ReadEvent { event, issues } = read.unwrap();
        let fields: Vec<_> = issues.iter().map(|issue| issue.field.as_str()).collect();
        assert_eq!(fields, ["user.shoe_size", "user.mtc_id"]);
        assert_eq!((event.by.at.to_string().as_str(), event.user.fields.len()), ("2026-11-21T10:00:00Z", 1));
    }

    #[test]
    fn nobody_takes_the_id_of_a_payment_providers_event() {
        let event = |id: &str| read(json!({"id": id, "name": "user_login", "user": {"id": 7}}));
        assert_eq!(event("stripe:evt_1").err().unwrap(), ["id"]);
        assert_eq!(event("striped").unwrap().event.by.id, "striped");
    }

    #[test]
    fn consent_is_as_old_as_the_event_that_tells_of_it() {
        let read = read(json!({
            "name": "user_signup", "time": "2026-11-20T08:00:00Z",
            "user": {"email": "a@example.com", "consent": {"marketing_opt_in": false}},
        }));
        let consent = read.unwrap().event.user.consent.unwrap();
        assert_eq!(consent.at.to_string(), "2026-11-20T08:00:00Z");
    }

    #[test]
    fn what_the_rules_need_is_named() {
        let plan =
            |properties: Value| read(json!({"name": "plan_change", "user": {"id": 1}, "properties": properties}));
        assert_eq!(plan(json!({})).err().unwrap(), ["properties.new_tier"]);
        assert_eq!(plan(json!({"new_tier": "platinum"})).err().unwrap(), ["properties.new_tier"]);
        assert!(plan(json!({"new_tier": "PRO", "old_tier": "gone"})).is_ok());
        let paid = read(json!({"name": "payment_succeeded", "user": {"id": 1}, "properties": {"amount": "a lot"}}));
        assert_eq!(paid.err().unwrap(), ["properties.amount"]);
        for amount in [json!(1e300), json!("-2e9"), json!("NaN"), json!(null)] {
            let event = json!({"name": "payment_succeeded", "user": {"id": 1}, "properties": {"amount": amount}});
            assert_eq!(super::tests::read(event).err().unwrap(), ["properties.amount"], "{amount}");
        }
        let large = json!({"name": "x", "user": {"id": 1}, "properties": {"a": "x".repeat(17_000)}});
        assert_eq!(read(large).err().unwrap(), ["properties"]);
    }
}
