//! What has to be written to the platform, worked out from what was read. Pure: no I/O, no clock, no chance.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::domain::catalog::FieldCatalog;
use crate::domain::consent::{ConsentEntry, ConsentLedger, ConsentOutcome, ConsentStatus};
use crate::domain::identity::{Email, Identity, RecordKey};
use crate::domain::issue::{FieldIssue, IssueCode};
use crate::domain::link::{Lease, Link, RemoteId};
use crate::domain::platform::RemoteContact;
use crate::domain::platform::{ContactWrite, DoNotContact};
use crate::domain::record::{Fields, Record};
use crate::mapping::rules::Target;
use crate::mapping::{self, FieldRule, Mapped, RuleSet, Vocabulary};
use crate::ports::Stored;

use super::change::{ContactChange, Subject, Visitor};
use super::conflict::MERGED;
use super::enrolment::Enrolment;
use super::left_out::{self, Refusals};
use super::segments;
use super::states::{self, Taken};
use super::vanished::Vanished;

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
    /// What becomes of a contact whose record the application does not have any more.
    pub vanished: &'a Vanished,
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

/// A whole write, planned: the record's new state and what the platform must be told.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The record's key.
    pub key: RecordKey,
    /// Its new state.
    pub record: Record,
    /// Whether the new state differs from the stored one.
    pub record_changed: bool,
    /// The link as stored, or a new one.
    pub link: Link,
    /// Whether the link is stored already.
    pub link_known: bool,
    /// Who writes the contact just now.
    pub lease: Option<Lease>,
    /// The consent ledger after the change.
    pub consent: ConsentLedger,
    /// Whether the ledger changed.
    pub consent_changed: bool,
    /// Whether the person opted in again, now or by a word that stands and was not carried out: mail may be allowed there.
    pub opted_in_by_person: bool,
    /// Identities to claim.
    pub claim: Vec<Identity>,
    /// The address to give up when the write succeeds.
    pub release: Option<Identity>,
    /// What shall stand on the platform, by its field names and the `@` keys of this module.
    pub wanted: BTreeMap<String, Value>,
    /// Fields to blank there.
    pub clear: Vec<String>,
    /// What differs from what was last sent.
    pub set: BTreeMap<String, Value>,
    /// Names of [`Draft::wanted`] that are not written: both sides changed them, and a person has to choose.
    pub withheld: BTreeSet<String>,
    /// Values of [`Draft::wanted`] that are not written: the platform would refuse them again.
    pub(crate) refused: Refusals,
    /// The segments that the contact shall be in; `None` when the record says nothing of segments.
    pub segments: Option<BTreeSet<String>>,
    /// The campaign to put the contact into.
    pub enrol: Option<String>,
    /// The visitor that the person was.
    pub visitor: Option<Visitor>,
    /// All issues, for the caller.
    pub issues: Vec<FieldIssue>,
}

impl Draft {
    /// Whether the platform has all of it already and the table too.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.platform_is_settled() && !self.record_changed && !self.consent_changed && self.claim.is_empty()
    }

    /// Whether the platform has all of it already.
    #[must_use]
    pub fn platform_is_settled(&self) -> bool {
        self.link.base().is_some()
            && self.link.remote_id.is_some()
            && self.set.is_empty()
            && self.clear.is_empty()
            && self.enrol.is_none()
            && !self.visitor_is_news()
            && !self.may_allow_mail()
    }

    /// Whether the write may have to allow mail again: by the person's opt-in, or by any yes where mail was forbidden because it
    /// was unclear. No opt-out gives way to a record's yes: then none stands.
    #[must_use]
    pub fn may_allow_mail(&self) -> bool {
        self.opted_in_by_person || self.link.snapshot.contains_key(MAIL) && self.consent.opted_in()
    }

    /// The segments to put the contact into, and those to take it out of.
    #[must_use]
    pub fn segment_changes(&self) -> (Vec<String>, Vec<String>) {
        let Some(wanted) = &self.segments else { return (Vec::new(), Vec::new()) };
        let held = &self.link.segments;
        (wanted.difference(held).cloned().collect(), held.difference(wanted).cloned().collect())
    }

    /// Whether the contact is to be put into segments, or taken out of some.
    #[must_use]
    pub fn has_open_memberships(&self) -> bool {
        self.segments.as_ref().is_some_and(|wanted| *wanted != self.link.segments)
    }

    /// The contact on the platform, when it is known.
    #[must_use]
    pub fn remote_id(&self) -> Option<&RemoteId> {
        self.link.remote_id.as_ref()
    }

    /// An earlier writer began to create the contact and did not say how it ended.
    #[must_use]
    pub fn may_have_been_created(&self) -> bool {
        self.link_known && self.link.remote_id.is_none() && !self.link.unmade
    }

    fn visitor_is_news(&self) -> bool {
        self.visitor.is_some() && self.link.remote_id.is_none()
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
    let link_known = stored.link.is_some();
    let link = left_out::trusted(stored.link.unwrap_or_else(|| Link::new(now)), book);
    let opted_in_by_person = opted_in_by_person || opt_in_is_unfinished(&consent, &link);
    let (mut wanted, clear_wanted, mapped_issues) = wanted(&record, &consent, book);
    issues.extend(mapped_issues);
    end_unspoken_tags(&mut wanted, &link);
    let segments = segments::wanted(&record, book.rules);
    issues.extend(segments.issues);
    let withheld = withheld(&link, book.rules);
    let refused = left_out::standing(&link, &wanted, book.catalog, now);
    issues.extend(refused.iter().map(|(name, refusal)| left_out::issue(name, refusal, book.rules)));
    let mut set = set_of(&wanted, link.base());
    set.retain(|name, _| !withheld.contains(name) && !refused.contains_key(name));
    let mut clear = clear_of(clear_wanted, link.base());
    clear.retain(|name| !withheld.contains(name));
    let enrol = enrolment(book, &record.fields, &consent, &link);
    Draft {
        key,
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
        wanted,
        clear,
        set,
        withheld,
        refused,
        segments: segments.names,
        enrol,
        visitor: change.visitor.clone(),
        issues,
    }
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
        Subject::Person { .. } | Subject::Known(_) => None,
    };
    let awaited = given_address.awaited_after(old, stale);
    let email = given_address.email.filter(|_| !stale || old.is_none_or(|old| old.email.is_none()));
    let Taken { fields, overlaid, older } = states::taken(change, old, rules, now);
    let mut record = Record {
        external_id: given.or_else(|| old.and_then(|old| old.external_id.clone())),
        email: email.or_else(|| old.and_then(|old| old.email.clone())),
        awaited,
        fields,
        updated_at: now,
        version: old.map_or(0, |old| old.version) + 1,
        gone_since: match change.subject {
            // It is there again, or never was gone.
            Subject::Person { .. } => None,
            Subject::Known(_) => old.and_then(|old| old.gone_since),
        },
        said: old.map(|old| old.said.clone()).unwrap_or_default(),
        overlaid,
        older,
    };
    let overlaid = &record.overlaid;
    record.said.retain(|local, _| overlaid.contains_key(local));
    let same = old.is_some_and(|old| {
        old.external_id == record.external_id
            && old.email == record.email
            && old.awaited == record.awaited
            && old.fields == record.fields
            && old.overlaid == record.overlaid
            && old.older == record.older
            && old.gone_since == record.gone_since
    });
    if let Some(old) = old.filter(|_| same) {
        record.updated_at = old.updated_at;
    }
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

fn given_up(old: Option<&Record>, new: &Record) -> Option<Identity> {
    let old = old?.email.as_ref()?;
    (new.email.as_ref() != Some(old)).then(|| old.identity())
}

/// What shall stand on the platform, what shall be blank there, and what could not be mapped.
pub(crate) fn wanted(
    record: &Record,
    consent: &ConsentLedger,
    book: &Rulebook<'_>,
) -> (BTreeMap<String, Value>, Vec<String>, Vec<FieldIssue>) {
    let mut told = record.clone();
    if let (Some(rule), Some(standing)) = (book.rules.consent(), consent.word()) {
        told.fields.insert(rule.local.clone(), json!(standing.status == ConsentStatus::OptedIn));
    }
    let Mapped { fields, cleared, mut tags, stage, issues } =
        mapping::map(&told, book.rules, book.vocabulary, book.catalog);
    let gone_tag = book.vanished.tag().filter(|_| record.gone_since.is_some());
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
    (!link.campaigns.contains(&rule.campaign) && rule.takes(fields, consent)).then(|| rule.campaign.clone())
}

/// The write that brings the platform from what was last sent (`base`) to `values`. `consent` says why mail is forbidden.
#[must_use]
pub fn contact_write(
    values: &BTreeMap<String, Value>,
    base: &BTreeMap<String, Value>,
    consent: &ConsentLedger,
) -> ContactWrite {
    let fields = values.iter().filter(|(name, _)| !name.starts_with('@'));
    let forbid = values.get(MAIL).map(|_| DoNotContact::of_opt_out(consent.standing()));
    ContactWrite {
        fields: fields.map(|(name, value)| (name.clone(), value.clone())).collect(),
        tags: tag_changes(values.get(TAGS), base.get(TAGS)),
        forbid_mail: forbid,
        stage: values.get(STAGE).and_then(Value::as_str).map(str::to_owned),
    }
}

/// Mail turned out to be forbidden there.
pub fn note_forbidden(wanted: &mut BTreeMap<String, Value>) {
    wanted.insert(MAIL.to_owned(), json!(FORBIDDEN));
}

/// Tags to add as they are, tags to take away with a leading `-`.
fn tag_changes(now: Option<&Value>, before: Option<&Value>) -> Vec<String> {
    let Some(now) = now else { return Vec::new() };
    let (now, before) = (texts(Some(now)), texts(before));
    let gone = before.iter().filter(|tag| !now.contains(tag)).map(|tag| format!("-{tag}"));
    let new = now.iter().filter(|tag| !before.contains(tag)).map(|tag| (*tag).to_owned());
    gone.chain(new).collect()
}

fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).map(|list| list.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
}

/// Notes on the link that the draft's write succeeded: all that was wanted but for what the platform did not take (`refused`
/// names what it refused, `left_out` what is to be remembered), the blanks as `null`. What a person has to decide, and what was
/// refused, keeps the value that both sides last agreed on. `contact` is the platform's answer.
pub(crate) fn note_written(
    link: &mut Link,
    draft: &Draft,
    refused: &[String],
    left_out: Refusals,
    contact: &RemoteContact,
) {
    let is_left_out = |name: &String| refused.contains(name) || left_out.contains_key(name);
    let is_kept = |name: &String| {
        let is_lost = left_out.get(name).is_some_and(|refusal| refusal.code == IssueCode::MissingOnPlatform);
        draft.withheld.contains(name) || is_left_out(name) && !is_lost && !name.starts_with('@')
    };
    let mut sent = draft.wanted.clone();
    sent.extend(draft.clear.iter().map(|name| (name.clone(), Value::Null)));
    sent.retain(|name, _| !is_left_out(name) && !draft.withheld.contains(name));
    // What is known to be blank stays so: or it would be cleared once more.
    let stays =
        link.snapshot.iter().filter(|(name, value)| is_kept(name) || value.is_null() && !sent.contains_key(*name));
    let stays: Vec<_> = stays.map(|(name, value)| (name.clone(), value.clone())).collect();
    sent.extend(stays);
    link.snapshot = sent;
    link.refused = left_out;
    link.unmade = false;
    if draft.withheld.is_empty() {
        link.conflicts.clear();
    }
    note_stage(link, contact);
    link.seen.remove(MERGED);
    link.state = link.settled_state();
    link.error = None;
}

/// A stage of that name is there: from now on it is what the platform was last seen to hold.
fn note_stage(link: &mut Link, contact: &RemoteContact) {
    let sent = link.snapshot.get(STAGE).and_then(Value::as_str);
    if let (Some(sent), Some(shown)) = (sent, &contact.stage)
        && sent.trim().eq_ignore_ascii_case(shown.trim())
    {
        link.seen.insert(STAGE.to_owned(), json!(shown));
    }
}

/// A digest of what shall stand on the platform, in hex.
#[must_use]
pub fn digest(wanted: &BTreeMap<String, Value>) -> String {
    let text = serde_json::to_string(wanted).unwrap_or_default();
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}
