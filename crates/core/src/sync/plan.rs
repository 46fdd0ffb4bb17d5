//! What has to be written to the platform, worked out from what was read. Pure: no I/O, no clock, no chance.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::domain::association::Association;
use crate::domain::catalog::FieldCatalog;
use crate::domain::consent::{ConsentEntry, ConsentLedger, ConsentOutcome, ConsentStatus};
use crate::domain::dated::Dated;
use crate::domain::identity::{Email, Identity, RecordKey};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::kind::Kind;
use crate::domain::link::Link;
use crate::domain::record::{Fields, Record};
use crate::domain::relationship::{self, Relationship};
use crate::domain::situation::{self, Known, Shown, Situation};
use crate::mapping::map::all_fields;
use crate::mapping::rules::Target;
use crate::mapping::{self, FieldRule, Mapped, RuleSet, Situations, Vocabulary};
use crate::ports::Stored;

use super::change::{ContactChange, Subject};
use super::enrolment::Enrolment;
use super::left_out;
use super::segments::{self, WantedSegments};
use super::states::{self, Taken};

mod draft;
mod written;

pub use draft::Draft;
pub use written::{contact_write, digest, note_forbidden};
pub(crate) use written::{names_in, note_written};

/// The snapshot's key for the tags that Tandem set. `@` can't stand in a platform's field name.
pub(super) const TAGS: &str = "@tags";
/// The snapshot's key for the stage that Tandem set.
pub(super) const STAGE: &str = "@stage";
/// The snapshot's key for whether Tandem knows that mail is forbidden there.
pub(crate) const MAIL: &str = "@mail";
/// The value of [`MAIL`].
const FORBIDDEN: &str = "forbidden";

/// The rules that a plan follows.
pub struct Rulebook<'a> {
    /// Which field goes where.
    pub rules: &'a RuleSet,
    /// The platform's own names.
    pub vocabulary: &'a dyn Vocabulary,
    /// The platform's fields, when they are known.
    pub catalog: Option<&'a FieldCatalog>,
    /// The rule of high-value enrolment.
    pub enrolment: Option<&'a Enrolment>,
    /// What follows from the situations that leave a choice.
    pub situations: Situations,
}

/// What was read before a write.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record's key.
    pub key: RecordKey,
    /// The record, link and lease as stored.
    pub stored: Stored,
    /// The consent of the address that the record will have.
    pub consent: ConsentLedger,
    /// Identities that do not point to the record yet.
    pub unclaimed: Vec<Identity>,
    /// Issues found on the way: an address that another record holds.
    pub issues: Vec<FieldIssue>,
    /// The address to give the record, when it is to change or to be set for the first time.
    pub email: Option<Email>,
    /// The address that is given to the record while another one has it.
    pub awaited: Option<Email>,
}

impl Found {
    /// A record as it stands, without news.
    #[must_use]
    pub fn known(key: RecordKey, stored: Stored, consent: ConsentLedger) -> Self {
        Self { key, stored, consent, unclaimed: Vec::new(), issues: Vec::new(), email: None, awaited: None }
    }
}

/// Plans a change of what was found.
#[must_use]
pub fn plan(change: &ContactChange, found: Found, book: &Rulebook<'_>, now: Timestamp) -> Draft {
    let Found { key, stored, mut consent, unclaimed, issues: found_issues, email, awaited } = found;
    let mut issues = change.issues.clone();
    issues.extend(found_issues);
    let (consent_changed, opted_in_by_person) = match said(change, stored.record.is_some()) {
        Some(entry) => take_consent(entry, &mut consent, &mut issues),
        None => (false, false),
    };
    let stale = states::is_stale(change, stored.record.as_ref(), now);
    issues.extend(stale.then(stale_issue));
    let (record, record_changed) =
        new_record(change, stored.record.as_ref(), Given { email, awaited }, stale, book.rules, now);
    let release = given_up(stored.record.as_ref(), &record);
    let moves = stored.record.as_ref().is_some_and(|old| old.email.is_some() && old.email != record.email);
    let link_known = stored.link.is_some();
    let link = left_out::trusted(stored.link.unwrap_or_else(|| Link::new(now)), book);
    let opted_in_by_person = opted_in_by_person || opt_in_is_unfinished(&consent, &link);
    let kind = key.kind();
    let named = relationship::said(kind, &record.fields);
    issues.extend(named.issues);
    let newly_related = newly_related(&named.relationships, stored.record.as_ref(), kind);
    let situation = situation_of(kind, &record, &consent, &link, book);
    let Content { wanted, clear: clear_wanted, segments } =
        content(situation, &record, &consent, &link, book, &mut issues);
    let withheld = withheld(&link, book.rules);
    let refused = left_out::standing(&link, &wanted, book.catalog, now);
    issues.extend(refused.iter().map(|(name, refusal)| left_out::issue(name, refusal, book.rules)));
    let mut set = set_of(&wanted, link.base());
    set.retain(|name, _| !withheld.contains(name) && !refused.contains_key(name));
    let mut clear = clear_of(clear_wanted, link.base());
    clear.retain(|name| !withheld.contains(name));
    let enrol = enrolment(book, &record.fields, &consent, &link).filter(|_| situation != Situation::NotMapped);
    Draft {
        key,
        situation,
        follows: book.situations.response(situation, link.remote_id.is_some()),
        record,
        record_changed,
        link,
        link_known,
        lease: stored.lease,
        consent,
        consent_changed,
        opted_in_by_person,
        claim: unclaimed,
        release,
        moves,
        wanted,
        clear,
        set,
        withheld,
        refused,
        segments,
        relationships: named.relationships.into_iter().filter(|one| book.rules.takes(one.kind)).collect(),
        newly_related,
        enrol,
        visitor: change.visitor.clone(),
        issues,
    }
}

/// The situation, as far as it is known before the platform is asked.
fn situation_of(kind: Kind, record: &Record, consent: &ConsentLedger, link: &Link, book: &Rulebook<'_>) -> Situation {
    let applies = || book.rules.applies_to(&all_fields(&with_consent(record, consent, book.rules), book.rules));
    let known = Known {
        erased: false,
        gone: record.gone_since.is_some(),
        // Without rules for the kind, the platform has no object for it.
        unmapped: !kind.is_person() && book.rules.rules().is_empty() || !book.rules.is_for_all() && !applies(),
        object: link.remote_id.as_ref(),
        several: !link.duplicates.is_empty(),
        was_deleted: link.missing_since.is_some(),
    };
    situation::of(&known, Shown::Unasked)
}

/// What the platform shall hold of a record.
struct Content {
    wanted: BTreeMap<String, Value>,
    clear: Vec<String>,
    segments: Option<BTreeSet<String>>,
}

/// Of a record that is left out, the platform is told only what its person said about being mailed.
fn content(
    situation: Situation,
    record: &Record,
    consent: &ConsentLedger,
    link: &Link,
    book: &Rulebook<'_>,
    issues: &mut Vec<FieldIssue>,
) -> Content {
    let (mut wanted, clear, mapped_issues) = wanted(record, consent, book);
    if situation == Situation::NotMapped {
        let field = book.rules.consent().and_then(key_of);
        wanted.retain(|name, _| name == MAIL || field.as_ref() == Some(name));
        return Content { wanted, clear: Vec::new(), segments: None };
    }
    issues.extend(mapped_issues);
    end_unspoken_tags(&mut wanted, link);
    let WantedSegments { names, issues: of_segments } = segments::wanted(record, book.rules);
    issues.extend(of_segments);
    Content { wanted, clear, segments: names }
}

/// The records that are named by now and were not before.
fn newly_related(now: &[Relationship], before: Option<&Record>, kind: Kind) -> Vec<Identity> {
    let before = before.map(|record| relationship::of(kind, &record.fields)).unwrap_or_default();
    now.iter().filter(|one| !before.contains(one)).map(Relationship::identity).collect()
}

/// What is said about being mailed. An unreadable word changes nothing for who is known; somebody new is not mailed by it.
fn said(change: &ContactChange, is_known: bool) -> Option<&ConsentEntry> {
    change.consent.as_ref().filter(|entry| entry.status != ConsentStatus::Unclear || !is_known)
}

/// Takes what is said about being mailed; gives whether the ledger changed and whether the person opted in again.
fn take_consent(entry: &ConsentEntry, ledger: &mut ConsentLedger, issues: &mut Vec<FieldIssue>) -> (bool, bool) {
    let by_person = entry.source.may_undo() && entry.status == ConsentStatus::OptedIn;
    match ledger.take(entry.clone()) {
        ConsentOutcome::Changed => (true, by_person),
        // It may have been stored before the platform was told.
        ConsentOutcome::Unchanged => (false, by_person && ledger.standing().is_some_and(|standing| standing == entry)),
        ConsentOutcome::OptOutKept => {
            issues.push(FieldIssue::new(
                "consent.marketing_opt_in",
                IssueCode::OptOutKept,
                "The person opted out. Only a later opt-in by the person (\"explicit\": true) undoes it.",
            ));
            (false, false)
        }
    }
}

/// Whether the person opted in again, and the write that was to allow mail there was interrupted, or left to a job. What
/// forbids mail must be known from before: an opt-out that is news to Tandem may be later than the person's word.
fn opt_in_is_unfinished(consent: &ConsentLedger, link: &Link) -> bool {
    let by_person = |entry: &ConsentEntry| entry.source.may_undo() && entry.status == ConsentStatus::OptedIn;
    link.snapshot.contains_key(MAIL) && consent.standing().is_some_and(by_person)
}

fn stale_issue() -> FieldIssue {
    let message = "This state is older than the one already known: only fields that no newer one has were taken.";
    FieldIssue::new("updated_at", IssueCode::Stale, message)
}

/// What is said of a record's address: the one to have, or one that another record has.
struct Given {
    email: Option<Email>,
    awaited: Option<Email>,
}

impl Given {
    /// The address that the record waits for after it.
    fn awaited_after(&self, old: Option<&Record>, stale: bool) -> Option<Email> {
        let before = old.and_then(|old| old.awaited.clone());
        match (&self.email, &self.awaited) {
            (_, _) if stale => before,
            (Some(_), _) => None,
            (None, Some(awaited)) => Some(awaited.clone()),
            (None, None) => before,
        }
    }
}

fn new_record(
    change: &ContactChange,
    old: Option<&Record>,
    given_address: Given,
    stale: bool,
    rules: &RuleSet,
    now: Timestamp,
) -> (Record, bool) {
    let given = match &change.subject {
        Subject::Person { external_id, .. } if !stale => external_id.clone(),
        Subject::Other { id, .. } if !stale => Some(id.clone()),
        Subject::Person { .. } | Subject::Other { .. } | Subject::Known(_) => None,
    };
    let awaited = given_address.awaited_after(old, stale);
    let corrected = old.and_then(|old| old.corrected.clone()).filter(|_| stale || given_address.email.is_none());
    let email = given_address.email.filter(|_| !stale || old.is_none_or(|old| old.email.is_none()));
    let Taken { fields, overlaid, older } = states::taken(change, old, rules, now);
    let mut record = Record {
        external_id: given.or_else(|| old.and_then(|old| old.external_id.clone())),
        email: email.or_else(|| old.and_then(|old| old.email.clone())),
        awaited,
        corrected,
        fields,
        updated_at: now,
        version: old.map_or(0, |old| old.version) + 1,
        gone_since: match change.subject {
            // It is there again, or never was gone.
            Subject::Person { .. } | Subject::Other { .. } => None,
            Subject::Known(_) => old.and_then(|old| old.gone_since),
        },
        said: old.map(|old| old.said.clone()).unwrap_or_default(),
        dated: Dated::default(),
        overlaid,
        older,
    };
    let overlaid = &record.overlaid;
    record.said.retain(|local, _| overlaid.contains_key(local));
    let same = old.is_some_and(|old| {
        old.external_id == record.external_id
            && old.email == record.email
            && old.awaited == record.awaited
            && old.corrected == record.corrected
            && old.fields == record.fields
            && old.overlaid == record.overlaid
            && old.older == record.older
            && old.gone_since == record.gone_since
    });
    if let Some(old) = old.filter(|_| same) {
        record.updated_at = old.updated_at;
    }
    record.dated = old.map(|old| states::dated(old, &record, stale, rules)).unwrap_or_default();
    (record, !same)
}

/// The names of what a person has to decide, as the snapshot calls it. A contact that is made anew has no conflicts.
pub(crate) fn withheld(link: &Link, rules: &RuleSet) -> BTreeSet<String> {
    let contested = link.conflicts.keys().filter(|_| link.remote_id.is_some());
    contested.filter_map(|local| rules.rule_of(local)).filter_map(key_of).collect()
}

/// The name of a rule's value in a snapshot.
#[must_use]
pub fn key_of(rule: &FieldRule) -> Option<String> {
    match rule.target {
        Target::Field => rule.remote.clone(),
        Target::Tags => Some(TAGS.to_owned()),
        Target::Stage => Some(STAGE.to_owned()),
        Target::Segments | Target::None => None,
    }
}

/// The addresses that the new state does without.
pub(super) fn given_up(old: Option<&Record>, new: &Record) -> Vec<Identity> {
    let held = old.into_iter().flat_map(Record::addresses);
    held.filter(|held| !new.addresses().any(|kept| kept == *held)).map(Email::identity).collect()
}

/// What shall stand on the platform, what shall be blank there, and what could not be mapped.
pub(crate) fn wanted(
    record: &Record,
    consent: &ConsentLedger,
    book: &Rulebook<'_>,
) -> (BTreeMap<String, Value>, Vec<String>, Vec<FieldIssue>) {
    let told = with_consent(record, consent, book.rules);
    let Mapped { fields, cleared, mut tags, stage, issues } =
        mapping::map(&told, book.rules, book.vocabulary, book.catalog);
    let gone_tag = book.situations.when_gone().tag().filter(|_| record.gone_since.is_some());
    tags.extend(gone_tag.map(str::to_owned));
    // Tags are a set: another order is no change.
    tags.sort();
    let mut wanted = fields;
    if book.rules.speaks_of_tags(&record.fields) || gone_tag.is_some() {
        wanted.insert(TAGS.to_owned(), json!(tags));
    }
    if let Some(stage) = stage {
        wanted.insert(STAGE.to_owned(), json!(stage));
    }
    if consent.opted_out() {
        wanted.insert(MAIL.to_owned(), json!(FORBIDDEN));
    }
    (wanted, cleared.into_iter().collect(), issues)
}

/// The record with what stands of being mailed, by its rule's local name.
fn with_consent(record: &Record, consent: &ConsentLedger, rules: &RuleSet) -> Record {
    let mut told = record.clone();
    if let (Some(rule), Some(standing)) = (rules.consent(), consent.word()) {
        told.fields.insert(rule.local.clone(), json!(standing.status == ConsentStatus::OptedIn));
    }
    told
}

/// Tags that Tandem set, and that nothing speaks of any more, go.
pub(super) fn end_unspoken_tags(wanted: &mut BTreeMap<String, Value>, link: &Link) {
    if link.snapshot.contains_key(TAGS) {
        wanted.entry(TAGS.to_owned()).or_insert_with(|| json!([]));
    }
}

fn set_of(wanted: &BTreeMap<String, Value>, base: Option<&BTreeMap<String, Value>>) -> BTreeMap<String, Value> {
    match base {
        None => wanted.clone(),
        Some(base) => mapping::changed(wanted, base),
    }
}

fn clear_of(wanted: Vec<String>, base: Option<&BTreeMap<String, Value>>) -> Vec<String> {
    match base {
        None => wanted,
        Some(base) => wanted.into_iter().filter(|name| base.get(name) != Some(&Value::Null)).collect(),
    }
}

fn enrolment(book: &Rulebook<'_>, fields: &Fields, consent: &ConsentLedger, link: &Link) -> Option<String> {
    let rule = book.enrolment?;
    let is_enrolled = link.associations.contains(&Association::Campaign(rule.campaign.clone()));
    (!is_enrolled && rule.takes(fields, consent)).then(|| rule.campaign.clone())
}
