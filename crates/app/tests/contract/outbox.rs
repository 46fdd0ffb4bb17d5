//! Who hears of a change: the tenant's other integrations, by entries in their outboxes.

use std::sync::Arc;

use tandem_app::desks::FixedPeers;
use tandem_app::store::{BulkTable, ContactTable};
use tandem_core::domain::consent::ConsentStatus::OptedOut;
use tandem_core::domain::consent::{ConsentEntry, ConsentSource};
use tandem_core::domain::record::Record;
use tandem_core::domain::scope::Scope;
use tandem_core::ports::bulk::{BulkStore, Mark, MarkCursor};
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
