//! Whether the platform has the lists and fields that rules need. Three calls; nothing is changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tandem_connectors::mautic::setup::{FieldState, states_in};
use tandem_core::automation::listing::EventQuery;
use tandem_core::automation::presence::{Presence, look_for_lists};
use tandem_core::automation::rulebook::RuleBook;
use tandem_core::error::Result;
use tandem_core::sync::services::Desk;

use super::doubts;

/// What the platform has of what the rules need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// The lists of the rules.
    pub lists: Vec<Presence>,
    /// Fields by their name on the platform.
    pub fields: BTreeMap<String, FieldState>,
    /// Fields that the rules set and that no field rule sends to the platform.
    pub not_sent: Vec<String>,
    /// Events of the rules that are not among the newest of the tenant.
    pub never_came: Vec<String>,
}

/// So many of the newest events are looked at.
pub const EVENTS: usize = 1_000;

/// Looks, at the platform of the desk's integration.
///
/// # Errors
/// As platform and table fail.
pub async fn look(desk: &Desk, book: &RuleBook) -> Result<Live> {
    let (integration, written) = (&desk.integration, book.fields());
    let known = desk.services.catalogs.read(&integration.scope).await?;
    let lists = look_for_lists(book, &*integration.bulk).await?;
    let catalog = integration.platform.fields().await?;
    let chosen = |local: &str| written.contains(local);
    let fields = states_in(catalog, &integration.rules, known.as_ref(), |rule| chosen(&rule.local));
    let is_sent = |name: &&str| integration.rules.rule_of(name).is_some_and(|rule| rule.pushes());
    let not_sent = written.iter().copied().filter(|name| !is_sent(name)).map(str::to_owned).collect();
    Ok(Live { lists, fields, not_sent, never_came: never_came(desk, book).await? })
}

/// A tenant that has no event yet tells nothing of which ones come.
async fn never_came(desk: &Desk, book: &RuleBook) -> Result<Vec<String>> {
    let events = desk.newest_events(&EventQuery::default(), EVENTS).await?.events;
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let mut names = doubts::names(book);
    names.retain(|name| events.iter().all(|(_, event)| event.name.as_str() != name));
    Ok(names.into_iter().collect())
}

impl Live {
    /// Whether events can do all that the rules say.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let fields = self.not_sent.is_empty() && self.fields.values().all(FieldState::is_fine);
        fields && self.lists.iter().all(Presence::is_fine)
    }
}
