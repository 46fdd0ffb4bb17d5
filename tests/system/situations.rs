//! Each situation of a record and an integration, against each version of Mautic, alone and among others in a batch: what
//! follows, what it is called, and that nobody else is held up. A situation without a case here does not compile.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::identity::RecordKey;
use tandem_core::domain::link::{LinkState, RemoteId};
use tandem_core::domain::situation::Situation;
use tandem_core::error::Failure;
use tandem_core::mapping::{Condition, RuleSet, Vanished};
use tandem_core::ports::source::SourceRow;
use tandem_core::sync::change::{ContactChange, Outcome, PushAction, Pushed};
use tandem_core::sync::operations::listing::OperationQuery;
use tandem_core::sync::push::For;
use tandem_core::sync::run::dry_run::PlannedChange;
use tandem_core::sync::run::{Stopped, SyncOptions};
use tandem_core::sync::services::Desk;
use tandem_simulators::MauticVersion;
use tandem_tests::system::Options;

use super::sync_run::{Shop, row};

/// The row that is in the situation, and its address.
pub(super) const ODD: &str = "odd";
pub(super) const EMAIL: &str = "odd@example.com";
/// The others of the batch.
const OTHERS: usize = 6;
/// The name by which a record is left out in these tests.
pub(super) const LEFT_OUT: &str = "Nobody";

pub(super) fn named(id: &str, minute: i64, name: &str) -> SourceRow {
    row(id, minute, json!({"email": format!("{id}@example.com"), "first_name": name}))
}

fn others(minute: i64, name: &str) -> impl Iterator<Item = SourceRow> {
    (0..OTHERS).map(move |number| named(&format!("other-{number}"), minute, name))
}

/// The rules of a desk, with a condition and with what is chosen for situations.
pub(super) fn choose(desk: &mut Desk, when: Value, situations: Value) {
    let when: Condition = serde_json::from_value(when).unwrap();
    let rules = RuleSet::of(desk.integration.rules.rules().to_vec(), when).unwrap();
    let chosen = serde_json::from_value(situations).unwrap();
    desk.integration.rules = std::sync::Arc::new(rules.in_situations(chosen));
}

pub(super) fn all_but_nobody() -> Value {
    json!({"not": {"equals": {"field": "first_name", "value": LEFT_OUT}}})
}

/// How the record in question is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Alone,
    InBulk,
}

/// A shop whose odd record is in the situation, as soon as it is written.
struct Case {
    situation: Situation,
    shop: Shop,
    key: Option<RecordKey>,
    /// The contact that is the record's, or will be.
    contact: Option<String>,
}

impl Case {
    async fn of(situation: Situation, version: MauticVersion) -> Self {
        let mut shop = Shop::of(others(1, "Ada"), Options::default().mautic_version(version)).await;
        choose(&mut shop.desk, all_but_nobody(), json!({}));
        shop.desk.integration.vanished = Vanished::Tag("gone".to_owned());
        let mut case = Self { situation, shop, key: None, contact: None };
        case.come_about().await;
        case.shop.source.put(others(3, "Eve"));
        // The rows are stored, and nothing is sent yet.
        case.shop.run(SyncOptions { take_only: true, ..SyncOptions::default() }).await;
        if case.situation != Situation::Erased {
            case.key = Some(case.shop.system.record_of(EMAIL).await);
        }
        case
    }

    async fn come_about(&mut self) {
        match self.situation {
            Situation::Linked => {
                self.known().await;
                self.shop.source.put([named(ODD, 3, "Eve")]);
            }
            Situation::Absent => self.newcomer().await,
            Situation::Found => {
                self.contact = Some(self.made_by_hand().await);
                self.newcomer().await;
            }
            Situation::Ambiguous => {
                let twins = (0..3).map(|_| self.made_by_hand());
                join_all(twins).await;
                assert!(self.shop.system.contacts_with(EMAIL).len() > 1, "the simulator made one contact only");
                self.newcomer().await;
            }
            Situation::Taken => {
                self.shop.source.put([named("owner", 1, "Owner")]);
                self.newcomer().await;
                let owner = self.shop.system.contact("owner@example.com").id.to_string();
                self.edit(&owner, json!({"email": EMAIL})).await;
                self.contact = Some(owner);
            }
            Situation::Merged => {
                self.known().await;
                self.contact = Some(self.merged_into_a_visitor().await);
                self.shop.source.put([named(ODD, 3, "Eve")]);
            }
            Situation::Missing => {
                self.known().await;
                self.delete_contact().await;
                self.shop.source.put([named(ODD, 3, "Eve")]);
            }
            Situation::Gone => {
                self.known().await;
                self.shop.source.put([SourceRow { deleted: true, ..named(ODD, 3, "Ada") }]);
            }
            Situation::NotMapped => {
                self.known().await;
                self.shop.source.put([named(ODD, 3, LEFT_OUT)]);
            }
            Situation::Erased => {
                self.known().await;
                self.key = Some(self.shop.system.record_of(EMAIL).await);
                let call = json!({"action": "delete_contact", "email": EMAIL});
                assert_eq!(self.shop.system.caller.call(&call).await.unwrap().status, 200);
                self.shop.source.put([named(ODD, 3, "Eve")]);
            }
        }
    }

    /// The odd record is known, and all are on the platform.
    async fn known(&mut self) {
        self.shop.source.put([named(ODD, 1, "Ada")]);
        assert_eq!(self.shop.sync().await.created as usize, OTHERS + 1);
        self.contact = Some(self.shop.system.contact(EMAIL).id.to_string());
    }

    /// All others are on the platform; the odd record is yet to come.
    async fn newcomer(&mut self) {
        self.shop.sync().await;
        self.shop.source.put([named(ODD, 3, "Eve")]);
    }

    async fn made_by_hand(&self) -> String {
        let body = json!({"email": EMAIL, "firstname": "Twin"});
        let made = self.shop.system.in_mautic(Method::POST, "/api/contacts/new", Some(body)).await;
        made["contact"]["id"].to_string()
    }

    async fn edit(&self, contact: &str, fields: Value) {
        self.shop.system.in_mautic(Method::PATCH, &format!("/api/contacts/{contact}/edit"), Some(fields)).await;
    }

    async fn delete_contact(&self) {
        let contact = self.contact.as_deref().unwrap();
        self.shop.system.in_mautic(Method::DELETE, &format!("/api/contacts/{contact}/delete"), None).await;
    }

    async fn merged_into_a_visitor(&self) -> String {
        let system = &self.shop.system;
        let field = json!({"label": "email", "alias": "email", "type": "email", "mappedField": "email"});
        let form = json!({"name": "Survey", "formType": "standalone", "isPublished": true, "postAction": "return",
            "fields": [field]});
        let form = system.in_mautic(Method::POST, "/api/forms/new", Some(form)).await["form"]["id"].take();
        let visitor = system.visitor().await;
        system.engage("submit", json!({"contact": visitor, "address": EMAIL, "form": form, "fields": {}})).await;
        assert_eq!(system.contact(EMAIL).id, visitor);
        visitor.to_string()
    }

    /// Writes the record as it is meant, and sees what became of it.
    async fn go(&mut self, way: Way) {
        match way {
            Way::Alone => {
                let key = self.key.clone().unwrap();
                let change = ContactChange::refresh(key);
                let outcome = self.shop.desk.push(&change, "test", For::Caller).await;
                self.see_alone(outcome);
            }
            Way::InBulk => {
                let planned = self.planned().await;
                assert_eq!(planned, self.known_before(), "{}: what a dry run says", self.situation);
                let ran = self.shop.run(SyncOptions { accept_losses: true, ..SyncOptions::default() }).await;
                // A contact that a job of its own writes is waited for.
                assert!(matches!(ran.stopped, None | Some(Stopped::Paused(_))), "{}: {ran:?}", self.situation);
                for number in 0..OTHERS {
                    let other = self.shop.system.contact(&format!("other-{number}@example.com"));
                    assert_eq!(other.fields["firstname"], "Eve", "{}: the rest of the batch goes on", self.situation);
                }
                // What needs a write of its own is left to a job.
                self.shop.system.start_worker();
                self.shop.system.finish().await;
                self.see_in_bulk().await;
            }
        }
    }

    /// What a dry run says of the record's situation: the platform is not asked.
    async fn planned(&self) -> Option<Situation> {
        let mut plans: Vec<PlannedChange> = Vec::new();
        let told = self.shop.desk.dry_run(false, &mut |plan| plans.push(plan)).await.unwrap();
        let planned = plans.iter().find(|plan| plan.id == ODD).and_then(|plan| plan.situation);
        assert!(planned.is_none_or(|situation| told.situations.contains_key(&situation)));
        planned
    }

    /// The situation as far as it is known before the platform is asked.
    fn known_before(&self) -> Option<Situation> {
        match self.situation {
            Situation::Absent | Situation::Found | Situation::Ambiguous | Situation::Taken => Some(Situation::Absent),
            Situation::Linked | Situation::Merged | Situation::Missing => Some(Situation::Linked),
            Situation::Gone => Some(Situation::Gone),
            // It is stored, and no outbox entry waits for anything.
            Situation::NotMapped => None,
            // Of somebody who was deleted no row is kept, and the rejection was told by the take.
            Situation::Erased => None,
        }
    }

    fn see_alone(&self, outcome: Result<Outcome<Pushed>, Failure>) {
        let told = match &outcome {
            Ok(Outcome::Done(pushed)) => (Some(pushed.situation), Some(pushed.action)),
            Ok(Outcome::Queued(_)) => panic!("{}: it was queued", self.situation),
            Err(failure) => (failure.situation, None),
        };
        let action = match self.situation {
            Situation::Linked | Situation::Found | Situation::Merged | Situation::Gone => Some(PushAction::Updated),
            Situation::Absent | Situation::Missing => Some(PushAction::Created),
            Situation::NotMapped => Some(PushAction::NotSent),
            Situation::Ambiguous | Situation::Taken | Situation::Erased => None,
        };
        assert_eq!(told, (Some(self.situation), action), "{outcome:?}");
    }

    /// What the operation log, or the parked job, calls it.
    async fn see_in_bulk(&self) {
        let parked: Vec<_> = self.shop.system.parked().await.iter().map(|job| job.reason.situation).collect();
        let written = self.written_in().await;
        match self.situation {
            Situation::Linked | Situation::Absent | Situation::Found | Situation::Missing | Situation::Gone => {
                assert_eq!((written, parked), (Some(self.situation), vec![]));
            }
            // The platform's answer to the write says so.
            Situation::Merged => assert_eq!((written, parked), (Some(Situation::Linked), vec![])),
            Situation::Ambiguous | Situation::Taken => assert_eq!(parked, [Some(self.situation)]),
            Situation::NotMapped => assert_eq!((written, parked), (Some(Situation::Absent), vec![])),
            Situation::Erased => assert!(parked.is_empty()),
        }
    }

    /// In which situation the record was written last.
    async fn written_in(&self) -> Option<Situation> {
        let query = OperationQuery { record: Some(self.key.clone()?), ..OperationQuery::default() };
        let page = self.shop.desk.operations(&query, None, 100).await.unwrap();
        page.operations.first().and_then(|operation| operation.situation)
    }

    /// What stands on the platform, and what the link says of it.
    async fn see_effect(&self) {
        let system = &self.shop.system;
        let held = system.contacts_with(EMAIL);
        let name = |index: usize| held[index].fields["firstname"].as_str().unwrap().to_owned();
        match self.situation {
            Situation::Linked | Situation::Found | Situation::Merged => {
                assert_eq!((held.len(), name(0)), (1, "Eve".to_owned()));
                self.see_link(self.contact.clone(), LinkState::Synced).await;
            }
            Situation::Absent | Situation::Missing => {
                assert_eq!((held.len(), name(0)), (1, "Eve".to_owned()));
                assert_ne!(Some(held[0].id.to_string()), self.contact);
                self.see_link(Some(held[0].id.to_string()), LinkState::Synced).await;
            }
            Situation::Ambiguous => {
                assert!((0..held.len()).all(|index| name(index) == "Twin"), "none of them is changed");
                assert_eq!(system.link(EMAIL).await.duplicates.len(), held.len() - 1);
            }
            Situation::Taken => {
                assert_eq!(
                    (held.len(), name(0)),
                    (1, "Owner".to_owned()),
                    "another record's contact is not written on"
                );
                assert_eq!(system.link(EMAIL).await.remote_id, None);
            }
            Situation::Gone => {
                assert_eq!((held.len(), held[0].tags.clone()), (1, vec!["gone".to_owned()]));
            }
            Situation::NotMapped => {
                assert_eq!((held.len(), name(0)), (1, "Ada".to_owned()), "it is not kept in step");
                self.see_link(self.contact.clone(), LinkState::Synced).await;
            }
            Situation::Erased => assert!(held.is_empty()),
        }
    }

    async fn see_link(&self, contact: Option<String>, state: LinkState) {
        let link = self.shop.system.link(EMAIL).await;
        assert_eq!((link.remote_id, link.state), (contact.map(RemoteId), state), "{}", self.situation);
        assert_eq!(link.missing_since, None::<Timestamp>);
    }
}

async fn each(way: Way) {
    for version in MauticVersion::ALL {
        for situation in Situation::ALL {
            let mut case = Case::of(situation, version).await;
            case.go(way).await;
            case.see_effect().await;
            // Once more changes nothing.
            let contacts = case.shop.system.mautic.stats().contacts;
            tokio::time::timeout(Duration::from_secs(60), case.shop.run(SyncOptions::default())).await.unwrap();
            assert_eq!(case.shop.system.mautic.stats().contacts, contacts, "{version}: {situation}");
            case.see_effect().await;
        }
    }
}

#[tokio::test]
async fn each_situation_of_a_record_that_is_written_alone_is_named_and_followed() {
    each(Way::Alone).await;
}

#[tokio::test]
async fn each_situation_of_a_record_in_a_batch_is_named_and_followed_and_stops_no_other() {
    each(Way::InBulk).await;
}
