//! The contact fields that the rules write: which of them a Mautic has, and making those that it lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tandem_core::domain::catalog::{FieldCatalog, HIGHEST_LIMIT, RemoteFieldKind};
use tandem_core::error::{Failure, FailureKind, Result};
use tandem_core::mapping::RuleSet;
use tandem_core::mapping::rules::{FieldRule, NewField, Transform};

use super::super::fields::has_limit;
use super::super::{ContactField, Mautic};

/// Where a field stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum FieldState {
    /// It is there and holds what the rule sends.
    Right,
    /// It was missing and has been made.
    Made,
    /// It took fewer characters than it can, and takes all of them now.
    Raised,
    /// It is there and holds what the rule sends, as long as that is not longer than this.
    Short {
        /// The most characters that it takes.
        limit: usize,
        /// Whether Mautic says so; 5.1 does not.
        told: bool,
    },
    /// It is not there: its values would be dropped without a word.
    Missing {
        /// Whether Tandem knows how to make it.
        can_be_made: bool,
    },
    /// It is missing, and making it failed.
    NotMade(Refusal),
    /// It takes fewer characters than it can, and raising that failed.
    NotRaised(Refusal),
    /// It is there and switched off, which is as good as missing.
    Unpublished,
    /// It is there and holds something else.
    WrongKind {
        /// What it should hold.
        wanted: RemoteFieldKind,
        /// What it holds.
        found: RemoteFieldKind,
    },
    /// It is a select that lacks options: values that are not among its options are refused.
    LacksOptions {
        /// The options that it lacks.
        missing: BTreeSet<String>,
    },
}

/// Why something could not be done to a field, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub reason: String,
    /// What helps.
    pub cure: String,
}

impl FieldState {
    /// Whether the field holds what the rule sends.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        match self {
            Self::Right | Self::Made | Self::Raised | Self::Short { .. } => true,
            Self::NotRaised(_) | Self::Missing { .. } | Self::NotMade(_) | Self::Unpublished => false,
            Self::WrongKind { .. } | Self::LacksOptions { .. } => false,
        }
    }
}

/// Where the fields stand that are chosen by their rules. `known` is the list that Tandem keeps, which knows limits that
/// Mautic does not tell. One call.
///
/// # Errors
/// As the call fails.
pub async fn examine_fields(
    mautic: &Mautic,
    rules: &RuleSet,
    known: Option<&FieldCatalog>,
    chosen: impl Fn(&FieldRule) -> bool,
) -> Result<BTreeMap<String, FieldState>> {
    let mut listed: BTreeMap<String, ContactField> = by_alias(mautic.contact_fields().await?);
    for (name, field) in &mut listed {
        let known = known.and_then(|known| known.fields.get(name)).filter(|known| known.id == field.field.id);
        field.field.limit = field.field.limit.or_else(|| known?.limit);
    }
    let state = |(rule, name): (&FieldRule, &String)| (name.clone(), field_state(rule, listed.get(name)));
    Ok(wanted(rules).filter(|(rule, _)| chosen(rule)).map(state).collect())
}

/// The same by a list of the fields that values can be written to. One that is switched off is not in it, and counts as missing.
pub fn states_in(
    listed: FieldCatalog,
    rules: &RuleSet,
    known: Option<&FieldCatalog>,
    chosen: impl Fn(&FieldRule) -> bool,
) -> BTreeMap<String, FieldState> {
    let told: BTreeSet<String> =
        listed.fields.iter().filter(|(_, field)| field.limit.is_some()).map(|(name, _)| name.clone()).collect();
    let mut listed = listed.following(known).fields;
    let mut found = |name: &String| {
        let (alias, told) = (name.clone(), told.contains(name));
        listed.remove(name).map(|field| ContactField { alias, published: true, field, told })
    };
    let chosen = wanted(rules).filter(|(rule, _)| chosen(rule));
    chosen.map(|(rule, name)| (name.clone(), field_state(rule, found(name).as_ref()))).collect()
}

/// Makes the fields that are missing and that the rules know how to make; says of each what became of it, and gives those
/// that were made. One that is refused holds up no other; what hinders all of them (no connection, no budget) ends it. One
/// call a field, and one before the first: a name that a field of companies has is not even tried.
pub async fn create_missing(
    mautic: &Mautic,
    rules: &RuleSet,
    states: &mut BTreeMap<String, FieldState>,
) -> Vec<ContactField> {
    let mut made = Vec::new();
    if !states.values().any(|state| matches!(state, FieldState::Missing { can_be_made: true })) {
        return made;
    }
    // Whoever may not see them learns of a taken name by the refusal.
    let taken = mautic.company_fields().await.map(by_alias).unwrap_or_default();
    for (rule, name) in wanted(rules) {
        let missing = states.get_mut(name).filter(|state| matches!(state, FieldState::Missing { .. }));
        let (Some(state), Some(field)) = (missing, &rule.remote_field) else { continue };
        if taken.contains_key(name) {
            *state = FieldState::NotMade(Refusal::name_of_company_field());
            continue;
        }
        match mautic.create_field(name, field).await {
            Ok(field) => {
                made.push(field);
                *state = FieldState::Made;
            }
            Err(failure) => {
                let hopeless = hinders_all(failure.kind);
                *state = FieldState::NotMade(Refusal::of(&failure));
                if hopeless {
                    break;
                }
            }
        }
    }
    made
}

/// Lets the text fields that are called short take as many characters as any field can; says of each what became of it, and
/// gives those that were raised. One call to list them, and one a field.
///
/// # Errors
/// When the fields can't be listed.
pub async fn raise_limits(mautic: &Mautic, states: &mut BTreeMap<String, FieldState>) -> Result<Vec<ContactField>> {
    let mut raised = Vec::new();
    if !states.values().any(|state| matches!(state, FieldState::Short { .. })) {
        return Ok(raised);
    }
    let listed = by_alias(mautic.contact_fields().await?);
    for (name, state) in states.iter_mut().filter(|(_, state)| matches!(state, FieldState::Short { .. })) {
        let Some(id) = listed.get(name).and_then(|field| field.field.id) else { continue };
        match mautic.raise_limit(id).await {
            Ok(field) => {
                raised.push(field);
                *state = FieldState::Raised;
            }
            Err(failure) => {
                let hopeless = hinders_all(failure.kind);
                *state = FieldState::NotRaised(Refusal::of(&failure));
                if hopeless {
                    break;
                }
            }
        }
    }
    Ok(raised)
}

fn by_alias(fields: Vec<ContactField>) -> BTreeMap<String, ContactField> {
    fields.into_iter().map(|field| (field.alias.clone(), field)).collect()
}

/// The rules that write a field that Mautic lists, and the name that it has there.
fn wanted(rules: &RuleSet) -> impl Iterator<Item = (&FieldRule, &String)> {
    let listed = rules.rules().iter().filter(|rule| rule.pushes() && rule.catalog);
    listed.filter_map(|rule| Some((rule, rule.remote.as_ref()?)))
}

/// Whether another field would fail in the same way.
const fn hinders_all(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Credentials
        | FailureKind::RateLimited
        | FailureKind::Unavailable
        | FailureKind::Timeout
        | FailureKind::Garbled
        | FailureKind::Storage
        | FailureKind::Misconfigured => true,
        FailureKind::Invalid
        | FailureKind::NotFound
        | FailureKind::Conflict
        | FailureKind::Taken
        | FailureKind::Refused => false,
    }
}

impl Refusal {
    /// A failure with the reasons that Mautic gave, field by field.
    fn of(failure: &Failure) -> Self {
        let reasons: Vec<&str> = failure.fields.iter().map(|issue| issue.message.as_str()).collect();
        let reason = if reasons.is_empty() { failure.message.clone() } else { reasons.join(" ") };
        let cure = match failure.kind {
            FailureKind::Refused | FailureKind::Taken if failure.fields.iter().any(|issue| issue.field == "alias") => {
                "no field of this name can be made by hand either: rename what has the name in Mautic, or do without it"
            }
            FailureKind::Credentials => "give Tandem's role this right in Mautic, under Settings, Roles",
            FailureKind::Timeout | FailureKind::Unavailable | FailureKind::RateLimited => "connect again later",
            _ => "make it in Mautic by hand, under Settings, Custom Fields",
        };
        Self { reason, cure: cure.to_owned() }
    }

    fn name_of_company_field() -> Self {
        Self {
            reason: "A company field has this name, and Mautic takes a name once.".to_owned(),
            cure: "give the company field another alias in Mautic, under Settings, Custom Fields".to_owned(),
        }
    }
}

fn field_state(rule: &FieldRule, found: Option<&ContactField>) -> FieldState {
    let wanted = rule.remote_field.as_ref();
    let Some(found) = found else {
        return FieldState::Missing { can_be_made: wanted.is_some() };
    };
    if !found.published {
        return FieldState::Unpublished;
    }
    if let Some(wanted) = wanted.filter(|wanted| !holds(found.field.kind, wanted.kind)) {
        return FieldState::WrongKind { wanted: wanted.kind, found: found.field.kind };
    }
    let missing = wanted.map(|wanted| lacking(found, wanted)).unwrap_or_default();
    if !missing.is_empty() {
        return FieldState::LacksOptions { missing };
    }
    let is_text = matches!(rule.transform, Transform::Text | Transform::Url) && has_limit(found.field.kind);
    match found.field.text_limit() {
        Some(limit) if is_text && limit < HIGHEST_LIMIT => FieldState::Short { limit, told: found.told },
        Some(_) | None => FieldState::Right,
    }
}

fn lacking(found: &ContactField, wanted: &NewField) -> BTreeSet<String> {
    if found.field.kind != RemoteFieldKind::Select {
        return BTreeSet::new();
    }
    wanted.options.iter().filter(|option| !found.field.options.contains(option)).cloned().collect()
}

/// Whether a field of this kind takes all values of the kind wanted. Free text takes the other kinds of text.
fn holds(found: RemoteFieldKind, wanted: RemoteFieldKind) -> bool {
    use RemoteFieldKind::{Email, LongText, Phone, Select, Text, Url};
    match (found, wanted) {
        (Text | LongText, Text | Select | Email | Phone | Url) | (LongText, LongText) => true,
        (found, wanted) => found == wanted,
    }
}
