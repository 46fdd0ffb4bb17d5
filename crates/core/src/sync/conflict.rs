//! Both sides' changes brought together, three-way: what the application wants now, what the platform shows now, and what they
//! last agreed on. Pure. Consent is none of it: see [`super::pull`].

pub(crate) mod address;
mod explained;
mod question;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::consent::ConsentLedger;
use crate::domain::link::{FieldConflict, Link};
use crate::domain::platform::RemoteContact;
use crate::domain::record::{Fields, Record, Said};
use crate::domain::scope::IntegrationId;
use crate::mapping::RuleSet;
use crate::mapping::is_same;
use crate::mapping::reverse::{self, Reader};
use crate::mapping::rules::{FieldRule, Strategy, Target};

pub use explained::is_explained;

use super::left_out;
use super::overlay::{self, Overlaid};
use super::plan::{self, Rulebook, STAGE, TAGS};
use question::Question;

/// The key in [`Link::seen`] for the moment, by the platform's clock, of what was merged last. It goes when Tandem writes.
pub(super) const MERGED: &str = "@at";

/// What the platform shows of a contact.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Fields by the platform's names, `null` ones left out.
    pub fields: &'a Fields,
    /// Whether a field that is not among them is blank. Else nothing is told of it.
    pub complete: bool,
    /// All tags, when they are told.
    pub tags: Option<&'a [String]>,
    /// The stage, when one is told. One that is not told may be there all the same.
    pub stage: Option<&'a str>,
    /// When the platform says that the contact was changed.
    pub at: Timestamp,
    /// When it says that each field was changed, by its name there (`@tags`, `@stage` for these); the contact's own moment
    /// stands in where it says nothing.
    pub times: Option<&'a BTreeMap<String, Timestamp>>,
    /// Which integration shows it.
    pub by: Option<&'a IntegrationId>,
}

impl<'a> Shown<'a> {
    /// A whole contact.
    #[must_use]
    pub fn whole(contact: &'a RemoteContact, at: Timestamp, times: &'a BTreeMap<String, Timestamp>) -> Self {
        let stage = contact.stage.as_deref();
        Self {
            fields: &contact.fields,
            complete: true,
            tags: Some(&contact.tags),
            stage,
            at,
            times: Some(times),
            by: None,
        }
    }

    /// Some fields of a contact.
    #[must_use]
    pub const fn fields(fields: &'a Fields, at: Timestamp) -> Self {
        Self { fields, complete: false, tags: None, stage: None, at, times: None, by: None }
    }

    /// The same, shown by this integration.
    #[must_use]
    pub const fn by(self, integration: &'a IntegrationId) -> Self {
        Self { by: Some(integration), ..self }
    }

    /// Whether it shows what was sent under this name.
    fn has(&self, name: &str, sent: &Value) -> bool {
        match name {
            TAGS => self.tags.is_some_and(|tags| question::has_set(sent, tags)),
            STAGE => self.stage.is_some_and(|stage| question::is_one_name(sent, &json!(stage))),
            _ => (self.complete || self.fields.contains_key(name)) && is_same(sent, self.fields.get(name)),
        }
    }

    /// When a field was changed, as far as it is told.
    fn time_of(&self, key: &str) -> Option<Timestamp> {
        self.times.and_then(|times| times.get(key)).copied()
    }
}

/// What comes of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// The record's new state, when something came back to it: a version more.
    pub record: Option<Record>,
    /// The link's new state, when there is one: a revision more.
    pub link: Option<Link>,
    /// What came back, by the application's own names; `null` where a value was taken away.
    pub pulled: Fields,
    /// How many fields a person has to decide since now.
    pub contested: usize,
    /// How many values of the platform the application could not read: they stay where they are.
    pub unreadable: usize,
    /// Whether time decided between both sides' values of a field, and it is not told when that very field was changed.
    pub undated: bool,
}

impl Merged {
    /// Whether nothing but what is known was shown.
    #[must_use]
    pub fn is_echo(&self) -> bool {
        self.record.is_none() && self.link.is_none()
    }
}

/// Whether something shown at `at` is news to the link: not older than what was merged or written last.
#[must_use]
pub fn is_newer(link: &Link, at: Timestamp) -> bool {
    let merged = link.seen.get(MERGED).and_then(Value::as_str).and_then(|text| text.parse::<Timestamp>().ok());
    at > merged.unwrap_or(link.updated_at)
}

/// Brings both sides together. A field that one side changed goes to the other; of one that both changed, `strategy` decides,
/// or the field's own rule. What the platform has to be told of is not in the result: it is what [`plan::plan`] finds between
/// the record and the link as they then stand.
#[must_use]
pub fn merge(
    record: &Record,
    link: &Link,
    shown: &Shown<'_>,
    book: &Rulebook<'_>,
    strategy: Strategy,
    now: Timestamp,
) -> Merged {
    if link.overwritten {
        return Merged::default();
    }
    let (mut wanted, cleared, _) = plan::wanted(record, &ConsentLedger::default(), book);
    let link = &sent_by_us(left_out::trusted(link.clone(), book), shown);
    plan::end_unspoken_tags(&mut wanted, link);
    let cleared = cleared.into_iter().collect::<BTreeSet<_>>();
    let reader = Reader::new(shown.fields, &record.fields, book.rules, book.vocabulary, book.catalog);
    let mut merging = Merging {
        strategy,
        record,
        shown: *shown,
        undated: false,
        now,
        state: Overlaid { fields: record.fields.clone(), overlaid: record.overlaid.clone() },
        said: record.said.clone(),
        link: link.clone(),
        contested: 0,
        unreadable: 0,
    };
    // Whoever leaves an organisation still has its name there until the relationship is ended.
    let still_belongs = |rule: &FieldRule| rule.gives_way_to.is_some() && link.associations.related().next().is_some();
    let may_come_back =
        |rule: &&FieldRule| rule.pulls() && !book.rules.gives_way(rule, &record.fields) && !still_belongs(rule);
    for rule in book.rules.rules().iter().filter(may_come_back).filter(|rule| reader.has_field(rule)) {
        let sides = question::Sides { record, link, shown, reader: &reader, wanted: &wanted, cleared: &cleared };
        if let Some(question) = sides.of(rule) {
            merging.answer(&question);
        }
    }
    merging.merged(record, link, shown.at)
}

/// The link after the write that was interrupted, as far as the platform shows what that sent: this is agreed on, and no edit of
/// people there.
fn sent_by_us(mut link: Link, shown: &Shown<'_>) -> Link {
    let arrived: Vec<_> = link.sending.iter().filter(|(name, value)| shown.has(name, value)).map(owned).collect();
    link.snapshot.extend(arrived);
    link
}

/// The link of a contact that the platform merged into another, once both sides were brought together: of what only Tandem
/// writes, the snapshot says what the survivor shows, so that the next plan sends what differs, and nothing else.
#[must_use]
pub fn rebased(mut link: Link, shown: &Shown<'_>, rules: &RuleSet) -> Link {
    for rule in rules.rules().iter().filter(|rule| rule.pushes() && !rule.pulls() && rule.target == Target::Field) {
        let Some(name) = &rule.remote else { continue };
        if let Some(sent) = link.snapshot.get_mut(name)
            && !is_same(sent, shown.fields.get(name))
        {
            *sent = shown.fields.get(name).cloned().unwrap_or_default();
        }
    }
    link
}

/// Who gets what, once both sides changed a field.
enum Verdict {
    Platform,
    Application,
    Nobody,
}

struct Merging<'a> {
    strategy: Strategy,
    record: &'a Record,
    shown: Shown<'a>,
    undated: bool,
    now: Timestamp,
    state: Overlaid,
    said: BTreeMap<String, Said>,
    link: Link,
    contested: usize,
    unreadable: usize,
}

impl Merging<'_> {
    fn answer(&mut self, question: &Question<'_>) {
        if self.link.conflicts.contains_key(&question.rule.local) {
            return self.look_at_conflict(question);
        }
        if question.platform_changed {
            self.take_up(question);
        }
    }

    fn take_up(&mut self, question: &Question<'_>) {
        if question.is_agreed {
            return self.remember(question, question.agreed_value());
        }
        match self.verdict(question) {
            // What is no value of the field can't come back; the application's, when it has news, goes over it.
            Verdict::Platform if question.readable => self.take(question),
            Verdict::Platform => self.unreadable += 1,
            Verdict::Application => self.remember(question, question.platform.clone()),
            Verdict::Nobody => self.contest(question),
        }
    }

    fn verdict(&mut self, question: &Question<'_>) -> Verdict {
        if !question.application_changed {
            return Verdict::Platform;
        }
        let platform_wins = match question.rule.conflict.unwrap_or(self.strategy) {
            Strategy::Manual => return Verdict::Nobody,
            Strategy::LastWriteWins => !self.record_is_later(question),
            Strategy::FieldMerge => question.rule.target == Target::Tags || question.application_is_blank,
        };
        if platform_wins && question.readable { Verdict::Platform } else { Verdict::Application }
    }

    /// Whether what the record has was said later: by the application, or by another integration's platform.
    fn record_is_later(&mut self, question: &Question<'_>) -> bool {
        let told = self.shown.time_of(&question.key);
        self.undated |= told.is_none();
        let by_application = || self.record.value_said_at(question.rule.names());
        let said = self.said.get(&question.rule.local).map_or_else(by_application, |said| said.at);
        said >= told.unwrap_or(self.shown.at)
    }

    /// The platform's value comes back.
    fn take(&mut self, question: &Question<'_>) {
        let rule = question.rule;
        let whole = question.application_changed && rule.conflict.unwrap_or(self.strategy) != Strategy::FieldMerge;
        let value = match rule.target {
            Target::Tags if !whole => question.merged_set(),
            Target::Tags | Target::Field | Target::Stage | Target::Segments | Target::None => {
                reverse::local(rule, &question.platform)
            }
        };
        self.state.overlay(rule, &value);
        if let Some(by) = self.shown.by {
            let at = self.shown.time_of(&question.key).unwrap_or(self.shown.at);
            self.said.insert(rule.local.clone(), Said { by: by.clone(), at });
        }
        let known =
            if rule.target == Target::Tags && !whole { question.known_set() } else { question.platform.clone() };
        self.remember(question, known);
    }

    fn contest(&mut self, question: &Question<'_>) {
        self.contested += 1;
        let conflict = FieldConflict {
            application: question.application.clone(),
            platform: question.platform.clone(),
            since: self.now,
        };
        self.link.conflicts.insert(question.rule.local.clone(), conflict);
    }

    /// A person has to decide, unless both sides say the same by now.
    fn look_at_conflict(&mut self, question: &Question<'_>) {
        if question.is_agreed {
            self.link.conflicts.remove(&question.rule.local);
            return self.remember(question, question.agreed_value());
        }
        if let Some(conflict) = self.link.conflicts.get_mut(&question.rule.local) {
            conflict.application = question.application.clone();
            conflict.platform = question.platform.clone();
        }
    }

    /// What the platform holds, in the form in which Tandem would send it.
    fn remember(&mut self, question: &Question<'_>, value: Value) {
        if question.rule.target == Target::Stage {
            self.link.seen.insert(STAGE.to_owned(), value.clone());
        }
        let place = if question.rule.pushes() { &mut self.link.snapshot } else { &mut self.link.seen };
        place.insert(question.key.clone(), value);
    }

    fn merged(self, record: &Record, link: &Link, at: Timestamp) -> Merged {
        let Self { now, state, mut said, link: mut after, contested, unreadable, undated, .. } = self;
        let pulled: Fields =
            state.fields.iter().filter(|(name, value)| record.fields.get(*name) != Some(value)).map(owned).collect();
        if after.base().is_some() {
            after.state = after.settled_state();
        }
        let link_changed = after != *link;
        if link_changed {
            after.seen.insert(MERGED.to_owned(), json!(at));
            after.revision += 1;
            after.updated_at = now;
        }
        let same = state.fields == record.fields && state.overlaid == record.overlaid;
        let Overlaid { fields, overlaid } = state;
        said.retain(|local, _| overlaid.contains_key(local));
        let next = Record { fields, overlaid, said, version: record.version + 1, ..record.clone() };
        let record = (!same).then_some(next);
        Merged { record, link: link_changed.then_some(after), pulled, contested, unreadable, undated }
    }
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

/// Which side a person chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The application's value goes to the platform.
    Application,
    /// The platform's value comes back.
    Platform,
}

/// Ends the conflict of a rule's field; `None` when there is none. The application's value, when it is chosen, is what
/// [`plan::plan`] then finds to be written.
#[must_use]
pub fn resolve(record: &Record, link: &Link, rule: &FieldRule, side: Side, now: Timestamp) -> Option<Merged> {
    let mut link = link.clone();
    let conflict = link.conflicts.remove(&rule.local)?;
    link.snapshot.insert(plan::key_of(rule)?, conflict.platform.clone());
    if rule.target == Target::Stage {
        link.seen.insert(STAGE.to_owned(), conflict.platform.clone());
    }
    if link.base().is_some() {
        link.state = link.settled_state();
    }
    link.revision += 1;
    link.updated_at = now;
    let mut state = Overlaid { fields: record.fields.clone(), overlaid: record.overlaid.clone() };
    if side == Side::Platform {
        state.overlay(rule, &reverse::local(rule, &conflict.platform));
    }
    let name = overlay::name_in_use(&state.fields, rule);
    let pulled = state.fields.get(&name).filter(|_| side == Side::Platform).map(|value| (name.clone(), value.clone()));
    let changed = state.fields != record.fields || state.overlaid != record.overlaid;
    let Overlaid { fields, overlaid } = state;
    let next = Record { fields, overlaid, version: record.version + 1, ..record.clone() };
    Some(Merged {
        record: changed.then_some(next),
        link: Some(link),
        pulled: pulled.into_iter().collect(),
        ..Merged::default()
    })
}
