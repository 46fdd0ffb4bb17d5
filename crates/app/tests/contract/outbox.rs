//! Who hears of a change: the tenant's other integrations, by entries in their outboxes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tandem_app::desks::FixedPeers;
use tandem_app::store::{BulkTable, ContactTable, RingTable};
use tandem_core::domain::consent::ConsentStatus::OptedOut;
use tandem_core::domain::consent::{ConsentEntry, ConsentSource};
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::Scope;
use tandem_core::error::Result;
use tandem_core::ports::bulk::{BulkStore, Mark, MarkCursor, Origin};
use tandem_core::ports::integrations::Doorbell;
use tandem_core::ports::{Attempt, Begin, Commit, ContactStore, Exchange, Save};

use crate::fixture::{
    START, World, alone, at, commit_of, email, first_begin, ledger, next_begin, record, scope, test_clock, world,
};

const ADA: &str = "ada@example.com";

/// A tenant with the integrations `mautic` and `second`.
struct Hub {
    _world: World,
    contacts: ContactTable,
    bulk: BulkTable,
}

fn second() -> Scope {
    Scope { integration: "second".to_owned().try_into().unwrap(), ..scope("a") }
}

async fn hub() -> Hub {
    let world = world().await;
    let peers = Arc::new(FixedPeers::new([scope("a"), second(), scope("b")]));
    let contacts = ContactTable::new(world.local.table().clone(), test_clock(), peers.clone());
    let bulk = BulkTable::new(world.local.table().clone(), peers);
    Hub { _world: world, contacts, bulk }
}

impl Hub {
    async fn outbox(&self, scope: &Scope) -> Vec<Mark> {
        let (mut cursor, mut all) = (MarkCursor::default(), Vec::new());
        loop {
            let (marks, next) = self.bulk.marks(scope, &cursor, 100).await.unwrap();
            all.extend(marks);
            match next {
                Some(next) => cursor = next,
                None => return all,
            }
        }
    }

    /// Empties all outboxes; says for how many records there was an entry of `mautic`, of `second`, and of another tenant.
    async fn drained(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for (count, scope) in counts.iter_mut().zip([scope("a"), second(), scope("b")]) {
            let marks = self.outbox(&scope).await;
            *count = marks.len();
            self.bulk.unmark_many(&scope, &marks).await.unwrap();
        }
        counts
    }
}

fn changed(save: &Save, version: u64) -> Save {
    Save { record: Record { version, ..save.record.clone() }, claim: Vec::new(), ..save.clone() }
}

#[tokio::test]
async fn whatever_changes_a_record_stands_in_the_outbox_of_each_other_integration() {
    let hub = hub().await;
    let begin = first_begin(ADA, "me");
    assert_eq!(hub.contacts.begin(&scope("a"), &begin).await.unwrap(), Attempt::Done);
    assert_eq!(hub.drained().await, [0, 1, 0], "who began the write sends it");
    hub.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap();
    assert_eq!(hub.drained().await, [0, 0, 0]);

    let save = changed(&Save::of(&begin.key, &begin.record), 2);
    hub.contacts.save_record(&second(), &save).await.unwrap();
    assert_eq!(hub.drained().await, [1, 0, 0]);
    hub.bulk.save_many(&scope("a"), &[(changed(&save, 3), false)], at(START)).await.unwrap();
    assert_eq!(hub.drained().await, [0, 1, 0]);
    hub.bulk.save_many(&scope("a"), &[(changed(&save, 4), true)], at(START)).await.unwrap();
    assert_eq!(hub.drained().await, [1, 1, 0], "a row concerns all");

    let said = ConsentEntry { status: OptedOut, source: ConsentSource::Platform, at: at(START), proof: None };
    hub.contacts.amend_consent(&second(), &email(ADA), said.clone()).await.unwrap();
    assert_eq!(hub.drained().await, [1, 0, 0]);
    hub.contacts.amend_consent(&second(), &email(ADA), said).await.unwrap();
    assert_eq!(hub.drained().await, [0, 0, 0], "it was known");
}

#[tokio::test]
async fn a_write_that_changes_nothing_of_the_record_concerns_nobody_else_unless_it_learnt_of_an_opt_out() {
    let hub = hub().await;
    let begin = first_begin(ADA, "me");
    hub.contacts.begin(&scope("a"), &begin).await.unwrap();
    hub.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap();
    hub.drained().await;
    let mut again = Begin { is_news: false, ..next_begin(&begin, "me", START + 30) };
    again.link.revision = 3;
    assert_eq!(hub.contacts.begin(&scope("a"), &again).await.unwrap(), Attempt::Done);
    assert_eq!(hub.drained().await, [0, 0, 0]);
    let learnt = Some((email(ADA), ledger(&[(OptedOut, START)])));
    let commit = Commit { consent: learnt, ..commit_of(&again, "7") };
    assert_eq!(hub.contacts.commit(&scope("a"), &commit).await.unwrap(), Attempt::Done);
    assert_eq!(hub.drained().await, [0, 1, 0]);
}

#[tokio::test]
async fn a_link_that_is_given_up_takes_no_news_along_that_came_meanwhile() {
    let hub = hub().await;
    let begin = first_begin(ADA, "me");
    hub.contacts.begin(&scope("a"), &begin).await.unwrap();
    hub.contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap();
    hub.drained().await;
    let news = changed(&Save::of(&begin.key, &begin.record), 2);
    hub.contacts.save_record(&second(), &news).await.unwrap();
    hub.bulk.unlink(&scope("a"), &begin.key).await.unwrap();
    assert_eq!(hub.contacts.load(&scope("a"), &begin.key).await.unwrap().link, None);
    assert_eq!(hub.drained().await, [1, 0, 0]);
}

#[tokio::test]
async fn an_entry_that_was_never_stored_takes_none_away() {
    let hub = hub().await;
    let begin = first_begin(ADA, "me");
    let mark = Mark::new(begin.key.clone(), 0, at(START));
    hub.bulk.mark_many(&scope("a"), std::slice::from_ref(&mark)).await.unwrap();
    hub.bulk.unmark_many(&scope("a"), &[Mark { origin: Origin::Nowhere, ..mark }]).await.unwrap();
    assert_eq!(hub.drained().await, [1, 0, 0]);
}

#[tokio::test]
async fn records_that_change_addresses_are_news_to_the_others() {
    let hub = hub().await;
    let (one, other) = (first_begin(ADA, "me"), first_begin("bob@example.com", "me"));
    for begin in [&one, &other] {
        hub.contacts.begin(&scope("a"), begin).await.unwrap();
    }
    hub.drained().await;
    let takes = |mine: &Begin, theirs: &Begin, address: &str| Exchange {
        key: mine.key.clone(),
        record: record(2, address),
        address: email(address),
        holder: theirs.key.clone(),
    };
    let moves = [takes(&one, &other, "bob@example.com"), takes(&other, &one, ADA)];
    assert_eq!(hub.contacts.exchange(&scope("a"), &moves).await.unwrap(), Attempt::Done);
    assert_eq!(hub.drained().await, [0, 2, 0]);
}

#[tokio::test]
async fn an_entry_that_came_since_is_neither_taken_away_nor_put_off() {
    let hub = hub().await;
    let begin = first_begin(ADA, "me");
    hub.contacts.begin(&scope("a"), &begin).await.unwrap();
    let read = hub.outbox(&second()).await;
    let said = ConsentEntry { status: OptedOut, source: ConsentSource::Platform, at: at(START), proof: None };
    hub.contacts.amend_consent(&scope("a"), &email(ADA), said).await.unwrap();
    let since = hub.outbox(&second()).await;
    let put_off: Vec<Mark> = read.iter().map(|mark| Mark { due_at: at(START + 900), ..mark.clone() }).collect();
    hub.bulk.mark_many(&second(), &put_off).await.unwrap();
    hub.bulk.unmark_many(&second(), &read).await.unwrap();
    assert_eq!(hub.outbox(&second()).await, since);
    hub.bulk.unmark_many(&second(), &since).await.unwrap();
    assert_eq!(hub.outbox(&second()).await, []);
}

/// Notes who is woken.
#[derive(Default)]
struct Bell(Mutex<Vec<Scope>>);

#[async_trait]
impl Doorbell for Bell {
    async fn ring(&self, scopes: &[Scope], _: Duration) {
        self.0.lock().unwrap().extend_from_slice(scopes);
    }

    async fn answer(&self, _: &Scope) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn whom_a_change_concerns_is_woken_and_nobody_by_one_that_is_none_or_did_not_come_through() {
    let Hub { _world: world, contacts, bulk } = hub().await;
    let bell = Arc::new(Bell::default());
    let (contacts, bulk) = (contacts.with_doorbell(bell.clone()), bulk.with_doorbell(bell.clone()));
    let woken = || std::mem::take(&mut *bell.0.lock().unwrap());
    let begin = first_begin(ADA, "me");
    contacts.begin(&scope("a"), &begin).await.unwrap();
    assert_eq!(woken(), [second()]);
    assert_eq!(contacts.begin(&scope("a"), &begin).await.unwrap(), Attempt::Contended);
    contacts.commit(&scope("a"), &commit_of(&begin, "7")).await.unwrap();
    assert_eq!(woken(), []);
    let save = changed(&Save::of(&begin.key, &begin.record), 2);
    contacts.save_record(&second(), &save).await.unwrap();
    assert_eq!(woken(), [scope("a")]);
    assert_eq!(bulk.save_many(&scope("a"), &[(save, true)], at(START)).await.unwrap(), [Attempt::Contended]);
    assert_eq!(woken(), []);
    contacts.begin(&scope("b"), &first_begin(ADA, "me")).await.unwrap();
    assert_eq!(woken(), [], "it is alone");
    drop(world);
}

#[tokio::test]
async fn it_is_rung_once_until_somebody_answers_or_the_job_counts_as_lost() {
    let world = world().await;
    let rings = RingTable::new(world.local.table().clone());
    let ring = async |now: i64| rings.ring(&scope("a"), at(now + 33), at(now)).await.unwrap();
    assert!(ring(START).await && !ring(START + 1).await && !ring(START + 33).await);
    assert!(rings.ring(&second(), at(START + 33), at(START)).await.unwrap(), "that is another's");
    rings.answer(&scope("a")).await.unwrap();
    assert!(ring(START + 2).await);
    assert!(ring(START + 2 + 34).await, "the job was lost");
    rings.answer(&scope("a")).await.unwrap();
    rings.answer(&scope("a")).await.unwrap();
    let a_year = 31_536_000;
    assert!(ring(START + a_year).await && ring(START).await, "a clock that is wrong keeps nobody waiting");
}

#[tokio::test]
async fn alone_an_integration_writes_what_it_wrote() {
    let world = world().await;
    let contacts = ContactTable::new(world.local.table().clone(), test_clock(), alone());
    let meter = world.local.meter();
    let before = (meter.reads(), meter.writes(), meter.write_units());
    contacts.begin(&scope("a"), &first_begin(ADA, "me")).await.unwrap();
    let spent = (meter.reads() - before.0, meter.writes() - before.1, meter.write_units() - before.2);
    assert_eq!(spent, (0, 1, 8), "record, its place, link and pointer, each twice in a transaction");
}
