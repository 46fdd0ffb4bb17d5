//! `mappings`: a rule is added, changed and taken away between runs: exactly the concerned records are written. A field that is made
//! late arrives.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::mappings::{Setting, Taken};
use tandem_app::store::CatalogTable;
use tandem_app::system::SystemClock;
use tandem_core::domain::kind::Kind;
use tandem_core::domain::scope::Scope;
use tandem_core::mapping::{FieldRule, MappingSet};
use tandem_core::ports::source::SourceRow;
use tandem_core::ports::{CatalogStore, Clock, MarketingPlatform};
use tandem_core::sync::run::SyncOptions;

use super::import::{desk_over, system};
use super::{Proof, Size};
use crate::list_source::ListSource;
use crate::system::System;

/// The field that the sets differ in, and one that Mautic gets late.
const LOYALTY: &str = "loyalty";
const LATE: &str = "late_field";

/// Runs the scenario.
pub async fn run(size: Size) -> Proof {
    let people = size.pick(120, 2_000);
    let stage = Stage::begun(people).await;
    let loyal = every(people, 3);
    let mut steps = Vec::new();
    let mut step = |what: &str, written: u64| steps.push(format!("{what} {written}"));

    stage.writes("the first run", people as u64).await?;
    stage.make_field(LOYALTY).await?;
    let built_in = stage.active().await?;

    let rule = |transform: Value| json!({"local": LOYALTY, "remote": LOYALTY, "direction": "push", "transform": transform, "blank": "clear"});
    let added = with_rule(&built_in, rule(json!("text")))?;
    stage.set(&added).await?;
    stage.writes("a rule was added", loyal).await?;
    step("added", loyal);
    stage.writes("nothing changed", 0).await?;
    stage.holds(LOYALTY, |number| number.is_multiple_of(3).then(|| "gold".to_owned()))?;

    let changed = with_rule(&without(&added, LOYALTY), rule(json!({"lookup": {"gold": "Gold tier"}})))?;
    stage.set(&changed).await?;
    stage.writes("a rule was changed", loyal).await?;
    step("changed", loyal);
    stage.holds(LOYALTY, |number| number.is_multiple_of(3).then(|| "Gold tier".to_owned()))?;

    stage.set(&without(&without(&changed, "city"), LOYALTY)).await?;
    stage.writes("rules were taken away", 0).await?;
    step("taken away", 0);
    stage.holds(LOYALTY, |number| number.is_multiple_of(3).then(|| "Gold tier".to_owned()))?;
    stage.holds("city", |number| number.is_multiple_of(5).then(|| "Perth".to_owned()))?;

    // Of a field that flows both ways, both sides say the same still: nothing is written.
    stage.set(&changed).await?;
    stage.writes("the rules came back", loyal).await?;
    step("back", loyal);

    let field = json!({"label": "Late", "type": "text"});
    let late = json!({"local": "late", "remote": LATE, "transform": "text", "remote_field": field});
    stage.set(&with_rule(&changed, late)?).await?;
    stage.writes("the field is missing", 0).await?;
    stage.make_field(LATE).await?;
    let belated = every(people, 4);
    stage.writes("the field was made late", belated).await?;
    step("made late", belated);
    stage.holds(LATE, |number| number.is_multiple_of(4).then(|| format!("n{number}")))?;
    stage.writes("nothing changed at last", 0).await?;
    Ok(format!("{people} records; contacts written: {}", steps.join(", ")))
}

/// How many of so many people have a number that this one divides.
fn every(people: usize, of: usize) -> u64 {
    people.div_ceil(of) as u64
}

fn person(number: usize) -> SourceRow {
    let mut fields = BTreeMap::from([
        ("email".to_owned(), json!(format!("m{number}@example.com"))),
        ("first_name".to_owned(), json!(format!("Name{number}"))),
    ]);
    for (of, name, value) in
        [(3, LOYALTY, json!("gold")), (5, "city", json!("Perth")), (4, "late", json!(format!("n{number}")))]
    {
        if number.is_multiple_of(of) {
            fields.insert(name.to_owned(), value);
        }
    }
    // Long enough ago that no row is read once more.
    let updated_at = SystemClock.now() - SignedDuration::from_hours(48);
    SourceRow { kind: Kind::Person, id: format!("m-{number:05}"), updated_at: Some(updated_at), fields, deleted: false }
}

fn with_rule(set: &MappingSet, rule: Value) -> Result<MappingSet, String> {
    let rule: FieldRule = serde_json::from_value(rule).map_err(|error| error.to_string())?;
    let mut set = set.clone();
    set.mappings.iter_mut().for_each(|mapping| mapping.rules.push(rule.clone()));
    Ok(set)
}

fn without(set: &MappingSet, local: &str) -> MappingSet {
    let mut set = set.clone();
    set.mappings.iter_mut().for_each(|mapping| mapping.rules.retain(|rule| rule.local != local));
    set
}

struct Stage {
    system: System,
    source: ListSource,
}

impl Stage {
    async fn begun(people: usize) -> Self {
        let system = system(Arc::new(SystemClock)).await;
        Self { system, source: ListSource::of((0..people).map(person)) }
    }

    async fn active(&self) -> Result<MappingSet, String> {
        let active = self.system.foundation.mappings().active(&Scope::default_mautic()).await;
        Ok(active.map_err(|failure| failure.to_string())?.content.set)
    }

    /// A run of a process that has just started; how many contacts it made and changed.
    async fn run(&self) -> Result<u64, String> {
        let desk = desk_over(&self.system, &self.source);
        let desk = self.system.foundation.rules_in_use().at(desk).await.map_err(|failure| failure.to_string())?;
        let ran = desk.sync(SyncOptions::default()).await.map_err(|failure| failure.to_string())?;
        match ran.stopped {
            Some(stopped) => Err(format!("the run stopped: {stopped:?}")),
            None => Ok(ran.log.created + ran.log.updated),
        }
    }

    /// A run writes exactly so many contacts.
    async fn writes(&self, when: &str, expected: u64) -> Result<(), String> {
        let written = self.run().await?;
        if written == expected {
            return Ok(());
        }
        Err(format!("{when}: {written} contacts were written, and {expected} are concerned"))
    }

    /// What Mautic holds in a field of everybody.
    fn holds(&self, field: &str, expected: impl Fn(usize) -> Option<String>) -> Result<(), String> {
        for contact in self.system.mautic.contacts() {
            let number =
                contact.email.as_deref().and_then(|email| email.strip_prefix('m')?.split('@').next()?.parse().ok());
            let Some(number) = number else { continue };
            let held = contact.fields.get(field).and_then(Value::as_str).map(str::to_owned);
            if held != expected(number) {
                return Err(format!("person {number} has another {field} in Mautic than the rules say"));
            }
        }
        Ok(())
    }

    /// Somebody makes a field in Mautic, and it is listed, as it is once an hour.
    async fn make_field(&self, alias: &str) -> Result<(), String> {
        let body = json!({"label": alias, "alias": alias, "type": "text", "isPublished": true});
        self.system.in_mautic(Method::POST, "/api/fields/contact/new", Some(body)).await;
        let mautic = self.system.foundation.mautic().map_err(|failure| failure.to_string())?.ok_or("no Mautic")?;
        let catalog = MarketingPlatform::fields(&mautic).await.map_err(|failure| failure.to_string())?;
        let catalogs = CatalogTable::new(self.system.foundation.table.clone());
        catalogs.save(&Scope::default_mautic(), &catalog).await.map_err(|failure| failure.to_string())?;
        Ok(())
    }

    async fn set(&self, set: &MappingSet) -> Result<(), String> {
        let (foundation, scope) = (&self.system.foundation, Scope::default_mautic());
        let mautic = foundation.mautic().map_err(|failure| failure.to_string())?.ok_or("no Mautic")?;
        let catalog = MarketingPlatform::fields(&mautic).await.map_err(|failure| failure.to_string())?;
        let setting = Setting { act: self.system.actor().act, note: None, seen: None };
        let taken = foundation.mappings().set(&scope, set.clone(), Some(&catalog), setting).await;
        match taken.map_err(|failure| failure.to_string())? {
            Taken::Set { .. } => Ok(()),
            Taken::Refused(problems) => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
            Taken::Same(_) | Taken::Changed(_) | Taken::Unknown => Err("the set was not taken".to_owned()),
        }
    }
}
