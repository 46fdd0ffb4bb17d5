//! In what Mautic 5.1 and 7.0 differ, and what both do that no documentation says.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod support;

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Fixture, Receiver};
use tandem_simulators::mautic::WebhookMode;
use tandem_simulators::{MauticOptions, MauticVersion};

use MauticVersion::{V5_1, V7_0};

async fn mautic(version: MauticVersion) -> Fixture {
    Fixture::start(MauticOptions::default().version(version).race_window(Duration::ZERO)).await
}

fn planted(email: &str) -> serde_json::Map<String, Value> {
    let mut fields = serde_json::Map::new();
    fields.insert("email".into(), json!(email));
    fields
}

#[tokio::test]
async fn each_answer_names_the_version_that_was_asked_for() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        let answer = fixture.try_call(Method::GET, "/api/contacts", Value::Null).await.expect("an answer");
        assert_eq!(answer.headers()["Mautic-Version"], version.full());
        assert_eq!(version.to_string().parse(), Ok(version));
    }
}

#[tokio::test]
async fn the_time_of_change_is_frozen_in_7_and_the_audit_log_has_every_change_in_both() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        let id = fixture.create(json!({"email": "dm@example.com", "firstname": "A"})).await;
        let contact = |body: &Value| body["contact"]["dateModified"].clone();
        let created = contact(&fixture.get(&format!("/api/contacts/{id}")).await);
        assert_eq!(created.is_null(), version == V5_1, "{version}: {created}");
        tokio::time::sleep(Duration::from_millis(1100)).await;
        fixture.call(Method::PATCH, &format!("/api/contacts/{id}/edit"), json!({"firstname": "B"})).await;
        fixture.call(Method::PATCH, &format!("/api/contacts/{id}/edit"), json!({"firstname": "B"})).await;
        let changed = contact(&fixture.get(&format!("/api/contacts/{id}")).await);
        assert_eq!(changed == created, version == V7_0, "{version}: {created} {changed}");

        let log = fixture.get("/api/stats/audit_log?where[0][col]=object&where[0][expr]=eq&where[0][val]=lead").await;
        let rows = log["stats"].as_array().expect("rows");
        let actions: Vec<&str> = rows.iter().filter_map(|row| row["action"].as_str()).collect();
        assert_eq!(actions, ["create", "identified", "update"], "{version}");
        let details = rows[2]["details"].as_str().expect("details");
        assert!(
            details.starts_with(r#"a:4:{s:9:"firstname";a:2:{i:0;s:1:"A";i:1;s:1:"B";}s:6:"fields";"#),
            "{details}"
        );
        assert_eq!((rows[2]["user_id"].as_str(), rows[2]["user_name"].as_str()), (Some("0"), Some("hub [1]")));
    }
}

#[tokio::test]
async fn an_apostrophe_is_found_by_in_and_by_search_but_not_by_eq_in_5_1() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        fixture.create(json!({"email": "x.o'neil@example.com"})).await;
        let found = async |query: &str| fixture.get(&format!("/api/contacts?minimal=1&{query}")).await["total"].clone();
        let by =
            |expr: &str| format!("where[0][col]=email&where[0][expr]={expr}&where[0][val]=x.o%27neil%40example.com");
        assert_eq!(found(&by("eq")).await, if version == V5_1 { "0" } else { "1" });
        assert_eq!(found(&by("in")).await, "1");
        assert_eq!(found("search=email%3Ax.o%27neil%40example.com").await, "1");
    }
}

#[tokio::test]
async fn contacts_that_share_an_address_refuse_every_write_but_do_not_contact_and_segments() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        let ids = fixture.mautic.plant_contacts(&[planted("dup@example.com"), planted("dup@example.com")]);
        assert_eq!(ids.len(), 2);
        let (id, body) = (ids[0], json!({"email": "dup@example.com", "firstname": "App"}));
        let expected = json!({"email": ["This field must be unique."]});
        for (method, path, body) in [
            (Method::POST, "/api/contacts/new".to_owned(), body.clone()),
            (Method::PATCH, format!("/api/contacts/{id}/edit"), body.clone()),
            (Method::PATCH, format!("/api/contacts/{id}/edit"), json!({"firstname": "App2"})),
            (Method::PUT, format!("/api/contacts/{id}/edit"), body.clone()),
        ] {
            let (status, answer) = fixture.call(method, &path, body).await;
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(answer["errors"][0]["details"], expected);
        }
        for (method, path) in [(Method::POST, "/api/contacts/batch/new"), (Method::PUT, "/api/contacts/batch/edit")] {
            let (_, answer) = fixture.call(method, path, json!([body])).await;
            assert_eq!(answer["statusCodes"], json!([422]));
            assert_eq!(answer["errors"][0]["details"], expected, "a list, for no key is left out");
        }
        assert_eq!(fixture.post(&format!("/api/contacts/{id}/dnc/email/add"), json!({"reason": 3})).await.0, 200);
        let segment = fixture.post("/api/segments/new", json!({"name": "S"})).await.1["list"]["id"].clone();
        let added = fixture.post(&format!("/api/segments/{segment}/contact/{id}/add"), json!({})).await;
        assert_eq!(added.1, json!({"success": 1}));
    }
}

#[tokio::test]
async fn a_slash_is_dropped_from_an_address_which_may_then_be_anothers() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        let id = fixture.create(json!({"email": "sl/ash@example.com", "firstname": "Slash"})).await;
        assert_eq!(fixture.field(id, "email").await, "slash@example.com");
        let (status, answer) = fixture.post("/api/contacts/new", json!({"email": "slash@exam/ple.com"})).await;
        assert_eq!((status, answer["contact"]["id"].as_u64()), (StatusCode::OK, Some(id)));
        let put =
            fixture.call(Method::PUT, "/api/contacts/batch/edit", json!([{"email": "sla/sh@example.com"}])).await.1;
        assert_eq!(put["errors"][0]["code"], 422);
        for c in ["&", "%", "*", "^"] {
            let (status, _) = fixture.post("/api/contacts/new", json!({"email": format!("a{c}b@example.com")})).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{c}");
        }
    }
}

#[tokio::test]
async fn reserved_aliases_are_refused_and_limits_of_text_are_64_unless_given() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        let make = async |alias: &str, limit: Value| {
            let field = json!({"label": alias, "alias": alias, "type": "text", "charLengthLimit": limit});
            fixture.post("/api/fields/contact/new", field).await
        };
        let (status, refused) = make("utm_source", Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(refused["errors"][0]["details"]["alias"][0].as_str().is_some_and(|text| text.contains("reserved")));
        let expected = if version == V7_0 { StatusCode::BAD_REQUEST } else { StatusCode::CREATED };
        assert_eq!(make("owner", Value::Null).await.0, expected, "{version}");
        let (_, usual) = make("usual", Value::Null).await;
        assert_eq!(usual["field"].get("charLengthLimit").cloned(), (version == V7_0).then(|| json!(64)));
        assert_eq!(make("long_one", json!(191)).await.0, StatusCode::CREATED);
        let (hundred, email) = ("x".repeat(100), "len@example.com");
        let taken = fixture.post("/api/contacts/new", json!({"email": email, "long_one": hundred})).await.0;
        assert_eq!(taken, StatusCode::CREATED);
        let (status, refused) = fixture.post("/api/contacts/new", json!({"email": email, "usual": hundred})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{refused}");
        let raised = fixture.call(Method::PATCH, "/api/fields/contact/2/edit", json!({"charLengthLimit": 191})).await;
        assert_eq!(raised.0, StatusCode::OK);
        let name = fixture.post("/api/contacts/new", json!({"email": email, "firstname": hundred})).await;
        assert_eq!(name.0, StatusCode::OK, "{}", name.1);
    }
}

#[tokio::test]
async fn any_field_can_be_an_identifier_and_a_refusal_names_it() {
    let fixture = mautic(V5_1).await;
    fixture.make_field("customer_no", "text").await;
    assert!(fixture.mautic.set_unique_identifier("customer_no", true));
    let id = fixture.create(json!({"email": "a@example.com", "customer_no": "1"})).await;
    let entry = json!([{"email": "b@example.com", "customer_no": "1"}]);
    let (_, answer) = fixture.call(Method::PUT, "/api/contacts/batch/edit", entry).await;
    assert_eq!(answer["errors"][0]["details"], json!({"customer_no": ["This field must be unique."]}));
    let known = fixture.post("/api/contacts/new", json!({"email": "c@example.com", "customer_no": "1"})).await;
    assert_eq!(known.1["contact"]["id"], id, "a create looks for every identifier");
    let gone = json!([{"id": 999_999, "position": "x"}]);
    let (_, answer) = fixture.call(Method::PATCH, "/api/contacts/batch/edit", gone).await;
    assert_eq!(answer["errors"], json!([{"message": "Item was not found.", "code": 404, "type": "api"}]));
}

#[tokio::test]
async fn the_first_do_not_contact_entry_stays_in_5_1_and_gives_way_in_7_unless_the_person_unsubscribed() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        let id = fixture.create(json!({"email": "dnc@example.com"})).await;
        let mut reasons = Vec::new();
        for reason in [2, 3, 1, 2] {
            let body = json!({"reason": reason, "comments": reason.to_string()});
            let answer = fixture.post(&format!("/api/contacts/{id}/dnc/email/add"), body).await.1;
            reasons.push(answer["contact"]["doNotContact"][0]["reason"].clone());
        }
        let expected = if version == V5_1 { json!([2, 2, 2, 2]) } else { json!([2, 3, 1, 1]) };
        assert_eq!(json!(reasons), expected, "{version}");
        let rows = fixture.get("/api/stats/lead_donotcontact").await;
        assert_eq!((rows["total"].as_str(), rows["stats"][0]["id"].as_str()), (Some("1"), Some("1")));
    }
}

#[tokio::test]
async fn the_audit_log_says_who_lifted_an_entry() {
    let fixture = mautic(V5_1).await;
    let id = fixture.create(json!({"email": "self@example.com"})).await;
    for (action, user) in [("unsubscribe", "System"), ("resubscribe", "System")] {
        let url = format!("{}/_control/engage/{action}", fixture.mautic.base_url());
        let answer = fixture.http.post(url).json(&json!({"contact": id})).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{action}");
        let row = last_audit(&fixture).await;
        assert_eq!((row["user_id"].as_str(), row["user_name"].as_str()), (Some("0"), Some(user)));
    }
    fixture.post(&format!("/api/contacts/{id}/dnc/email/add"), json!({"comments": "by an admin"})).await;
    fixture.post(&format!("/api/contacts/{id}/dnc/email/remove"), json!({})).await;
    let row = last_audit(&fixture).await;
    assert_eq!(row["user_name"], "hub [1]");
    let lifted = r#"a:1:{s:18:"dnc_channel_status";a:1:{s:5:"email";a:3:{s:6:"reason";i:0;s:10:"old_reason";i:3;s:8:"comments";s:11:"by an admin";}}}"#;
    assert_eq!(row["details"], lifted);
}

async fn last_audit(fixture: &Fixture) -> Value {
    let log = fixture.get("/api/stats/audit_log?order[0][col]=id&order[0][dir]=desc&limit=1").await;
    log["stats"][0].clone()
}

#[tokio::test]
async fn countries_and_regions_are_spelt_as_each_version_spells_them() {
    for (version, own, others) in [
        (V5_1, ["Turkey", "Fukusima"], ["Türkiye", "Fukushima"]),
        (V7_0, ["Türkiye", "Fukushima"], ["Turkey", "Fukusima"]),
    ] {
        let fixture = mautic(version).await;
        for ([country, state], expected) in [(own, 201), (others, 400)] {
            let (by_country, by_state) = (
                json!({"email": format!("c{expected}@example.com"), "country": country}),
                json!({"email": format!("s{expected}@example.com"), "state": state}),
            );
            assert_eq!(fixture.post("/api/contacts/new", by_country).await.0, expected, "{version} {country}");
            assert_eq!(fixture.post("/api/contacts/new", by_state).await.0, expected, "{version} {state}");
        }
    }
}

#[tokio::test]
async fn names_of_tags_and_segments_are_entity_encoded_in_5_1() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        let made = fixture.post("/api/segments/new", json!({"name": "R&D"})).await.1["list"].clone();
        assert_eq!(made["name"], if version == V5_1 { "R&#38;D" } else { "R&D" });
        assert_eq!(made["alias"], "rd");
        let found = fixture.get("/api/segments?search=R%26D").await["total"].clone();
        assert_eq!(found, i32::from(version == V7_0));
        let contact = json!({"email": "tags@example.com", "tags": ["a&b", "o'x", "<i>y</i>"]});
        let (_, answer) = fixture.post("/api/contacts/new", contact).await;
        let tags: Vec<&str> =
            answer["contact"]["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["tag"].as_str()).collect();
        let encoded = ["a&#38;b", "o&#39;x", "&#60;i&#62;y&#60;/i&#62;"];
        assert_eq!(tags, if version == V5_1 { encoded } else { ["a&b", "o'x", "y"] });
    }
}

#[tokio::test]
async fn a_hook_to_a_private_address_is_made_in_7_and_every_delivery_is_refused() {
    for version in MauticVersion::ALL {
        let (fixture, receiver) = (mautic(version).await, Receiver::start().await);
        fixture.make_hook(&receiver, &["mautic.lead_post_save_new"]).await;
        fixture.create(json!({"email": "a@example.com"})).await;
        assert_eq!(receiver.deliveries().len(), usize::from(version == V5_1));
        if version == V7_0 {
            let logs = fixture.get("/api/stats/webhook_logs").await;
            assert_eq!(logs["stats"][0]["status_code"], "N/A");
            assert_eq!(logs["stats"][0]["note"], "Access to private addresses is not allowed.");
            fixture.mautic.set_allowed_private_addresses(&["127.0.0.1"]);
            fixture.create(json!({"email": "b@example.com"})).await;
            assert_eq!(receiver.deliveries().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_hook_without_a_success_is_unpublished_at_its_second_failure_in_5_1_and_has_two_days_in_7() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        fixture.mautic.set_allowed_private_addresses(&["127.0.0.1"]);
        let dead = json!({"name": "dead", "webhookUrl": "http://127.0.0.1:9/nobody", "secret": "x",
            "triggers": ["mautic.lead_post_save_new"]});
        let hook = fixture.post("/api/hooks/new", dead).await.1["hook"]["id"].as_u64().expect("an id");
        let published = async || fixture.get(&format!("/api/hooks/{hook}")).await["hook"]["isPublished"].clone();
        fixture.create(json!({"email": "a@example.com"})).await;
        assert_eq!(published().await, true);
        fixture.create(json!({"email": "b@example.com"})).await;
        assert_eq!(published().await, version == V7_0, "{version}");
    }
}

#[tokio::test]
async fn a_queue_of_7_sends_again_what_was_not_taken_behind_what_is_newer_and_5_1_loses_it() {
    for version in MauticVersion::ALL {
        let options = MauticOptions::default().version(version).webhooks(WebhookMode::Queue { every: None });
        let fixture = Fixture::start(options.allowed_private_addresses(&["127.0.0.1"])).await;
        let receiver = Receiver::start().await;
        fixture.make_hook(&receiver, &["mautic.lead_post_save_new"]).await;
        receiver.answer_with(StatusCode::INTERNAL_SERVER_ERROR);
        fixture.create(json!({"email": "first@example.com"})).await;
        assert_eq!(fixture.mautic.flush_webhooks().await, 1);
        receiver.answer_with(StatusCode::OK);
        assert_eq!(fixture.mautic.flush_webhooks().await, 0, "not before the delay is over");
        fixture.mautic.advance_webhook_queue(Duration::from_secs(3600));
        fixture.create(json!({"email": "second@example.com"})).await;
        assert_eq!(fixture.mautic.flush_webhooks().await, 1);
        let last: Value = serde_json::from_slice(&receiver.deliveries().pop().expect("a delivery").1).expect("JSON");
        let events = last["mautic.lead_post_save_new"].as_array().expect("events").clone();
        let address = |event: &Value| event["contact"]["fields"]["core"]["email"]["value"].clone();
        let addresses: Vec<Value> = events.iter().map(address).collect();
        let expected = match version {
            V5_1 => json!(["second@example.com"]),
            V7_0 => json!(["second@example.com", "first@example.com"]),
        };
        assert_eq!(json!(addresses), expected, "{version}");
    }
}

#[tokio::test]
async fn without_its_database_or_its_api_mautic_gives_no_tokens_either() {
    let fixture = mautic(V5_1).await;
    let token = async || {
        let form = [("grant_type", "client_credentials"), ("client_id", "1_demo"), ("client_secret", "demo-secret")];
        let url = format!("{}/oauth/v2/token", fixture.mautic.base_url());
        fixture.http.post(url).form(&form).send().await.expect("an answer").status()
    };
    fixture.mautic.set_database(false);
    let (status, answer) = fixture.call(Method::GET, "/api/contacts", Value::Null).await;
    assert_eq!((status, token().await), (StatusCode::INTERNAL_SERVER_ERROR, StatusCode::INTERNAL_SERVER_ERROR));
    assert!(answer["errors"][0]["message"].as_str().is_some_and(|text| text.contains("currently offline")));
    fixture.mautic.set_database(true);
    fixture.mautic.set_enabled(false, true);
    let (status, answer) = fixture.call(Method::GET, "/api/contacts", Value::Null).await;
    assert_eq!((status, token().await), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    assert_eq!(answer["errors"][0]["type"], "api_disabled");
}

#[tokio::test]
async fn a_form_of_a_known_person_from_a_fresh_browser_merges_and_its_values_stand_in_the_survivor() {
    for version in MauticVersion::ALL {
        let fixture = mautic(version).await;
        let known = fixture.create(json!({"email": "k@example.com", "firstname": "Old", "city": "Wien"})).await;
        let field = |alias: &str| json!({"label": alias, "alias": alias, "type": "text", "mappedField": alias});
        let form = json!({"name": "F", "fields": [field("email"), field("firstname")]});
        let form = fixture.post("/api/forms/new", form).await.1["form"]["id"].clone();
        let url = format!("{}/form/submit?formId={form}", fixture.mautic.base_url());
        let values = [("mauticform[email]", "k@example.com"), ("mauticform[firstname]", "New")];
        fixture.http.post(url).form(&values).send().await.expect("an answer");
        let survivor = fixture.get(&format!("/api/contacts/{known}")).await["contact"].clone();
        assert_ne!(survivor["id"], known);
        let all = &survivor["fields"]["all"];
        assert_eq!((all["firstname"].as_str(), all["city"].as_str()), (Some("New"), Some("Wien")));
        let merges =
            fixture.get("/api/stats/audit_log?where[0][col]=action&where[0][expr]=eq&where[0][val]=merge").await;
        assert_eq!(merges["stats"][0]["object_id"], known.to_string());
    }
}
