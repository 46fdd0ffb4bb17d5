//! What is kept for an integration: its token, budget and field catalog, and the jobs that wait for a person.

use tandem_app::local_table::LocalTable;
use tandem_app::sealing::Sealer;
use tandem_app::store::{BudgetTable, CatalogTable, ParkedTable, SpellingTable, TokenTable};
use tandem_core::domain::catalog::{FieldCatalog, RemoteField, RemoteFieldKind};
use tandem_core::error::{Failure, FailureKind};
use tandem_core::jobs::message::{Job, ParkedJob};
use tandem_core::ports::spellings::{LearntSpellings, SpellingStore};
use tandem_core::ports::{AccessToken, Attempt, BudgetStore, CatalogStore, ParkedJobs, TokenStore};

use crate::fixture::{START, World, at, job, lease, scope, world};

fn tokens(world: &World, secret: &str) -> TokenTable {
    TokenTable::new(world.local.table().clone(), Sealer::from_secret(secret.as_bytes(), "tokens").unwrap())
}

fn token(secret: &str) -> AccessToken {
    AccessToken { secret: secret.to_owned(), expires_at: at(START + 3600) }
}

#[tokio::test]
async fn one_function_at_a_time_fetches_a_token() {
    let world = world().await;
    let tokens = tokens(&world, "client secret");
    assert_eq!(tokens.lock(&scope("a"), &lease("first", START + 10), at(START)).await.unwrap(), Attempt::Done);
    assert_eq!(tokens.lock(&scope("a"), &lease("second", START + 10), at(START)).await.unwrap(), Attempt::Contended);
    assert_eq!(tokens.lock(&scope("b"), &lease("second", START + 10), at(START)).await.unwrap(), Attempt::Done);
    tokens.save(&scope("a"), &token("t1"), "first").await.unwrap();
    assert_eq!(tokens.read(&scope("a")).await.unwrap(), Some(token("t1")));
    assert_eq!(tokens.lock(&scope("a"), &lease("second", START + 10), at(START)).await.unwrap(), Attempt::Done);
    tokens.unlock(&scope("a"), "second").await.unwrap();
    assert_eq!(tokens.lock(&scope("a"), &lease("third", START + 10), at(START)).await.unwrap(), Attempt::Done);
}

#[tokio::test]
async fn a_dead_functions_lock_is_taken_over_and_its_late_token_is_not_stored() {
    let world = world().await;
    let tokens = tokens(&world, "client secret");
    tokens.lock(&scope("a"), &lease("dead", START + 10), at(START)).await.unwrap();
    let taken = tokens.lock(&scope("a"), &lease("next", START + 30), at(START + 11)).await.unwrap();
    assert_eq!(taken, Attempt::Done);
    tokens.save(&scope("a"), &token("late"), "dead").await.unwrap();
    tokens.unlock(&scope("a"), "dead").await.unwrap();
    assert_eq!(tokens.read(&scope("a")).await.unwrap(), None);
    let other = tokens.lock(&scope("a"), &lease("other", START + 30), at(START + 11)).await.unwrap();
    assert_eq!(other, Attempt::Contended);
}

#[tokio::test]
async fn a_token_sealed_with_another_client_secret_counts_as_absent() {
    let world = world().await;
    let before = tokens(&world, "client secret");
    before.lock(&scope("a"), &lease("me", START + 10), at(START)).await.unwrap();
    before.save(&scope("a"), &token("t1"), "me").await.unwrap();
    let after = tokens(&world, "rotated secret");
    assert_eq!(after.read(&scope("a")).await.unwrap(), None);
}

#[tokio::test]
async fn learnt_spellings_are_an_integrations_own_and_the_last_ones_count() {
    let world = world().await;
    let spellings = SpellingTable::new(world.local.table().clone());
    assert_eq!(spellings.read(&scope("a")).await.unwrap(), LearntSpellings::new());
    for name in ["Turkey", "T\u{fc}rkiye"] {
        let learnt = LearntSpellings::from([("country Turkey".to_owned(), name.to_owned())]);
        spellings.save(&scope("a"), &learnt).await.unwrap();
        assert_eq!(spellings.read(&scope("a")).await.unwrap(), learnt);
    }
    assert_eq!(spellings.read(&scope("b")).await.unwrap(), LearntSpellings::new());
}

#[tokio::test]
async fn the_last_word_on_a_budget_counts() {
    let world = world().await;
    let budget = BudgetTable::new(world.local.table().clone());
    assert_eq!(budget.exhausted_until(&scope("a")).await.unwrap(), None);
    budget.exhaust(&scope("a"), at(START + 60), at(START)).await.unwrap();
    budget.exhaust(&scope("a"), at(START + 30), at(START)).await.unwrap();
    assert_eq!(budget.exhausted_until(&scope("a")).await.unwrap(), Some(at(START + 30)));
    assert_eq!(budget.exhausted_until(&scope("b")).await.unwrap(), None);
}

#[tokio::test]
async fn one_call_in_a_while_finds_out_whether_a_budget_is_back_until_it_is_cleared() {
    let world = world().await;
    let budget = BudgetTable::new(world.local.table().clone());
    let claim = async |before: i64, now: i64| budget.claim_probe(&scope("a"), at(before), at(now)).await.unwrap();
    assert!(!claim(START, START + 600).await, "nothing is used up");
    budget.exhaust(&scope("a"), at(START + 3_600), at(START)).await.unwrap();
    assert!(!claim(START - 1, START + 599).await);
    assert!(claim(START, START + 600).await);
    assert!(!claim(START, START + 600).await, "somebody else has it");
    assert_eq!(budget.exhausted_until(&scope("a")).await.unwrap(), Some(at(START + 3_600)));
    budget.clear(&scope("a")).await.unwrap();
    assert_eq!(budget.exhausted_until(&scope("a")).await.unwrap(), None);
    assert!(!claim(START + 600, START + 1_200).await);
}

#[tokio::test]
async fn a_catalog_is_read_back_as_it_was_saved() {
    let world = world().await;
    let catalogs = CatalogTable::new(world.local.table().clone());
    assert_eq!(catalogs.read(&scope("a")).await.unwrap(), None);
    let field = RemoteField { scale: Some(2), limit: Some(64), ..RemoteField::of_kind(RemoteFieldKind::Number) };
    let catalog = FieldCatalog { fields: [("score".to_owned(), field)].into(), read_at: at(START) };
    catalogs.save(&scope("a"), &catalog).await.unwrap();
    assert_eq!(catalogs.read(&scope("a")).await.unwrap(), Some(catalog));
    assert_eq!(catalogs.read(&scope("b")).await.unwrap(), None);
}

#[tokio::test]
async fn a_field_that_a_later_catalog_adds_is_dated_whoever_saves_it() {
    let world = world().await;
    let catalogs = CatalogTable::new(world.local.table().clone());
    let text = || RemoteField { id: Some(1), ..RemoteField::of_kind(RemoteFieldKind::Text) };
    let first = FieldCatalog { fields: [("city".to_owned(), text())].into(), read_at: at(START) };
    catalogs.save(&scope("a"), &first).await.unwrap();
    let fields = [("city".to_owned(), text()), ("plan".to_owned(), RemoteField { id: Some(2), ..text() })].into();
    let saved = catalogs.save(&scope("a"), &FieldCatalog { fields, read_at: at(START + 60) }).await.unwrap();
    assert_eq!(saved.newest_field(), at(START + 60));
    assert_eq!(catalogs.read(&scope("a")).await.unwrap(), Some(saved));
}

fn parked(tenant: &str, id: &str, attempts: u32) -> ParkedJob {
    let job = Job { scope: scope(tenant), ..job(id) };
    let reason = Failure::new(FailureKind::Refused, "no");
    ParkedJob { job, reason, advice: "mend it".to_owned(), attempts, parked_at: at(START) }
}

#[tokio::test]
async fn parked_jobs_are_listed_oldest_first_and_found_by_id() {
    let world = world().await;
    let jobs = ParkedTable::new(world.local.table().clone());
    for (tenant, id) in [("a", "0003"), ("a", "0001"), ("a", "0002"), ("b", "0000")] {
        jobs.park(&parked(tenant, id, 1)).await.unwrap();
    }
    jobs.park(&parked("a", "0001", 5)).await.unwrap();
    let tenant = scope("a").tenant;
    let listed = jobs.list(&tenant, 2).await.unwrap();
    assert_eq!(listed, [parked("a", "0001", 5), parked("a", "0002", 1)]);
    assert_eq!(jobs.get(&tenant, "0003").await.unwrap(), Some(parked("a", "0003", 1)));
    assert_eq!(jobs.get(&tenant, "0000").await.unwrap(), None);
    jobs.remove(&tenant, "0003").await.unwrap();
    assert_eq!(jobs.list(&tenant, 100).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_table_in_a_file_keeps_what_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("table.db");
    let first = LocalTable::open(&path).await.unwrap();
    BudgetTable::new(first.table().clone()).exhaust(&scope("a"), at(START), at(START)).await.unwrap();
    // A process that is killed closes nothing.
    std::mem::forget(first);
    let second = LocalTable::open(&path).await.unwrap();
    let kept = BudgetTable::new(second.table().clone()).exhausted_until(&scope("a")).await.unwrap();
    assert_eq!(kept, Some(at(START)));
}
