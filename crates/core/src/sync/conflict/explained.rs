//! Does an edit on the platform show anything that is not known? What only shows what Tandem sent costs no call.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::link::Link;
use crate::domain::platform::DoNotContactReason;
use crate::mapping::RuleSet;
use crate::mapping::is_same;
use crate::mapping::rules::Target;
use crate::ports::changes::{Edit, MailChange, TagChange};
use crate::sync::overlay;
use crate::sync::plan::{MAIL, TAGS};

use super::address;

/// Whether an edit on the platform shows nothing but what is known: what Tandem sent itself, what was merged already, or what
/// no rule takes back. Then the contact need not be read. Any doubt is a `false`.
#[must_use]
pub fn is_explained(link: &Link, edit: &Edit, rules: &RuleSet) -> bool {
    let Some(base) = link.base() else { return false };
    let has_rule = |target: Target| rules.rules().iter().any(|rule| rule.pulls() && rule.target == target);
    let fields = edit.fields.iter().all(|(name, value)| is_known_value(link, base, name, value, rules));
    let tags = edit.tags.as_ref().is_none_or(|tags| !has_rule(Target::Tags) || are_known_tags(base, tags));
    let mail = edit.mail.as_ref().is_none_or(|mail| is_known_entry(base, mail));
    fields && is_known_address(link, edit, rules) && tags && mail && (!edit.stage || !has_rule(Target::Stage))
}

fn is_known_value(link: &Link, base: &BTreeMap<String, Value>, name: &str, value: &Value, rules: &RuleSet) -> bool {
    let mut pulled = rules.rules().iter().filter(|rule| rule.pulls() && rule.remote.as_deref() == Some(name));
    pulled.all(|rule| {
        let known = if rule.pushes() { base.get(name) } else { link.seen.get(name) };
        !link.conflicts.contains_key(&rule.local) && known.is_some_and(|known| is_same(known, Some(value)))
    })
}

/// One that was taken away is nobody's correction.
fn is_known_address(link: &Link, edit: &Edit, rules: &RuleSet) -> bool {
    let shown = rules.address().and_then(|rule| edit.fields.get(rule.remote.as_ref()?)).and_then(Value::as_str);
    shown.is_none_or(|shown| shown.trim().is_empty() || address::is_known(link, shown, rules))
}

fn are_known_tags(base: &BTreeMap<String, Value>, tags: &TagChange) -> bool {
    let known = base.get(TAGS).map(overlay::texts).unwrap_or_default();
    tags.added.iter().all(|tag| overlay::has(&known, tag)) && !tags.removed.iter().any(|tag| overlay::has(&known, tag))
}

/// An entry that the last write knew of says nothing new; a bounce is nobody's word.
fn is_known_entry(base: &BTreeMap<String, Value>, mail: &MailChange) -> bool {
    match mail {
        MailChange::Forbidden { own: true, .. } | MailChange::Forbidden { reason: DoNotContactReason::Bounced, .. } => {
            true
        }
        MailChange::Forbidden { .. } => base.contains_key(MAIL),
        MailChange::Allowed => false,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::domain::link::LinkState;

    const RULES: &str = "[[rule]]\nlocal = \"city\"\nremote = \"city\"\n\
                         [[rule]]\nlocal = \"score\"\nremote = \"score\"\ndirection = \"push\"\n\
                         [[rule]]\nlocal = \"points\"\nremote = \"points\"\ndirection = \"pull\"\n\
                         [[rule]]\nlocal = \"tags\"\ntarget = \"tags\"\ntransform = \"tags\"\n";

    fn link() -> Link {
        let mut link = Link::new(Timestamp::UNIX_EPOCH);
        link.state = LinkState::Synced;
        link.snapshot = [("city".to_owned(), json!("Perth")), (TAGS.to_owned(), json!(["app"]))].into();
        link.seen = [("points".to_owned(), json!(7))].into();
        link
    }

    fn is_known(edit: &Edit) -> bool {
        is_explained(&link(), edit, &RuleSet::parse(RULES).unwrap())
    }

    fn field(name: &str, value: Value) -> Edit {
        Edit { fields: [(name.to_owned(), value)].into(), ..Edit::default() }
    }

    fn tags(added: &[&str], removed: &[&str]) -> Edit {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Edit { tags: Some(TagChange { added: set(added), removed: set(removed) }), ..Edit::default() }
    }

    #[test]
    fn what_was_sent_or_seen_or_is_never_taken_back_is_explained() {
        for edit in [
            field("city", json!("Perth")),
            field("points", json!("7")),
            field("score", json!(99)),
            field("last_active", json!("2026-11-28 08:19:02")),
            tags(&["app"], &["old"]),
        ] {
            assert!(is_known(&edit), "{edit:?}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        let mail = MailChange::Forbidden { reason: DoNotContactReason::Unsubscribed, own: false };
        for edit in [
            field("city", json!("Sydney")),
            field("city", Value::Null),
            field("points", json!(8)),
            tags(&["vip"], &[]),
            tags(&[], &["app"]),
            Edit { mail: Some(mail), ..Edit::default() },
            Edit { mail: Some(MailChange::Allowed), ..Edit::default() },
        ] {
            assert!(!is_known(&edit), "{edit:?}");
        }
        let unsettled = Link { state: LinkState::Pending, ..link() };
        assert!(!is_explained(&unsettled, &field("city", json!("Perth")), &RuleSet::parse(RULES).unwrap()));
    }
}
