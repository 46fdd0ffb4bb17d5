//! Organisations and deals beside people: taken in by their own ids, related in any order, and organisations as Mautic's companies.

mod collisions;
mod companies;
mod edited;
mod look_up;
mod lost_replies;
mod related;
mod relationships;
mod taken_in;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_app::local_table::LocalTable;
use tandem_core::domain::identity::{ExternalId, RecordKey};
use tandem_core::domain::kind::Kind;
use tandem_core::ports::Stored;
use tandem_core::ports::bulk::MarkCursor;
use tandem_core::ports::runs::RunLog;
use tandem_core::sync::run::{Stopped, SyncOptions};
use tandem_tests::client::Answer;
use tandem_tests::faulty_table::FaultyTable;
use tandem_tests::hands::Hands;
use tandem_tests::system::{KEY, Options, System};

/// A system with a clock that can be moved on.
struct Shop {
    system: System,
    hands: Hands,
}

impl Shop {
    async fn open() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let hands = Hands::default();
        let options = Options { clock: std::sync::Arc::new(hands.clone()), ..options };
        Self { system: System::with(options.without_worker()).await, hands }
    }

    async fn hand_over(&self, records: Value) -> Answer {
        let request = self.system.caller.bare(Method::POST, "/records").bearer_auth(KEY);
        self.system.caller.send(request.json(&json!({"records": records}))).await.unwrap()
    }

    /// Hands records over, all of which are taken.
    async fn rows(&self, records: Value) {
        let answer = self.hand_over(records).await;
        assert_eq!((answer.status, &answer.data()["rejected"]), (200, &json!(0)), "{}", answer.body);
    }

    /// A run, wherever it ends.
    async fn run(&self) -> RunLog {
        self.system.desk().sync(SyncOptions::default()).await.unwrap().log
    }

    /// A run whose process dies after so many writes; whether it came to its end before.
    async fn dies_after(&self, writes: u64) -> bool {
        let faulty = FaultyTable::start(self.system.table.access(), 0.0).await.expect("a free port");
        let desk = self.system.desk_through(LocalTable::attach(faulty.access()));
        faulty.crash_after(writes);
        let ran = desk.sync(SyncOptions::default()).await;
        // Its leases end by themselves.
        self.hands.move_on(SignedDuration::from_mins(10));
        ran.is_ok_and(|ran| !matches!(ran.stopped, Some(Stopped::Failed(_))))
    }

    /// Runs until nothing is left that could be done, hours going by.
    async fn settle(&self) -> RunLog {
        for _ in 0..8 {
            let log = self.run().await;
            if self.marks().await == 0 {
                return log;
            }
            self.hands.move_on(SignedDuration::from_hours(3));
        }
        panic!("{} records are left in the outbox", self.marks().await);
    }

    /// How many records wait in the outbox.
    async fn marks(&self) -> usize {
        let (desk, mut cursor, mut count) = (self.system.desk(), Some(MarkCursor::default()), 0);
        while let Some(after) = cursor {
            let (marks, next) = desk.services.bulk.marks(&desk.integration.scope, &after, 500).await.unwrap();
            count += marks.len();
            cursor = next;
        }
        count
    }

    /// What is stored of an organisation or a deal.
    async fn stored(&self, kind: Kind, id: &str) -> Stored {
        let desk = self.system.desk();
        let identity = ExternalId::try_from(id.to_owned()).unwrap().identity_as(kind);
        desk.services.contacts.load(&desk.integration.scope, &RecordKey::first_known_by(&identity)).await.unwrap()
    }

    /// Mautic's companies by their ids: their names.
    async fn companies(&self) -> BTreeMap<u64, String> {
        let answer = self.system.in_mautic(Method::GET, "/api/companies?limit=500", None).await;
        let companies = answer["companies"].as_object().cloned().unwrap_or_default();
        let name = |company: &Value| company["fields"]["all"]["companyname"].as_str().unwrap_or_default().to_owned();
        companies.iter().map(|(id, company)| (id.parse().unwrap(), name(company))).collect()
    }

    /// All fields of the one company of a name.
    async fn company(&self, name: &str) -> Value {
        let answer = self.system.in_mautic(Method::GET, "/api/companies?limit=500", None).await;
        let companies = answer["companies"].as_object().cloned().unwrap_or_default();
        let mut found: Vec<Value> = companies
            .into_iter()
            .map(|(_, company)| company["fields"]["all"].clone())
            .filter(|fields| fields["companyname"] == name)
            .collect();
        assert_eq!(found.len(), 1, "companies named {name}");
        found.remove(0)
    }

    /// The names of the companies that a contact belongs to, the primary one last.
    async fn belongs_to(&self, email: &str) -> Vec<String> {
        let all = self.companies().await;
        self.system.contact(email).companies.iter().map(|id| all.get(id).cloned().unwrap_or_default()).collect()
    }
}

fn organisation(id: &str, name: &str) -> Value {
    json!({"kind": "organisation", "id": id, "name": name})
}

fn person(id: &str, organisation: &str) -> Value {
    json!({"id": id, "email": format!("{id}@example.com"), "first_name": "Ada", "organisation_id": organisation})
}

fn deal(id: &str, organisation: &str, person: &str) -> Value {
    json!({"kind": "deal", "id": id, "name": "Renewal", "organisation_id": organisation, "person_id": person})
}
