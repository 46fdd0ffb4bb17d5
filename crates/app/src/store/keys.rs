//! Every key format of the table.
//!
//! A partition key starts with its owner: `I#tenant#integration#…` for what belongs to one integration, `T#tenant#…` for
//! what all integrations of a tenant share, `K#…` for API keys, which are looked up before the tenant is known, `W#…` for
//! the public ids of webhooks, and `tenants` for the list of tenants. Names of
//! tenants and integrations can't hold a `#`, and text from outside only stands last, so no two things share a key.

mod admin;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use sha2::{Digest, Sha256};
use tandem_core::automation::event::Customer;
use tandem_core::domain::identity::{Identity, IdentityKind, RecordKey};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::{Scope, TenantId};
use tandem_core::jobs::message::MembershipList;
use tandem_core::ports::Feed;
use tandem_core::ports::place::TimePlace;

pub use admin::{
    api_key_name, api_key_name_partition, audit, audit_partition, gone_tenant, integration, integration_name,
    integration_name_partition, integration_partition, public_id, tenant, tenant_partition,
};

/// The primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
}

/// The sort key of a record in its partition.
pub const RECORD: &str = "record";
/// The sort key of a link in its record's partition.
pub const LINK: &str = "link";
/// What the sort keys of a contact's events begin with.
pub const EVENTS: &str = "event#";

/// Into how many partitions the application's rows are spread, by the first digit of the digest of their id.
pub const ROW_SHARDS: usize = 16;

/// The longest id that stands in a sort key as it is, in bytes; DynamoDB takes 1,024 with what stands before it.
const LONGEST_ID: usize = 200;

fn key(pk: String, sk: impl Into<String>) -> Key {
    Key { pk, sk: sk.into() }
}

fn of_integration(scope: &Scope, rest: &str) -> String {
    format!("I#{}#{}#{rest}", scope.tenant, scope.integration)
}

fn of_tenant(tenant: &TenantId, rest: &str) -> String {
    format!("T#{tenant}#{rest}")
}

/// The partition that holds a record and its link.
#[must_use]
pub fn record_partition(scope: &Scope, record: &RecordKey) -> String {
    of_integration(scope, &format!("record#{}", record.as_str()))
}

/// A record.
#[must_use]
pub fn record(scope: &Scope, record: &RecordKey) -> Key {
    key(record_partition(scope, record), RECORD)
}

/// A record's link and lease.
#[must_use]
pub fn link(scope: &Scope, record: &RecordKey) -> Key {
    key(record_partition(scope, record), LINK)
}

/// What the source of a record was last told.
#[must_use]
pub fn feedback(scope: &Scope, record: &RecordKey) -> Key {
    key(record_partition(scope, record), "feedback")
}

/// The partition that lists the records with a field that a person has to decide.
#[must_use]
pub fn contested_partition(scope: &Scope) -> String {
    of_integration(scope, "contested")
}

/// A record in the list of those with a field that a person has to decide.
#[must_use]
pub fn contested(scope: &Scope, record: &RecordKey) -> Key {
    key(contested_partition(scope), record.as_str())
}

/// The pointer from an identity to its record.
#[must_use]
pub fn identity(scope: &Scope, identity: &Identity) -> Key {
    let kind = match identity.kind() {
        IdentityKind::Email => "email",
        IdentityKind::External => "external",
    };
    key(of_integration(scope, &format!("identity#{kind}#{}", identity.digest())), "pointer")
}

/// The pointer from a contact of the platform to its record.
#[must_use]
pub fn remote(scope: &Scope, id: &RemoteId) -> Key {
    key(of_integration(scope, &format!("remote#{id}")), "pointer")
}

/// The newest wish about a contact's membership of a list.
#[must_use]
pub fn membership_wish(scope: &Scope, contact: &RemoteId, list: &MembershipList) -> Key {
    let list = match list {
        MembershipList::Campaign(id) => format!("campaign#{id}"),
        MembershipList::Segment(id) => format!("segment#{id}"),
    };
    key(of_integration(scope, &format!("wish#{contact}")), list)
}

/// The consent ledger of an address. It belongs to the tenant: an opt-out reaches all integrations.
#[must_use]
pub fn consent(tenant: &TenantId, email: &Identity) -> Key {
    key(of_tenant(tenant, &format!("consent#{}", email.digest())), "email")
}

/// The access token of an integration and the lock on fetching one.
#[must_use]
pub fn token(scope: &Scope) -> Key {
    key(of_integration(scope, "platform"), "token")
}

/// What is known of the platform's budget of calls.
#[must_use]
pub fn budget(scope: &Scope) -> Key {
    key(of_integration(scope, "platform"), "budget")
}

/// How the platform spells what it refused in the expected spelling.
#[must_use]
pub fn spellings(scope: &Scope) -> Key {
    key(of_integration(scope, "platform"), "spellings")
}

/// Until when a platform that does not answer is not called.
#[must_use]
pub fn circuit(scope: &Scope) -> Key {
    key(of_integration(scope, "platform"), "circuit")
}

/// The platform's answer to the last health check.
#[must_use]
pub fn health(scope: &Scope) -> Key {
    key(of_integration(scope, "platform"), "health")
}

/// The platform's list of fields.
#[must_use]
pub fn catalog(scope: &Scope) -> Key {
    key(of_integration(scope, "platform"), "catalog")
}

/// How far a feed of the platform was read.
#[must_use]
pub fn cursor(scope: &Scope, feed: Feed) -> Key {
    let feed = match feed {
        Feed::DoNotContact => "do-not-contact",
        Feed::Opens => "opens",
        Feed::Hits => "hits",
        Feed::Forms => "forms",
        Feed::Audit => "audit",
    };
    key(of_integration(scope, "platform"), format!("cursor#{feed}"))
}

/// How many partitions the marks of an integration are spread over: DynamoDB takes 1,000 write units a second of each.
pub const MARK_SHARDS: usize = 4;

/// A partition of the marks of records whose platform has to be brought up to them.
#[must_use]
pub fn mark_partition(scope: &Scope, shard: usize) -> String {
    of_integration(scope, &format!("marks#{shard}"))
}

/// The mark of a record.
#[must_use]
pub fn mark(scope: &Scope, record: &RecordKey) -> Key {
    let shard = record.as_str().bytes().map(usize::from).sum::<usize>() % MARK_SHARDS;
    key(mark_partition(scope, shard), record.as_str())
}

/// The lease and the state of an integration's runs.
#[must_use]
pub fn run_state(scope: &Scope) -> Key {
    key(of_integration(scope, "runs"), "state")
}

/// The partition of the logs of an integration's runs.
#[must_use]
pub fn run_partition(scope: &Scope) -> String {
    of_integration(scope, "run-logs")
}

/// The log of a run. Ids are time-ordered.
#[must_use]
pub fn run_log(scope: &Scope, run: &str) -> Key {
    key(run_partition(scope), run)
}

/// The partition of what is wrong with the rows of a run.
#[must_use]
pub fn run_issues_partition(scope: &Scope, run: &str) -> String {
    of_integration(scope, &format!("run-issues#{run}"))
}

/// A part of it.
#[must_use]
pub fn run_issues(scope: &Scope, run: &str, part: &str) -> Key {
    key(run_issues_partition(scope, run), part)
}

/// The partition of a generation of the rows that are known.
#[must_use]
pub fn roster_partition(scope: &Scope, generation: u64) -> String {
    of_integration(scope, &format!("roster#{generation}"))
}

/// A part of a roster, named by a digest of what it holds.
#[must_use]
pub fn roster(scope: &Scope, generation: u64, part: &str) -> Key {
    key(roster_partition(scope, generation), part)
}

/// A stored delivery, by the digest of its bytes.
#[must_use]
pub fn delivery(scope: &Scope, digest: &str) -> Key {
    key(of_integration(scope, &format!("delivery#{digest}")), "head")
}

/// A part of a delivery that is too large for one item.
#[must_use]
pub fn delivery_part(scope: &Scope, digest: &str, number: u32) -> Key {
    key(of_integration(scope, &format!("delivery#{digest}")), format!("part#{number:05}"))
}

/// The partition that lists the deliveries which nobody finished with.
#[must_use]
pub fn unfinished_partition(scope: &Scope) -> String {
    of_integration(scope, "unfinished")
}

/// A delivery in the list of those which nobody finished with.
#[must_use]
pub fn unfinished(scope: &Scope, digest: &str) -> Key {
    key(unfinished_partition(scope), digest)
}

/// The partition of what is known of a contact of the platform: its events and what follows from them.
#[must_use]
pub fn ledger_partition(scope: &Scope, contact: &RemoteId) -> String {
    of_integration(scope, &format!("ledger#{contact}"))
}

/// An event of a contact, by the platform's name for it. The marks `n` and `h` keep a name from passing for a digest.
#[must_use]
pub fn event(scope: &Scope, contact: &RemoteId, natural_id: &str) -> Key {
    let name = if natural_id.len() <= LONGEST_ID {
        format!("n#{natural_id}")
    } else {
        format!("h#{}", hex::encode(Sha256::digest(natural_id.as_bytes())))
    };
    key(ledger_partition(scope, contact), format!("{EVENTS}{name}"))
}

/// What follows from a contact's events.
#[must_use]
pub fn standing(scope: &Scope, contact: &RemoteId) -> Key {
    key(ledger_partition(scope, contact), "standing")
}

/// What the platform was last seen to hold of a contact.
#[must_use]
pub fn observed(scope: &Scope, contact: &RemoteId) -> Key {
    key(ledger_partition(scope, contact), "observed")
}

/// The mark that the source has to be told about a contact.
#[must_use]
pub fn write_back_mark(scope: &Scope, contact: &RemoteId) -> Key {
    key(ledger_partition(scope, contact), "write-back")
}

/// The partition of a tenant's parked jobs.
#[must_use]
pub fn parked_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "parked")
}

/// A parked job. Job ids are time-ordered, so the partition lists the oldest job first.
#[must_use]
pub fn parked(tenant: &TenantId, job: &str) -> Key {
    key(parked_partition(tenant), job)
}

/// The stored answer to an idempotent call, by the digest of the caller's key.
#[must_use]
pub fn answer(tenant: &TenantId, digest: &str) -> Key {
    key(of_tenant(tenant, &format!("idempotency#{digest}")), "answer")
}

/// An API key, by the hash of its secret.
#[must_use]
pub fn api_key(hash: &str) -> Key {
    key(format!("K#{hash}"), "key")
}

/// The partition that lists a tenant's API keys.
#[must_use]
pub fn api_key_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "api-keys")
}

/// An API key in its tenant's list.
#[must_use]
pub fn listed_api_key(tenant: &TenantId, hash: &str) -> Key {
    key(api_key_partition(tenant), hash)
}

/// What stands in keys for the id of an application's row, which may be anything: 128 bits of SHA-256, in hex.
#[must_use]
pub fn row_digest(id: &str) -> String {
    let digest = Sha256::digest(id.as_bytes());
    hex::encode(&digest[..16])
}

/// The shard that a row belongs to.
#[must_use]
pub fn row_shard_of(digest: &str) -> usize {
    digest.get(..1).and_then(|digit| usize::from_str_radix(digit, 16).ok()).unwrap_or(0)
}

/// A partition of the application's rows, in the order of their digests.
#[must_use]
pub fn row_shard(scope: &Scope, shard: usize) -> String {
    of_integration(scope, &format!("rows#{shard:x}"))
}

/// A row of the application.
#[must_use]
pub fn row(scope: &Scope, digest: &str) -> Key {
    key(row_shard(scope, row_shard_of(digest)), digest)
}

/// The name of the month (in UTC) whose partition holds the rows that arrived at this moment.
#[must_use]
pub fn month(arrival: Timestamp) -> String {
    arrival.to_zoned(TimeZone::UTC).strftime("%Y-%m").to_string()
}

/// The partition of the rows whose newest state arrived in a month, in the order of their arrival.
#[must_use]
pub fn arrivals(scope: &Scope, month: &str) -> String {
    of_integration(scope, &format!("arrivals#{month}"))
}

/// A row among those that arrived in its month.
#[must_use]
pub fn arrival(scope: &Scope, arrival: Timestamp, digest: &str) -> Key {
    key(arrivals(scope, &month(arrival)), format!("{}#{digest}", sortable(arrival)))
}

/// What stands after everything that arrived before this moment, and after the row of this digest that arrived at it.
#[must_use]
pub fn behind_arrival(arrival: Timestamp, digest: Option<&str>) -> String {
    format!("{}#{}", sortable(arrival), digest.unwrap_or_default())
}

/// The months in which rows arrived.
#[must_use]
pub fn arrival_months(scope: &Scope) -> Key {
    key(of_integration(scope, "arrivals"), "months")
}

/// Microseconds as text that sorts as they do; moments before 1970, in which nothing arrived, are taken for its beginning.
fn sortable(moment: Timestamp) -> String {
    format!("{:018}", moment.as_microsecond().max(0))
}

/// The months (in UTC) from the one of `newest` down to the one of `oldest`, by name, the newest first.
#[must_use]
pub fn months_down(newest: Timestamp, oldest: Timestamp) -> Vec<String> {
    let first_of_month = |moment: Timestamp| moment.to_zoned(TimeZone::UTC).date().first_of_month();
    let (mut month, oldest) = (first_of_month(newest), first_of_month(oldest));
    let mut months = Vec::new();
    while month >= oldest {
        months.push(month.strftime("%Y-%m").to_string());
        match month.checked_sub(Span::new().months(1)) {
            Ok(before) => month = before,
            Err(_) => break,
        }
    }
    months
}

/// The partition of what was written to the platform in a month.
#[must_use]
pub fn operation_partition(scope: &Scope, month: &str) -> String {
    of_integration(scope, &format!("operations#{month}"))
}

/// Where something stands in a list that is ordered by time.
#[must_use]
pub fn time_place(place: &TimePlace) -> String {
    format!("{}#{}", sortable(place.at), place.name)
}

/// What stands behind a place, and before every later one: names hold nothing that comes after `~`.
#[must_use]
pub fn behind_place(place: &TimePlace) -> String {
    format!("{}~", time_place(place))
}

/// The place that a sort key names.
#[must_use]
pub fn place_of(sk: &str) -> Option<TimePlace> {
    let (at, name) = sk.split_once('#')?;
    Some(TimePlace { at: Timestamp::from_microsecond(at.parse().ok()?).ok()?, name: name.to_owned() })
}

/// A pack of operations.
#[must_use]
pub fn operation_pack(scope: &Scope, place: &TimePlace) -> Key {
    key(operation_partition(scope, &month(place.at)), time_place(place))
}

/// The partition of what came from platforms in a month, for the application to read.
#[must_use]
pub fn change_partition(tenant: &TenantId, month: &str) -> String {
    of_tenant(tenant, &format!("changes#{month}"))
}

/// A change that came from a platform.
#[must_use]
pub fn change(tenant: &TenantId, place: &TimePlace) -> Key {
    key(change_partition(tenant, &month(place.at)), time_place(place))
}

/// What stands in keys for the id of a lifecycle event, which its sender chose: 128 bits of SHA-256, in hex.
#[must_use]
pub fn event_digest(id: &str) -> String {
    row_digest(id)
}

/// A lifecycle event.
#[must_use]
pub fn lifecycle_event(scope: &Scope, digest: &str) -> Key {
    key(of_integration(scope, &format!("event#{digest}")), "event")
}

/// The partition that lists the events of which it is not known that they reached the queue.
#[must_use]
pub fn unqueued_partition(scope: &Scope) -> String {
    of_integration(scope, "unqueued")
}

/// An event in the list of those of which it is not known that they reached the queue.
#[must_use]
pub fn unqueued(scope: &Scope, digest: &str) -> Key {
    key(unqueued_partition(scope), digest)
}

/// The name of the day (in UTC) whose partition lists the events that came then.
#[must_use]
pub fn day(received: Timestamp) -> String {
    received.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d").to_string()
}

/// The partition that lists the events of a day.
#[must_use]
pub fn event_log_partition(scope: &Scope, day: &str) -> String {
    of_integration(scope, &format!("event-log#{day}"))
}

/// An event in the list of its day, in the order of arrival.
#[must_use]
pub fn event_log(scope: &Scope, received: Timestamp, digest: &str) -> Key {
    key(event_log_partition(scope, &day(received)), format!("{}#{digest}", sortable(received)))
}

/// The partition of what is remembered of a user's events.
#[must_use]
pub fn subject_partition(scope: &Scope, record: &RecordKey) -> String {
    of_integration(scope, &format!("lifecycle#{}", record.as_str()))
}

/// What is remembered of a user's events.
#[must_use]
pub fn subject(scope: &Scope, record: &RecordKey) -> Key {
    key(subject_partition(scope, record), "subject")
}

/// What the sort keys of a user's events begin with.
pub const SUBJECT_EVENTS: &str = "event#";

/// An event in the list of its user, in the order in which events happened.
#[must_use]
pub fn subject_event(scope: &Scope, record: &RecordKey, at: Timestamp, digest: &str) -> Key {
    key(subject_partition(scope, record), format!("{SUBJECT_EVENTS}{}#{digest}", sortable(at)))
}

/// The pointer from a payment provider's customer to a record.
#[must_use]
pub fn customer(scope: &Scope, customer: &Customer) -> Key {
    key(of_integration(scope, &format!("customer#{}", row_digest(&customer.key()))), "pointer")
}

/// The right to make a list of the platform that is missing, by the list's name.
#[must_use]
pub fn list_lock(scope: &Scope, name: &str) -> Key {
    key(of_integration(scope, "platform"), format!("making#{}", row_digest(name)))
}

/// The note that the person with an identity was deleted.
#[must_use]
pub fn grave(scope: &Scope, identity: &Identity) -> Key {
    let kind = match identity.kind() {
        IdentityKind::Email => "email",
        IdentityKind::External => "external",
    };
    key(of_integration(scope, &format!("gone#{kind}#{}", identity.digest())), "gone")
}

/// The note that the person was deleted whose contact of the platform this was.
#[must_use]
pub fn contact_grave(scope: &Scope, contact: &RemoteId) -> Key {
    key(of_integration(scope, &format!("gone#contact#{}", row_digest(&contact.0))), "gone")
}

/// The partition of the mapping sets of an integration.
#[must_use]
pub fn mappings_partition(scope: &Scope) -> String {
    of_integration(scope, "mappings")
}

/// The partition of a tenant's lifecycle rules.
#[must_use]
pub fn lifecycle_rules_partition(tenant: &TenantId) -> String {
    of_tenant(tenant, "rules")
}

/// Which version of a partition's document counts.
#[must_use]
pub fn version_head(partition: String) -> Key {
    key(partition, "head")
}

/// What the sort keys of versions begin with.
pub const VERSIONS: &str = "version#";

/// A version of a partition's document; versions sort by their numbers.
#[must_use]
pub fn version(partition: String, number: u64) -> Key {
    key(partition, format!("{VERSIONS}{number:06}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(tenant: &str, integration: &str) -> Scope {
        Scope { tenant: tenant.to_owned().try_into().unwrap(), integration: integration.to_owned().try_into().unwrap() }
    }

    #[test]
    fn two_tenants_and_two_integrations_never_share_a_key() {
        let id = RemoteId("7".to_owned());
        let keys = [("a", "b"), ("b", "a"), ("a-b", "b"), ("a", "b-b")].map(|(t, i)| remote(&scope(t, i), &id));
        let distinct: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }

    #[test]
    fn an_id_of_any_length_makes_a_short_key_and_none_passes_for_another() {
        let scope = scope("a", "b");
        let contact = RemoteId("7".to_owned());
        let long = event(&scope, &contact, &"x".repeat(5_000));
        assert!(long.sk.len() < 1_024);
        assert_ne!(long, event(&scope, &contact, &"x".repeat(5_001)));
        assert_ne!(long, event(&scope, &contact, long.sk.trim_start_matches("event#h#")));
    }

    #[test]
    fn arrivals_sort_by_time_and_then_by_row() {
        let scope = scope("a", "b");
        let at = |micros: i64| Timestamp::from_microsecond(micros).unwrap();
        let rising = [(-5, "f"), (1, "0"), (1, "1"), (999_999, "0"), (1_000_000, "0"), (1_795_000_000_000_000, "0")];
        let keys = rising.map(|(micros, digest)| arrival(&scope, at(micros), digest).sk);
        assert!(keys.is_sorted_by(|one, other| one < other), "{keys:?}");
        assert!(behind_arrival(at(1), None) < keys[1] && behind_arrival(at(1), Some("0")) == keys[1]);
    }

    #[test]
    fn text_from_outside_can_not_reach_another_key() {
        let scope = scope("a", "b");
        let odd = RemoteId("7#x".to_owned());
        let list = MembershipList::Segment("1".to_owned());
        let other = MembershipList::Segment("x#segment#1".to_owned());
        assert_ne!(membership_wish(&scope, &odd, &list), membership_wish(&scope, &RemoteId("7".to_owned()), &other));
    }
}
