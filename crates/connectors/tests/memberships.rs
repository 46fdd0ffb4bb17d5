//! Which campaigns a contact is in, and segments by their alias.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod support;

use serde_json::{Value, json};
use support::mautic_with_basic;
use support::ports::World;
use support::stub::{Reply, Stub};
use tandem_connectors::http::Http;
use tandem_connectors::mautic::{Auth, Mautic, Settings};
use tandem_core::domain::link::RemoteId;
use tandem_core::domain::scope::Scope;
use tandem_core::error::{FailureKind, Result};
use tandem_core::jobs::message::MembershipList;
use tandem_core::ports::MarketingPlatform;
use tandem_core::ports::bulk::BulkPlatform;
use tandem_simulators::{MauticOptions, MauticSimulator, RunningMautic};

/// What the method makes of this list of a contact's campaigns.
async fn read(campaigns: Value) -> Result<Vec<String>> {
    let stub = Stub::start(move |_| Reply::json(200, &json!({"total": "2", "campaigns": campaigns.clone()}))).await;
    mautic_with_basic(&stub.url, &World::default().ports()).campaigns_of(&RemoteId("7".to_owned())).await
}

#[tokio::test]
async fn campaigns_of_a_contact_are_read_in_any_of_phps_shapes() {
    for (answer, expected) in [
        (json!([]), vec![]),
        (json!({}), vec![]),
        (json!({"3": {"id": 3, "manuallyRemoved": false}}), vec!["3"]),
        (json!([{"id": "3", "manuallyRemoved": "0"}, {"id": 12}]), vec!["3", "12"]),
        (json!({"3": {"id": "3", "manuallyRemoved": true}, "4": {"id": 4, "manuallyRemoved": 0}}), vec!["4"]),
        (json!([{"id": 3, "manuallyRemoved": "1"}]), vec![]),
    ] {
        assert_eq!(read(answer.clone()).await.unwrap(), expected, "{answer}");
    }
    assert_eq!(read(json!("none")).await.unwrap_err().kind, FailureKind::Garbled);
}

async fn simulated() -> (RunningMautic, Mautic) {
    let mautic = MauticSimulator::start(MauticOptions::default(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let auth = Auth::ClientCredentials { id: "1_demo".to_owned(), secret: "demo-secret".to_owned() };
    let settings = Settings::new(&mautic.base_url(), auth).unwrap();
    let ports = World::default().ports();
    let client = Mautic::new(settings, &Scope::default_mautic(), Http::default(), &ports).unwrap();
    (mautic, client)
}

async fn made(mautic: &RunningMautic, path: &str, body: Value) {
    let request = reqwest::Client::new().post(format!("{}{path}", mautic.base_url()));
    let answer = request.basic_auth("admin", Some("demo-password")).json(&body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
}

#[tokio::test]
async fn a_contact_is_in_the_published_campaigns_that_it_was_not_taken_out_of() {
    let (mautic, client) = simulated().await;
    made(&mautic, "/api/contacts/new", json!({"email": "in@example.com"})).await;
    for published in [true, true, false] {
        made(&mautic, "/api/campaigns/new", json!({"name": "C", "isPublished": published})).await;
    }
    let contact = RemoteId("1".to_owned());
    for campaign in ["1", "2", "3"] {
        let list = MembershipList::Campaign(campaign.to_owned());
        client.set_membership(&contact, &list, true).await.unwrap();
    }
    client.set_membership(&contact, &MembershipList::Campaign("1".to_owned()), false).await.unwrap();
    assert_eq!(client.campaigns_of(&contact).await.unwrap(), ["2"]);
    assert_eq!(mautic.stats().calls["GET /api/contacts/{id}/campaigns"], 1);
    let nobody = client.campaigns_of(&RemoteId("99".to_owned())).await.unwrap_err();
    assert_eq!(nobody.kind, FailureKind::NotFound);
}

#[tokio::test]
async fn segments_have_an_alias_and_campaigns_have_none() {
    let (mautic, client) = simulated().await;
    let client: &dyn BulkPlatform = &client;
    let segment = client.create_segment("New Users").await.unwrap();
    assert_eq!(segment.alias.as_deref(), Some("new-users"));
    assert_eq!(client.segments().await.unwrap(), [segment]);
    made(&mautic, "/api/campaigns/new", json!({"name": "Welcome"})).await;
    assert_eq!(client.campaigns().await.unwrap()[0].alias, None);
}
