//! All tables of a simulated Mautic, and the look-ups over them.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::{
    auth::Actor,
    clock, fields, php,
    rows::{
        Activity, Address, Audit, Authorship, Campaign, Company, Contact, DoNotContact, Email, EmailStat, Field, Form,
        Hook, Merged, PageHit, QueuedEvent, Redirect, Segment, Stage, Submission, Tag, Token, WebhookLog,
    },
    table::{Journaled, Table},
    version::MauticVersion,
};

const SEED_FIELDS: &str = include_str!("../../data/fields.json");

/// The database.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) version: MauticVersion,
    /// How far its clock is ahead of the machine's.
    pub(crate) ahead: SignedDuration,
    /// The moment at which the clock stands, while something is changed.
    stopped_at: Option<Timestamp>,
    contacts: Table<Contact>,
    /// Contacts by lower-cased address; several where the race made duplicates.
    by_email: HashMap<String, BTreeSet<u64>>,
    pub(crate) merged: Table<Merged>,
    pub(crate) fields: Table<Field>,
    pub(crate) tags: Table<Tag>,
    pub(crate) segments: Table<Segment>,
    pub(crate) campaigns: Table<Campaign>,
    pub(crate) companies: Table<Company>,
    pub(crate) stages: Table<Stage>,
    pub(crate) emails: Table<Email>,
    pub(crate) forms: Table<Form>,
    pub(crate) hooks: Table<Hook>,
    pub(crate) queue: Table<QueuedEvent>,
    pub(crate) webhook_logs: Table<WebhookLog>,
    pub(crate) dnc: Table<DoNotContact>,
    pub(crate) email_stats: Table<EmailStat>,
    pub(crate) page_hits: Table<PageHit>,
    pub(crate) submissions: Table<Submission>,
    pub(crate) redirects: Table<Redirect>,
    pub(crate) activities: Table<Activity>,
    pub(crate) audits: Table<Audit>,
    pub(crate) tokens: Table<Token>,
    pub(crate) addresses: Table<Address>,
}

/// What was there when a call began, as the ids that came next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) contacts: u64,
    tags: u64,
    companies: u64,
}

impl Store {
    /// A freshly installed Mautic: nothing but its own fields.
    pub(crate) fn fresh(version: MauticVersion) -> Self {
        let mut store = Self { version, ..Self::default() };
        store.seed();
        store
    }

    /// Back to a fresh installation.
    pub(crate) fn reset(&mut self) {
        for (_, table) in self.tables() {
            table.clear();
        }
        self.by_email.clear();
        self.seed();
    }

    fn seed(&mut self) {
        #[derive(Deserialize)]
        struct Seed {
            id: u64,
            #[serde(flatten)]
            field: Field,
        }
        let seeds: Vec<Seed> = serde_json::from_str(SEED_FIELDS).unwrap_or_default();
        for Seed { id, field } in seeds {
            let (limit, unique) = (fields::usual_limit(&field.kind), field.alias == "email");
            self.fields.put(id, Field { order: id, limit, unique, ..field });
        }
    }

    /// The time now, by the clock of the database.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.stopped_at.unwrap_or_else(clock::now);
        now.saturating_add(self.ahead).unwrap_or(Timestamp::MAX)
    }

    /// From now on everything happens at one moment: what one change writes has one date, as in the recordings, also where the
    /// second ends in the middle of it.
    pub(crate) fn stop_clock(&mut self) {
        self.stopped_at = Some(clock::now());
    }

    /// The clock goes on.
    pub(crate) fn start_clock(&mut self) {
        self.stopped_at = None;
    }

    /// The authorship of something that somebody makes now.
    pub(crate) fn authorship(&self, actor: &Actor) -> Authorship {
        Authorship::new(actor, self.now(), self.version)
    }

    pub(crate) fn contacts(&self) -> impl DoubleEndedIterator<Item = (u64, &Contact)> {
        self.contacts.iter()
    }

    pub(crate) fn contact_count(&self) -> usize {
        self.contacts.len()
    }

    /// The contact of exactly this id.
    pub(crate) fn contact(&self, id: u64) -> Option<&Contact> {
        self.contacts.get(id)
    }

    /// The contact that answers to an id: itself, or the survivor of the merge that ended it.
    pub(crate) fn resolve(&self, id: u64) -> Option<u64> {
        if self.contacts.contains(id) {
            return Some(id);
        }
        self.merged.get(id).and_then(|merged| self.resolve(merged.into))
    }

    pub(crate) fn next_contact_id(&self) -> u64 {
        self.contacts.next_id()
    }

    /// What a call that begins now can find.
    pub(crate) fn seen(&self) -> Seen {
        Seen { contacts: self.contacts.next_id(), tags: self.tags.next_id(), companies: self.companies.next_id() }
    }

    /// Of tags and companies, only what a call found when it began is found by name, and what it makes.
    pub(super) fn look_as_of(&mut self, seen: &Seen) {
        self.tags.overlook_since(seen.tags);
        self.companies.overlook_since(seen.companies);
    }

    /// Everything is found by name again.
    pub(super) fn look_as_of_now(&mut self) {
        self.tags.overlook_nothing();
        self.companies.overlook_nothing();
    }

    pub(crate) fn put_contact(&mut self, id: u64, contact: Contact) {
        self.unindex(id);
        self.index(id, &contact);
        self.contacts.put(id, contact);
    }

    pub(crate) fn add_contact(&mut self, contact: Contact) -> u64 {
        let id = self.contacts.next_id();
        self.put_contact(id, contact);
        id
    }

    /// Changes a contact in place.
    pub(crate) fn edit_contact(&mut self, id: u64, change: impl FnOnce(&mut Contact)) {
        let Some(mut contact) = self.contacts.get(id).cloned() else { return };
        change(&mut contact);
        self.put_contact(id, contact);
    }

    pub(crate) fn remove_contact(&mut self, id: u64) -> Option<Contact> {
        self.unindex(id);
        self.contacts.remove(id)
    }

    /// Who has an address, in any letter case; the youngest first, as Mautic picks them.
    pub(crate) fn with_email(&self, email: &str) -> Vec<u64> {
        let ids = self.by_email.get(&email.to_lowercase());
        ids.map(|ids| ids.iter().rev().copied().collect()).unwrap_or_default()
    }

    /// Who has a value in a field, in any letter case; the youngest first.
    pub(crate) fn with_identifier(&self, alias: &str, value: &str) -> Vec<u64> {
        if alias == "email" {
            return self.with_email(value);
        }
        let wanted = value.to_lowercase();
        let has =
            |contact: &Contact| contact.values.get(alias).is_some_and(|held| php::text(held).to_lowercase() == wanted);
        self.contacts.iter().rev().filter(|(_, contact)| has(contact)).map(|(id, _)| id).collect()
    }

    /// Addresses that more than one contact has.
    pub(crate) fn duplicates(&self) -> Vec<(String, Vec<u64>)> {
        let several = self.by_email.iter().filter(|(_, ids)| ids.len() > 1);
        let mut found: Vec<_> = several.map(|(email, ids)| (email.clone(), ids.iter().copied().collect())).collect();
        found.sort();
        found
    }

    fn index(&mut self, id: u64, contact: &Contact) {
        if let Some(email) = contact.email() {
            self.by_email.entry(email.to_lowercase()).or_default().insert(id);
        }
    }

    fn unindex(&mut self, id: u64) {
        let Some(email) = self.contacts.get(id).and_then(Contact::email).map(str::to_lowercase) else { return };
        if let Some(ids) = self.by_email.get_mut(&email) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_email.remove(&email);
            }
        }
    }

    /// The id of a tag, made where it does not exist.
    pub(crate) fn tag_id(&mut self, name: &str) -> u64 {
        let known = self.tags.find(|tag| tag.name.eq_ignore_ascii_case(name)).map(|(id, _)| id);
        known.unwrap_or_else(|| self.tags.add(Tag { name: name.to_owned() }))
    }

    /// The id of the local address, which every tracked visit comes from.
    pub(crate) fn local_address(&mut self) -> u64 {
        const LOCAL: &str = "127.0.0.1";
        let known = self.addresses.find(|address| address.ip == LOCAL).map(|(id, _)| id);
        known.unwrap_or_else(|| self.addresses.add(Address { ip: LOCAL.into() }))
    }

    /// The fields of an object (`lead` or `company`), sorted by where they stand.
    pub(crate) fn fields_of(&self, object: &str) -> Vec<(u64, &Field)> {
        let mut fields: Vec<_> = self.fields.iter().filter(|(_, field)| field.object == object).collect();
        fields.sort_by_key(|(id, field)| (field.order, *id));
        fields
    }

    pub(crate) fn take_changes(&mut self) -> Vec<Value> {
        self.tables().into_iter().flat_map(|(name, table)| table.take_changes(name)).collect()
    }

    pub(crate) fn forget_changes(&mut self) {
        for (_, table) in self.tables() {
            table.forget_changes();
        }
    }

    pub(crate) fn all_lines(&mut self) -> Vec<Value> {
        self.tables().into_iter().flat_map(|(name, table)| table.all_lines(name)).collect()
    }

    pub(crate) fn restore(&mut self, line: &Value) {
        for (name, table) in self.tables() {
            if line["table"] == name {
                table.restore(line);
            }
        }
    }

    /// Rebuilds what is derived from the tables, after a restore.
    pub(crate) fn rebuild(&mut self) {
        self.by_email.clear();
        let emails: Vec<_> =
            self.contacts.iter().filter_map(|(id, contact)| Some((id, contact.email()?.to_lowercase()))).collect();
        for (id, email) in emails {
            self.by_email.entry(email).or_default().insert(id);
        }
    }

    fn tables(&mut self) -> [(&'static str, &mut dyn Journaled); 22] {
        [
            ("contacts", &mut self.contacts),
            ("merged", &mut self.merged),
            ("fields", &mut self.fields),
            ("tags", &mut self.tags),
            ("segments", &mut self.segments),
            ("campaigns", &mut self.campaigns),
            ("companies", &mut self.companies),
            ("stages", &mut self.stages),
            ("emails", &mut self.emails),
            ("forms", &mut self.forms),
            ("hooks", &mut self.hooks),
            ("queue", &mut self.queue),
            ("webhook_logs", &mut self.webhook_logs),
            ("dnc", &mut self.dnc),
            ("email_stats", &mut self.email_stats),
            ("page_hits", &mut self.page_hits),
            ("submissions", &mut self.submissions),
            ("redirects", &mut self.redirects),
            ("activities", &mut self.activities),
            ("audits", &mut self.audits),
            ("tokens", &mut self.tokens),
            ("addresses", &mut self.addresses),
        ]
    }
}
