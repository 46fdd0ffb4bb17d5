//! Whether Mautic has the lists and fields that rules need. Three calls; nothing is changed.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use tandem_app::config::Environment;
use tandem_app::store::CatalogTable;
use tandem_app::wiring::Foundation;
use tandem_connectors::mautic::setup::{FieldState, examine_fields};
use tandem_core::automation::listing::EventQuery;
use tandem_core::automation::presence::{Presence, look_for_lists};
use tandem_core::domain::scope::Scope;
use tandem_core::ports::CatalogStore;

use super::doubts;
use crate::connect::text::{list_line, state_text};
use crate::failure::CommandError;
use crate::installation::Installation;

/// What Mautic has of what the rules need.
#[derive(Serialize)]
pub struct Live {
    lists: Vec<Presence>,
    /// Fields by their name in Mautic.
    fields: BTreeMap<String, FieldState>,
    /// Fields that the rules set and that no field rule sends to Mautic.
    not_sent: Vec<String>,
    /// Events of the rules that are not among the newest of the installation.
    never_came: Vec<String>,
}

/// Looks, with the rules of this text.
pub async fn look(rules: &str, data_dir: &Path, environment: &Environment) -> Result<Live, CommandError> {
    let installation = Installation::open_with(data_dir, environment, &[("TANDEM_RULES", rules)]).await?;
    let foundation = &installation.foundation;
    let mautic = foundation.mautic()?.ok_or_else(CommandError::no_mautic)?;
    let written = foundation.lifecycle.fields();
    let known = CatalogTable::new(foundation.table.clone()).read(&Scope::default_mautic()).await?;
    let lists = look_for_lists(&foundation.lifecycle, &mautic).await?;
    let fields =
        examine_fields(&mautic, &foundation.rules, known.as_ref(), |rule| written.contains(rule.local.as_str()))
            .await?;
    Ok(Live { lists, fields, not_sent: not_sent(foundation), never_came: never_came(foundation).await? })
}

/// So many of the newest events are looked at.
const EVENTS: usize = 1_000;

/// An installation that has no event yet tells nothing of which ones come.
async fn never_came(foundation: &Foundation) -> Result<Vec<String>, CommandError> {
    let events = foundation.table_desk()?.newest_events(&EventQuery::default(), EVENTS).await?.events;
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let mut names = doubts::names(&foundation.lifecycle);
    names.retain(|name| events.iter().all(|(_, event)| event.name.as_str() != name));
    Ok(names.into_iter().collect())
}

fn not_sent(foundation: &Foundation) -> Vec<String> {
    let is_sent = |name: &&str| foundation.rules.rule_of(name).is_some_and(|rule| rule.pushes());
    let written = foundation.lifecycle.fields();
    written.into_iter().filter(|name| !is_sent(name)).map(str::to_owned).collect()
}

impl Live {
    /// Whether events can do all that the rules say.
    pub fn is_complete(&self) -> bool {
        let fields = self.not_sent.is_empty() && self.fields.values().all(FieldState::is_fine);
        fields && self.lists.iter().all(Presence::is_fine)
    }

    /// The table for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, state) in &self.fields {
            // Writing to a string can't fail, here and below.
            let _infallible = writeln!(text, "  field        {name:<22} {}", state_text(state));
        }
        for name in &self.not_sent {
            let _infallible = writeln!(text, "  field        {name:<22} NOT SENT: no field rule takes it to Mautic");
        }
        for list in &self.lists {
            let _infallible = writeln!(text, "  {}", list_line(list));
        }
        for name in &self.never_came {
            let _infallible = writeln!(text, "  event        {name:<22} did not come among the newest {EVENTS}");
        }
        text.truncate(text.trim_end().len());
        text
    }
}
