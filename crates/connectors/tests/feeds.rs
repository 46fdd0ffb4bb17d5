//! Gaps are made up for: the tables of a Mautic tell what its webhooks told, by the same names.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::{Value, json};
use support::mautic_with_basic;
use support::ports::World;
use support::stub::{Reply, Stub};
use tandem_connectors::http::Http;
use tandem_connectors::mautic::webhook::MauticDeliveries;
use tandem_connectors::mautic::{Auth, Mautic, Settings};
use tandem_core::domain::engagement::EngagementKind;
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::platform::{ContactWrite, DoNotContact, DoNotContactReason};
use tandem_core::domain::scope::Scope;
use tandem_core::ports::changes::{ChangeLog, LogPlace};
use tandem_core::ports::{Feed, FeedCursor, HookCheck, MarketingPlatform, PlatformEvents};
use tandem_core::webhook::entry::{Deliveries, Entry, EntryKind};
use tandem_simulators::{MauticOptions, MauticSimulator, MauticVersion, RunningMautic};

const FEEDS: [Feed; 5] = [Feed::DoNotContact, Feed::Opens, Feed::Hits, Feed::Forms, Feed::Audit];

/// A Mautic, a client of it, and all that it called about.
struct Installation {
    running: RunningMautic,
    client: Arc<Mautic>,
    people: reqwest::Client,
    called: Arc<Mutex<Vec<Bytes>>>,
    hook: String,
}

impl Installation {
    async fn start() -> Self {
        Self::of(MauticOptions::default()).await
    }

    async fn of(options: MauticOptions) -> Self {
        let running = MauticSimulator::start(options, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let auth = Auth::ClientCredentials { id: "1_demo".to_owned(), secret: "demo-secret".to_owned() };
        let settings = Settings::new(&running.base_url(), auth).unwrap();
        let ports = World::default().ports();
        let client = Mautic::new(settings, &Scope::default_mautic(), Http::default(), &ports).unwrap();
        let called = Arc::new(Mutex::new(Vec::new()));
        let hook = receiver(Arc::clone(&called)).await;
        Self { running, client: Arc::new(client), people: reqwest::Client::new(), called, hook }
    }

    async fn person(&self, name: &str) -> RemoteId {
        let fields = [("email".to_owned(), json!(format!("{name}@example.com")))].into();
        self.client.upsert(&ContactWrite { fields, ..ContactWrite::default() }).await.unwrap().contact.id
    }

    /// Somebody does something.
    async fn engage(&self, action: &str, what: Value) {
        let url = format!("{}/_control/engage/{action}", self.running.base_url());
        let answer = self.people.post(url).json(&what).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{action}");
    }

    /// What the webhooks told.
    fn told(&self) -> Vec<Entry> {
        let called = self.called.lock().unwrap();
        called.iter().flat_map(|body| MauticDeliveries.split(body).unwrap()).map(Result::unwrap).collect()
    }

    async fn read_all(&self) -> Vec<Entry> {
        let mut entries = Vec::new();
        for feed in FEEDS {
            entries.extend(read(&self.client, feed, &mut FeedCursor::default()).await);
        }
        entries
    }
}

async fn receiver(called: Arc<Mutex<Vec<Bytes>>>) -> String {
    let receive = move |body: Bytes| async move { called.lock().unwrap().push(body) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mautic-webhook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/mautic-webhook", post(receive))).await });
    url
}

/// Reads a feed to its end.
async fn read(client: &Mautic, feed: Feed, cursor: &mut FeedCursor) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let page = client.page(feed, cursor).await.unwrap();
        entries.extend(page.entries);
        *cursor = page.next;
        if !page.more {
            return entries;
        }
    }
}

/// What is told alike by webhooks and tables: name, kind, contact, moment, email, link, echo. Moments of opt-outs are those
/// of two writes of Mautic's and may differ by a second.
fn facts(entries: &[Entry]) -> BTreeSet<String> {
    let fact = |entry: &Entry| match &entry.kind {
        EntryKind::Engagement(event) => {
            let is_listed = event.natural_id.starts_with("dnc:");
            let at = if is_listed { String::new() } else { event.at.to_string() };
            let contact = entry.contact.as_ref().unwrap();
            let rest = (&event.email, &event.url, &event.agent, &event.sent_at, entry.echo);
            Some(format!("{} {} {:?} {contact} {at} {rest:?}", event.natural_id, entry.name, event.kind))
        }
        EntryKind::Gone => Some(format!("{} {:?}", entry.name, entry.contact)),
        EntryKind::Saved { .. }
        | EntryKind::Points { .. }
        | EntryKind::Segment { .. }
        | EntryKind::Company { .. }
        | EntryKind::Noted => None,
    };
    entries.iter().filter_map(fact).collect()
}

#[tokio::test]
async fn the_tables_tell_what_the_webhooks_told_by_the_same_names() {
    let mautic = Installation::start().await;
    assert_eq!(mautic.client.guard_hook(&mautic.hook, "s3cret").await.unwrap().check, HookCheck::Made);
    let reader = mautic.person("reader").await;
    let contact = |id: &RemoteId| json!({"contact": id.0.parse::<u64>().unwrap()});
    for action in ["send", "open", "open", "click", "unsubscribe"] {
        mautic.engage(action, contact(&reader)).await;
    }
    for comments in ["550 no such user", "452 mailbox full"] {
        let bounced = mautic.person(&comments[..3]).await;
        let mut what = contact(&bounced);
        what["comments"] = json!(comments);
        mautic.engage("bounce", what).await;
    }
    let mut form = contact(&reader);
    form["address"] = json!("reader@example.com");
    mautic.engage("submit", form).await;
    mautic.client.forbid_mail(&mautic.person("own").await, &DoNotContact::of_opt_out(None)).await.unwrap();
    mautic.client.delete(&mautic.person("gone").await).await.unwrap();

    let (told, read) = (facts(&mautic.told()), facts(&mautic.read_all().await));
    assert_eq!(told, read);
    assert_eq!(told.len(), 8, "{told:#?}");
}

#[tokio::test]
async fn many_rows_of_one_second_are_all_read_and_none_is_read_for_ever() {
    let mautic = Installation::start().await;
    let contact = json!({"contact": mautic.person("reader").await.0.parse::<u64>().unwrap()});
    for _ in 0..520 {
        mautic.engage("send", contact.clone()).await;
        mautic.engage("click", contact.clone()).await;
    }
    for (feed, kind) in [(Feed::Opens, EngagementKind::Open), (Feed::Hits, EngagementKind::Click)] {
        let mut cursor = FeedCursor::default();
        let first = facts(&read(&mautic.client, feed, &mut cursor).await);
        assert_eq!(first.len(), 520, "{kind:?}");
        let again = facts(&read(&mautic.client, feed, &mut cursor).await);
        assert!(again.is_subset(&first), "{kind:?}");
        assert!(feed != Feed::Opens || again == first, "all of it happened within what is read again");
    }
}

#[tokio::test]
async fn what_happens_later_is_read_later_even_to_an_old_row() {
    let mautic = Installation::start().await;
    let early = mautic.person("early").await.0.parse::<u64>().unwrap();
    let late = mautic.person("late").await.0.parse::<u64>().unwrap();
    for contact in [early, late] {
        mautic.engage("send", json!({"contact": contact})).await;
    }
    mautic.engage("open", json!({"contact": late})).await;
    let mut cursor = FeedCursor::default();
    assert_eq!(facts(&read(&mautic.client, Feed::Opens, &mut cursor).await).len(), 1);
    mautic.engage("open", json!({"contact": early})).await;
    let read = read(&mautic.client, Feed::Opens, &mut cursor).await;
    assert!(read.iter().any(|entry| entry.contact == Some(RemoteId(early.to_string()))));
}

#[tokio::test]
async fn a_do_not_contact_row_that_changes_in_its_place_is_told_again() {
    let mautic = Installation::of(MauticOptions::default().version(MauticVersion::V7_0)).await;
    let contact = mautic.person("changing").await;
    let forbid = async |reason| {
        let entry = DoNotContact { reason, ..DoNotContact::of_opt_out(None) };
        mautic.client.forbid_mail(&contact, &DoNotContact { comments: "m".to_owned(), ..entry }).await.unwrap();
    };
    let mut cursor = FeedCursor::default();
    forbid(DoNotContactReason::Bounced).await;
    assert_eq!(names(&read(&mautic.client, Feed::DoNotContact, &mut cursor).await), ["dnc:1:bounced"]);
    // Other rows with higher numbers are read meanwhile.
    mautic.client.forbid_mail(&mautic.person("other").await, &DoNotContact::of_opt_out(None)).await.unwrap();
    read(&mautic.client, Feed::DoNotContact, &mut cursor).await;
    forbid(DoNotContactReason::Unsubscribed).await;
    let told = read(&mautic.client, Feed::DoNotContact, &mut cursor).await;
    assert!(names(&told).contains(&"dnc:1:unsubscribed".to_owned()), "{:?}", names(&told));
}

fn names(entries: &[Entry]) -> Vec<String> {
    let name = |entry: &Entry| match &entry.kind {
        EntryKind::Engagement(event) => Some(event.natural_id.clone()),
        _ => None,
    };
    entries.iter().filter_map(name).collect()
}

#[tokio::test]
async fn a_table_that_the_role_may_not_read_holds_no_other_up() {
    let refusal = json!({"errors": [{"message": "You do not have the view permission", "code": 403}]});
    let stub = Stub::start(move |_| Reply::json(200, &refusal)).await;
    let client = mautic_with_basic(&stub.url, &World::default().ports());
    let cursor = FeedCursor { after: 7, until: None };
    let page = client.page(Feed::Audit, &cursor).await.unwrap();
    assert_eq!((page.entries.len(), page.next, page.more), (0, cursor, false));
    assert!(client.log_page(LogPlace::Behind(7), false).await.unwrap().is_none());
}

#[tokio::test]
async fn a_hook_that_was_switched_off_is_on_again() {
    let mautic = Installation::start().await;
    let guard = || mautic.client.guard_hook(&mautic.hook, "s3cret");
    assert_eq!(guard().await.unwrap().check, HookCheck::Made);
    assert_eq!(guard().await.unwrap().check, HookCheck::Right);
    assert_eq!(mautic.client.guard_hook(&mautic.hook, "other").await.unwrap().check, HookCheck::Repaired);
    assert_eq!(guard().await.unwrap().check, HookCheck::Repaired);
    assert_eq!(guard().await.unwrap().check, HookCheck::Right);
}

/// A Mautic whose tables hold these rows, whatever is asked of them.
async fn holding(rows: Value) -> (Stub, Arc<Mautic>) {
    let stub = Stub::start(move |_| Reply::json(200, &json!({"total": "1", "stats": rows}))).await;
    let client = mautic_with_basic(&stub.url, &World::default().ports());
    (stub, client)
}

#[tokio::test]
async fn the_audit_log_tells_of_deletions_and_of_who_may_be_mailed_again() {
    let row = |id: u64, object: &str, action: &str, details: &str| {
        json!({"id": id.to_string(), "object": object, "object_id": "16", "action": action, "details": details,
            "date_added": "2026-11-20 21:27:42"})
    };
    let reason = |channel: &str, reason: u8| {
        let length = channel.len();
        format!(
            "a:1:{{s:18:\"dnc_channel_status\";a:1:{{s:{length}:\"{channel}\";a:3:{{s:6:\"reason\";i:{reason};\
             s:10:\"old_reason\";i:2;s:8:\"comments\";s:0:\"\";}}}}}}"
        )
    };
    let (_stub, client) = holding(json!([
        row(1, "lead", "delete", "a:1:{s:4:\"name\";s:1:\"x\";}"),
        row(2, "lead", "update", &reason("email", 0)),
        row(3, "lead", "update", &reason("email", 1)),
        row(4, "lead", "update", &reason("sms", 0)),
        row(5, "lead", "update", "cut off a:1:{"),
        row(6, "company", "delete", "a:0:{}"),
        row(7, "lead", "identified", "a:0:{}"),
    ]))
    .await;
    let page = client.page(Feed::Audit, &FeedCursor { after: 4, until: None }).await.unwrap();
    assert_eq!((page.next.after, page.more), (7, false));
    let told: Vec<String> = page.entries.iter().map(|entry| format!("{} {:?}", entry.name, entry.contact)).collect();
    assert_eq!(told, ["contact_gone Some(RemoteId(\"16\"))", "contactable Some(RemoteId(\"16\"))"]);
    let EntryKind::Engagement(event) = &page.entries[1].kind else { panic!("no event") };
    assert_eq!(event.natural_id, "contactable:16:1795210062");
}

#[tokio::test]
async fn a_row_that_can_not_be_read_holds_no_other_up() {
    let (_stub, client) = holding(json!([
        {"id": "1", "lead_id": "x", "date_hit": "2026-11-20 21:27:42", "url": "https://x.example/"},
        {"id": "2", "lead_id": "3", "date_hit": "some day"},
        {"id": "3", "date_hit": "2026-11-20 21:27:42"},
        {"id": "4", "lead_id": "3", "date_hit": "2026-11-20 21:27:42", "url": "https://x.example/"},
    ]))
    .await;
    let page = client.page(Feed::Hits, &FeedCursor::default()).await.unwrap();
    assert_eq!((page.entries.len(), page.next.after), (1, 4));
}

#[tokio::test]
async fn a_look_begins_a_while_before_the_last_one_ended_and_its_pages_do_not() {
    let (stub, client) = holding(json!([])).await;
    let until = Some("2026-11-20T21:30:00Z".parse().unwrap());
    for after in [0, 7] {
        client.page(Feed::DoNotContact, &FeedCursor { after, until }).await.unwrap();
        client.page(Feed::Forms, &FeedCursor { after: after * 100, until: None }).await.unwrap();
    }
    let asked: Vec<String> = stub.calls().iter().map(|call| decoded(&call.target)).collect();
    assert!(asked[0].contains("where[0][col]=date_added&where[0][expr]=gte&where[0][val]=2026-11-20 21:28:00"));
    assert!(asked[1].contains("where[0][col]=id&where[0][expr]=gt&where[0][val]=0"));
    let behind = "where[0][val]=2026-11-20 21:30:00&where[1][expr]=orX&where[1][val][0][col]=date_added\
        &where[1][val][0][expr]=gt&where[1][val][0][val]=2026-11-20 21:30:00&where[1][val][1][col]=id\
        &where[1][val][1][expr]=gt&where[1][val][1][val]=7";
    assert!(asked[2].contains(behind), "{}", asked[2]);
    assert!(asked[3].contains("where[0][val]=650"));
}

fn decoded(target: &str) -> String {
    let url = reqwest::Url::parse(&format!("http://x{target}")).unwrap();
    url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
