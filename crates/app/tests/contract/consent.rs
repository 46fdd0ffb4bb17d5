//! Statements about consent that are taken one by one.

use std::collections::BTreeSet;

use futures::future::join_all;
use tandem_core::domain::consent::ConsentSource::{Application, Person, Platform};
use tandem_core::domain::consent::ConsentStatus::{OptedIn, OptedOut};
use tandem_core::domain::consent::{ConsentEntry, ConsentLedger, ConsentOutcome, ConsentSource, ConsentStatus};
use tandem_core::ports::{Attempt, Begin, Commit, ContactStore};

use crate::fixture::{START, World, at, commit_of, email, first_begin, ledger, scope, world};

fn said(status: ConsentStatus, source: ConsentSource, second: i64) -> ConsentEntry {
    ConsentEntry { status, source, at: at(START + second), proof: Some(format!("dnc:{second}")) }
}

async fn amend(world: &World, address: &str, entry: ConsentEntry) -> ConsentOutcome {
    world.contacts.amend_consent(&scope("a"), &email(address), entry).await.unwrap()
}

async fn consent(world: &World, tenant: &str, address: &str) -> ConsentLedger {
    world.contacts.resolve(&scope(tenant), None, Some(&email(address))).await.unwrap().consent
}

#[tokio::test]
async fn statements_taken_in_any_order_make_the_same_ledger() {
    let world = world().await;
    let statements = [
        said(OptedOut, Platform, 10),
        said(OptedIn, Person, 20),
        said(OptedOut, Platform, 15),
        said(OptedOut, Platform, 30),
    ];
    for (address, order) in
        [("a@example.com", [0, 1, 2, 3]), ("b@example.com", [3, 1, 0, 2]), ("c@example.com", [1, 3, 2, 0])]
    {
        for position in order {
            amend(&world, address, statements[position].clone()).await;
        }
    }
    let first = consent(&world, "a", "a@example.com").await;
    assert_eq!(first.entries().len(), statements.len());
    assert_eq!(consent(&world, "a", "b@example.com").await, first);
    assert_eq!(consent(&world, "a", "c@example.com").await, first);
    assert_eq!(consent(&world, "b", "a@example.com").await, ConsentLedger::default());
}

#[tokio::test]
async fn of_twenty_statements_at_once_none_is_lost() {
    let world = world().await;
    let attempts = (0..20).map(|second| {
        let contacts = world.contacts.clone();
        tokio::spawn(async move {
            let entry = said(OptedOut, Platform, second);
            contacts.amend_consent(&scope("a"), &email("one@example.com"), entry).await.unwrap()
        })
    });
    let outcomes: Vec<_> = join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, [ConsentOutcome::Changed; 20]);
    let moments: BTreeSet<_> = consent(&world, "a", "one@example.com").await.entries().iter().map(|e| e.at).collect();
    assert_eq!(moments, (0..20).map(|second| at(START + second)).collect());
}

#[tokio::test]
async fn what_says_nothing_new_is_not_written() {
    let world = world().await;
    assert_eq!(amend(&world, "one@example.com", said(OptedOut, Platform, 10)).await, ConsentOutcome::Changed);
    let writes = world.local.meter().writes();
    assert_eq!(amend(&world, "one@example.com", said(OptedOut, Platform, 10)).await, ConsentOutcome::Unchanged);
    assert_eq!(amend(&world, "one@example.com", said(OptedIn, Application, 20)).await, ConsentOutcome::OptOutKept);
    assert_eq!(world.local.meter().writes(), writes);
    assert_eq!(amend(&world, "one@example.com", said(OptedIn, Person, 20)).await, ConsentOutcome::Changed);
    assert_eq!(world.local.meter().writes(), writes + 1);
}

#[tokio::test]
async fn a_statement_adds_to_the_ledger_that_a_write_left_and_a_write_that_does_not_know_it_is_refused() {
    let world = world().await;
    let address = email("one@example.com");
    let yes = ledger(&[(OptedIn, START)]);
    let begin = Begin { consent: Some((address.clone(), yes)), ..first_begin("one@example.com", "me") };
    world.contacts.begin(&scope("a"), &begin).await.unwrap();
    amend(&world, "one@example.com", said(OptedOut, Platform, 10)).await;
    assert_eq!(consent(&world, "a", "one@example.com").await.entries().len(), 2);

    let unaware = Commit {
        consent: Some((address, ledger(&[(OptedIn, START), (OptedIn, START + 5)]))),
        ..commit_of(&begin, "7")
    };
    let outcome = world.contacts.commit(&scope("a"), &unaware).await.unwrap();
    assert_eq!(outcome, Attempt::Contended);
    assert!(consent(&world, "a", "one@example.com").await.opted_out());
}
