//! Campaigns and segments: in and out, by every name of a contact, now or later, the newest wish last.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::client::Answer;
use tandem_tests::system::{Options, System};

struct Lists {
    contact: String,
    campaign: String,
    segment: String,
}

async fn with_lists(system: &System) -> Lists {
    let payload = json!({"id": "u1", "contact": {"email": "member@example.com"}});
    let contact = system.caller.upsert(payload).await.unwrap().contact_id().unwrap().to_owned();
    Lists {
        contact,
        campaign: system.made_in_mautic("campaigns", "C").await,
        segment: system.made_in_mautic("segments", "S").await,
    }
}

async fn call(system: &System, body: Value) -> Answer {
    system.caller.call(&body).await.unwrap()
}

#[tokio::test]
async fn a_contact_goes_into_campaigns_and_segments_and_out_of_them() {
    let system = System::start().await;
    let Lists { contact, campaign, segment } = with_lists(&system).await;
    for (action, list, id, done, inside) in [
        ("add_to_campaign", "campaignId", &campaign, "added", (1, 0)),
        ("add_to_campaign", "campaignId", &campaign, "added", (1, 0)),
        ("add_to_segment", "segmentId", &segment, "added", (1, 1)),
        ("remove_from_campaign", "campaignId", &campaign, "removed", (0, 1)),
        ("remove_from_campaign", "campaignId", &campaign, "removed", (0, 1)),
        ("remove_from_segment", "segmentId", &segment, "removed", (0, 0)),
    ] {
        let mut body = json!({"action": action, "mauticContactId": contact});
        body[list] = json!(id);
        let calls = system.calls();
        let answer = call(&system, body).await;
        assert_eq!(
            (answer.status, answer.contact_id(), &answer.data()["action"]),
            (200, Some(contact.as_str()), &json!(done)),
            "{action}"
        );
        assert_eq!(system.calls() - calls, 1, "{action}");
        let held = system.contact("member@example.com");
        assert_eq!((held.campaigns.len(), held.segments.len()), inside, "{action}");
    }
}

#[tokio::test]
async fn a_contact_may_be_named_by_its_number_its_id_or_its_address() {
    let system = System::start().await;
    let Lists { contact, campaign, .. } = with_lists(&system).await;
    let only_there = json!({"email": "there@example.com"});
    let there =
        system.in_mautic(Method::POST, "/api/contacts/new", Some(only_there)).await["contact"]["id"].to_string();
    let number: u64 = contact.parse().unwrap();
    for (whom, id) in [
        (json!({"mauticContactId": contact}), &contact),
        (json!({"mauticContactId": number}), &contact),
        (json!({"id": "u1"}), &contact),
        (json!({"email": " MEMBER@example.com"}), &contact),
        (json!({"payload": {"email": "member@example.com"}}), &contact),
        (json!({"email": "there@example.com"}), &there),
    ] {
        let mut body = whom.clone();
        body["action"] = json!("add_to_campaign");
        body["campaignId"] = json!(campaign);
        let answer = call(&system, body).await;
        assert_eq!((answer.status, answer.contact_id()), (200, Some(id.as_str())), "{whom}");
    }
}

#[tokio::test]
async fn an_unknown_contact_or_list_is_not_found() {
    let system = System::start().await;
    let Lists { contact, campaign, .. } = with_lists(&system).await;
    for body in [
        json!({"action": "add_to_campaign", "mauticContactId": "99999", "campaignId": campaign}),
        json!({"action": "add_to_campaign", "mauticContactId": contact, "campaignId": "99999"}),
        json!({"action": "remove_from_segment", "mauticContactId": contact, "segmentId": "99999"}),
        json!({"action": "add_to_campaign", "id": "nobody", "campaignId": campaign}),
        json!({"action": "add_to_campaign", "email": "nobody@example.com", "campaignId": campaign}),
    ] {
        let answer = call(&system, body.clone()).await;
        assert_eq!((answer.status, answer.error_code()), (404, "not_found"), "{body}");
    }
}

#[tokio::test]
async fn a_merged_contact_is_followed_into_the_list() {
    let system = System::start().await;
    let Lists { contact, campaign, .. } = with_lists(&system).await;
    let visitor = system.visitor().await;
    system.engage("submit", json!({"contact": visitor, "address": "member@example.com"})).await;
    assert_eq!(
        call(&system, json!({"action": "add_to_campaign", "mauticContactId": contact, "campaignId": campaign}))
            .await
            .status,
        200
    );
    assert_eq!(system.contact("member@example.com").campaigns.len(), 1);
}

#[tokio::test]
async fn a_membership_is_queued_while_mautic_is_down_and_set_when_it_is_back() {
    let system = System::start().await;
    let Lists { contact, segment, .. } = with_lists(&system).await;
    system.mautic_answers(503);
    let answer =
        call(&system, json!({"action": "add_to_segment", "mauticContactId": contact, "segmentId": segment})).await;
    assert_eq!((answer.status, &answer.data()["queued"]), (202, &json!(true)));
    system.mautic.clear_faults();
    system.finish().await;
    assert_eq!(system.contact("member@example.com").segments.len(), 1);
}

#[tokio::test]
async fn a_queued_membership_does_not_override_a_newer_one() {
    let mut system = System::with(Options::default().without_worker()).await;
    let Lists { contact, campaign, segment } = with_lists(&system).await;
    let campaign = |action: &str| json!({"action": action, "mauticContactId": contact, "campaignId": campaign});
    let segment = |action: &str| json!({"action": action, "mauticContactId": contact, "segmentId": segment});
    system.mautic_answers(503);
    assert_eq!(call(&system, campaign("add_to_campaign")).await.status, 202);
    assert_eq!(call(&system, segment("add_to_segment")).await.status, 202);
    system.mautic.clear_faults();
    assert_eq!(call(&system, campaign("remove_from_campaign")).await.status, 200);
    system.start_worker();
    system.finish().await;
    let held = system.contact("member@example.com");
    assert_eq!((held.campaigns.len(), held.segments.len()), (0, 1), "the wish about the other list is done");
}

#[tokio::test]
async fn of_two_queued_memberships_the_newer_one_counts() {
    let system = System::start().await;
    let Lists { contact, campaign, .. } = with_lists(&system).await;
    system.mautic_answers(503);
    for action in ["add_to_campaign", "remove_from_campaign", "add_to_campaign"] {
        assert_eq!(
            call(&system, json!({"action": action, "mauticContactId": contact, "campaignId": campaign})).await.status,
            202
        );
    }
    system.mautic.clear_faults();
    system.finish().await;
    assert_eq!(system.contact("member@example.com").campaigns.len(), 1);
}

#[tokio::test]
async fn a_queued_membership_of_a_list_that_is_gone_is_parked() {
    let system = System::start().await;
    let Lists { contact, .. } = with_lists(&system).await;
    system.mautic_answers(503);
    assert_eq!(
        call(&system, json!({"action": "add_to_campaign", "mauticContactId": contact, "campaignId": 99_999}))
            .await
            .status,
        202
    );
    system.mautic.clear_faults();
    system.finish().await;
    let parked = system.parked().await;
    assert_eq!(parked.len(), 1);
    assert!(parked[0].advice.contains("replay"), "{}", parked[0].advice);
}

#[tokio::test]
async fn a_list_by_name_and_a_contact_by_address_are_queued_while_mautic_can_not_say_which_are_meant() {
    let system = System::start().await;
    let Lists { contact, .. } = with_lists(&system).await;
    let only_there = json!({"email": "there@example.com"});
    system.in_mautic(Method::POST, "/api/contacts/new", Some(only_there)).await;
    system.mautic.inject_faults(vec![FaultRule::new(FaultKind::Status).status(503).times(2)]);
    for (whom, list) in [
        (json!({"mauticContactId": contact}), json!({"segmentName": "S"})),
        (json!({"email": "there@example.com"}), json!({"segmentName": "S"})),
    ] {
        let mut body = json!({"action": "add_to_segment"});
        body.as_object_mut().unwrap().extend(whom.as_object().unwrap().clone());
        body.as_object_mut().unwrap().extend(list.as_object().unwrap().clone());
        let answer = call(&system, body).await;
        assert_eq!((answer.status, &answer.data()["queued"]), (202, &json!(true)), "{}", answer.body);
    }
    system.finish().await;
    for address in ["member@example.com", "there@example.com"] {
        assert_eq!(system.contact(address).segments.len(), 1, "{address}");
    }
}
