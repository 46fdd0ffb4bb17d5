//! What is remembered of a user's events, so that a late one changes only what no later one decided.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::record::Fields;
use crate::domain::scope::IntegrationId;

use super::event::{EventName, Moment};
use super::money::Refunds;
use super::target::Target;

/// How many events about tiers are remembered one by one; older ones are remembered by what they led to.
pub const REMEMBERED: usize = 50;

/// An event about tiers, as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Its place in time.
    pub by: Moment,
    /// What happened.
    pub name: EventName,
    /// The properties that the rules look at.
    pub facts: Fields,
}

/// Where a user stands among the tiers at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The tier that the user has.
    pub tier: Option<String>,
    /// The last one that the user had.
    pub last_tier: Option<String>,
    /// The tiers by subscription, where events name one; the highest of them counts. The name is empty for a tier that
    /// belongs to none.
    #[serde(default)]
    pub plans: BTreeMap<String, String>,
    /// How the subscriptions stand, by the same names.
    #[serde(default)]
    pub statuses: BTreeMap<String, String>,
}

/// What was decided of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// The event that decided it.
    pub by: Moment,
    /// The value of a field, or whether the contact is in a list.
    pub value: Value,
    /// Of a list: the integrations to which that was not brought yet, apart from the one that works at the event.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub open: BTreeSet<IntegrationId>,
}

impl Written {
    /// What an event decided of a target, and nobody else has to hear of.
    #[must_use]
    pub fn new(by: Moment, value: Value) -> Self {
        Self { by, value, open: BTreeSet::new() }
    }
}

/// What is remembered of a user's events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Where the user stood before the first event of the timeline.
    #[serde(default)]
    pub base: Context,
    /// The last event that `base` covers: what comes from before it is too late to count.
    #[serde(default)]
    pub base_until: Option<Moment>,
    /// Events about tiers, in order.
    #[serde(default)]
    pub timeline: Vec<Past>,
    /// What was decided last of each target.
    #[serde(default)]
    pub decided: BTreeMap<Target, Written>,
    /// When rules that are applied only so often were applied last, by their place in the file.
    #[serde(default)]
    pub paced: BTreeMap<usize, Timestamp>,
    /// The latest event of all.
    #[serde(default)]
    pub newest: Option<Moment>,
    /// When the last of the events came. What an older one asks for in its turn is asked for no earlier than this.
    #[serde(default)]
    pub heard_at: Option<Timestamp>,
    /// The currency in which the user's payments are added up: that of the first one, where the rules name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What was given back of payments.
    #[serde(default, skip_serializing_if = "Refunds::is_empty")]
    pub refunds: Refunds,
    /// Grows by one with every change; the guard of optimistic writes.
    #[serde(default)]
    pub version: u64,
}

impl Subject {
    /// Whether something else than `value` was decided of a target by a later event.
    #[must_use]
    pub fn overrules(&self, target: &Target, by: &Moment, value: &Value) -> bool {
        self.decided.get(target).is_some_and(|written| written.by > *by && written.value != *value)
    }

    /// The lists of which something was decided, and whether the contact is in them.
    pub fn lists(&self) -> impl Iterator<Item = (&Target, bool, &Written)> {
        let lists = self.decided.iter().filter(|(target, _)| target.is_list());
        lists.map(|(target, written)| (target, written.value == json!(true), written))
    }

    /// Notes whether an integration lacks what was decided of a list. Nothing where nothing was.
    pub fn set_open(&mut self, target: &Target, integration: &IntegrationId, is_open: bool) {
        let Some(written) = self.decided.get_mut(target) else { return };
        if is_open {
            written.open.insert(integration.clone());
        } else {
            written.open.remove(integration);
        }
    }

    /// Puts an event in its place among those about tiers; `false` when it is older than all that is remembered, or known.
    pub(super) fn remember(&mut self, past: Past) -> bool {
        if self.base_until.as_ref().is_some_and(|until| past.by <= *until) {
            return false;
        }
        match self.timeline.binary_search_by(|one| one.by.cmp(&past.by)) {
            Ok(_) => false,
            Err(place) => {
                self.timeline.insert(place, past);
                true
            }
        }
    }

    /// Whether a remembered event has this place.
    pub(super) fn is_remembered(&self, by: &Moment) -> bool {
        self.timeline.binary_search_by(|one| one.by.cmp(by)).is_ok()
    }
}
