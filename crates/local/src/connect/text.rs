//! What `tandem connect mautic` found, as a table for people: each line names the thing, what is wrong with it and what
//! helps.

use std::fmt::Write;

use tandem_connectors::mautic::setup::{FieldState, SetupReport};
use tandem_core::automation::presence::{Found, Presence};
use tandem_core::automation::target::Target;
use tandem_core::ports::{HookCheck, HookDelivery};

use super::Webhook;

/// The whole table.
pub(super) fn table(report: &SetupReport, lists: &[Presence], webhook: Option<&Webhook>) -> String {
    let platform = &report.platform;
    let version = platform.version.as_deref().unwrap_or("unknown");
    let limit = platform.rate_limit.map_or_else(|| "none".to_owned(), |limit| format!("{limit} calls an hour"));
    let mut text =
        format!("Mautic       reachable, API on, credentials good\nversion      {version}\nrate limit   {limit}\n");
    // Writing to a string can't fail, here and below.
    for lacking in &report.rights {
        let _infallible =
            writeln!(text, "right        {:<22} MISSING: {}; without it {}", lacking.what, lacking.right, lacking.lost);
    }
    for (name, state) in &report.fields {
        let _infallible = writeln!(text, "field        {name:<22} {}", state_text(state));
    }
    for list in lists {
        let _infallible = writeln!(text, "{}", list_line(list));
    }
    if let Some(webhook) = webhook {
        let _infallible = writeln!(text, "webhook      {}", hook_text(webhook));
    }
    text.truncate(text.trim_end().len());
    text
}

/// Where a field stands, for people.
pub fn state_text(state: &FieldState) -> String {
    match state {
        FieldState::Right => "right".to_owned(),
        FieldState::Made => "made".to_owned(),
        FieldState::Raised => "right, takes 191 characters now".to_owned(),
        FieldState::Short { limit, told: true } => {
            format!("right up to {limit} characters: --raise-limits makes it 191")
        }
        FieldState::Short { limit, told: false } => format!(
            "right up to {limit} characters, as far as this Mautic tells: --raise-limits makes it 191 for certain"
        ),
        FieldState::NotMade(refusal) => format!("NOT MADE: {} {}", refusal.reason, cure(&refusal.cure)),
        FieldState::NotRaised(refusal) => format!("NOT RAISED: {} {}", refusal.reason, cure(&refusal.cure)),
        FieldState::Missing { can_be_made: true } => "MISSING: --create-missing makes it".to_owned(),
        FieldState::Missing { can_be_made: false } => "MISSING: it comes with Mautic; restore it there".to_owned(),
        FieldState::Unpublished => "UNPUBLISHED: publish it in Mautic".to_owned(),
        FieldState::WrongKind { wanted, found } => format!("WRONG TYPE: is {found:?}, should be {wanted:?}"),
        FieldState::LacksOptions { missing } => {
            format!("LACKS OPTIONS: {}", missing.iter().cloned().collect::<Vec<_>>().join(", "))
        }
    }
}

/// A list of the rules and where it stands, for people: `campaign     Welcome Campaign       right, number 3`.
pub fn list_line(list: &Presence) -> String {
    let kind = if is_campaign(list) { "campaign" } else { "segment" };
    let called = match (&list.id, &list.name) {
        (Some(id), _) => format!("number {id}"),
        (None, name) => name.clone().unwrap_or_default(),
    };
    format!("{kind:<12} {called:<22} {}", list_text(list))
}

fn list_text(list: &Presence) -> String {
    let advice = list.env.as_ref().map(|env| format!(", or name another one in {env}")).unwrap_or_default();
    let (missing, unpublished) = if list.optional {
        ("missing (optional: its steps are skipped)", "unpublished (optional)")
    } else {
        ("MISSING", "UNPUBLISHED")
    };
    match &list.found {
        Found::There { number } => format!("right, number {number}"),
        Found::Made { number } => format!("made, number {number}"),
        Found::NotMade { reason } => format!("NOT MADE: {reason}"),
        Found::Unpublished { number } => format!("{unpublished}: publish number {number} in Mautic{advice}"),
        Found::Missing { can_be_made: true } => format!("{missing}: --create-missing makes it"),
        Found::Missing { can_be_made: false } if list.id.is_some() => {
            format!("{missing}: nothing in Mautic has this number; correct it{advice}")
        }
        Found::Missing { can_be_made: false } => format!("{missing}: make it in Mautic{advice}"),
        Found::Ambiguous => format!("AMBIGUOUS: several have this name; give the number in the rules{advice}"),
    }
}

fn is_campaign(list: &Presence) -> bool {
    matches!(list.list, Target::Campaign(_))
}

fn hook_text(webhook: &Webhook) -> String {
    let (check, delivery) = match webhook {
        Webhook::NotMade { reason, cure: helps } => return format!("NOT MADE: {reason} {}", cure(helps)),
        Webhook::There { check, delivery } => (check, delivery),
    };
    let state = match check {
        HookCheck::Right => "right",
        HookCheck::Made => "made",
        HookCheck::Repaired => "mended",
    };
    match delivery {
        HookDelivery::Arrives => format!("{state}; a test delivery arrived"),
        HookDelivery::Fails { reason, cure: helps } => {
            format!("{state}, but NOTHING ARRIVES: {reason} {}", cure(helps))
        }
        HookDelivery::NothingSent => {
            format!("{state}; Mautic sends later (queue mode): its cron job `mautic:webhooks:process` must run")
        }
        HookDelivery::Unseen { reason } => format!("{state}; whether deliveries arrive can't be seen: {reason}"),
    }
}

/// A cure as a sentence.
fn cure(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}
