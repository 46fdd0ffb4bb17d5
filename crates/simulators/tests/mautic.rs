//! What the simulated Mautic does to its callers, over real HTTP.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test stops where it cannot go on")]

mod support;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tandem_simulators::{
    MauticOptions,
    mautic::{FaultKind, FaultRule, LostReply, WebhookMode},
};

use support::{Fixture, Receiver};

async fn fixture() -> Fixture {
    Fixture::start(MauticOptions::default()).await
}

#[tokio::test]
async fn creates_of_one_address_that_overlap_make_duplicates() {
    let fixture = fixture().await;
    let create = || fixture.post("/api/contacts/new", json!({"email": "race@example.com"}));
    let answers = tokio::join!(create(), create(), create(), create());
    assert_eq!(answers.0.0, StatusCode::CREATED);
    let stats = fixture.mautic.stats();
    assert_eq!(stats.duplicates["race@example.com"].len(), stats.contacts);
    assert!(stats.contacts > 1, "{stats:?}");
}

#[tokio::test]
async fn a_create_that_finds_a_twin_when_it_validates_is_refused() {
    let fixture = Fixture::start(MauticOptions::default().race_window(Duration::from_millis(400))).await;
    let create = || fixture.post("/api/contacts/new", json!({"email": "late@example.com"}));
    let (first, second) = tokio::join!(create(), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        create().await
    });
    assert_eq!((first.0, second.0), (StatusCode::CREATED, StatusCode::UNPROCESSABLE_ENTITY));
    assert_eq!(second.1["errors"][0]["details"]["email"][0], "This field must be unique.");
}

#[tokio::test]
async fn creates_one_after_the_other_update_the_same_contact_in_any_letter_case() {
    let fixture = fixture().await;
    let id = fixture.create(json!({"email": "jo@example.com", "firstname": "Jo"})).await;
    let (status, body) = fixture.post("/api/contacts/new", json!({"email": "JO@Example.com", "lastname": "Doe"})).await;
    assert_eq!((status, body["contact"]["id"].as_u64()), (StatusCode::OK, Some(id)));
    assert_eq!(fixture.field(id, "firstname").await, "Jo");
}

#[tokio::test]
async fn zeros_are_ignored_by_patch_and_stored_by_put() {
    let fixture = fixture().await;
    fixture.make_field("orders", "number").await;
    let id = fixture.create(json!({"email": "z@example.com", "orders": 5, "city": "Graz"})).await;
    let edit = format!("/api/contacts/{id}/edit");
    for zero in [json!(0), json!("0"), json!(0.25), json!("0000")] {
        let (status, _) = fixture.call(Method::PATCH, &edit, json!({"orders": zero, "city": "0000"})).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(fixture.field(id, "orders").await, 5);
        assert_eq!(fixture.field(id, "city").await, "Graz");
    }
    fixture.call(Method::PUT, &edit, json!({"email": "z@example.com", "orders": 0})).await;
    assert_eq!(fixture.field(id, "orders").await, 0);
}

#[tokio::test]
async fn put_blanks_every_field_that_it_does_not_carry() {
    let fixture = fixture().await;
    let id = fixture.create(json!({"email": "p@example.com", "firstname": "P", "city": "Graz", "points": 7})).await;
    let edit = format!("/api/contacts/{id}/edit");
    let (_, body) = fixture.call(Method::PUT, &edit, json!({"email": "p@example.com", "firstname": "Q"})).await;
    assert_eq!(body["contact"]["fields"]["all"]["fax"], "", "the answer shows blanks");
    assert_eq!(fixture.field(id, "city").await, Value::Null);
    assert_eq!(fixture.field(id, "firstname").await, "Q");
    assert_eq!(fixture.field(id, "points").await, 0);
}

#[tokio::test]
async fn a_batch_reports_each_entry_by_its_place() {
    let fixture = fixture().await;
    let entries = json!([{"email": "a@example.com"}, {"email": "nonsense"}, {"email": "A@example.com"}]);
    let (status, body) = fixture.post("/api/contacts/batch/new", entries).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(body["statusCodes"], json!([201, 400, 200]));
    assert_eq!(body["contacts"]["2"]["id"], body["contacts"]["0"]["id"]);
    assert_eq!(body["errors"]["1"]["code"], 400);
}

#[tokio::test]
async fn a_batch_edit_that_mixes_entries_with_and_without_ids_writes_to_the_wrong_contact() {
    let fixture = fixture().await;
    let id = fixture.create(json!({"email": "right@example.com"})).await;
    let entries = json!([{"firstname": "Meant for nobody"}, {"id": id, "firstname": "Meant for it"}]);
    let (_, body) = fixture.call(Method::PATCH, "/api/contacts/batch/edit", entries).await;
    assert_eq!(body["statusCodes"], json!([400, 404]));
    assert_eq!(fixture.field(id, "firstname").await, "Meant for nobody");
}

#[tokio::test]
async fn a_member_that_is_added_again_enters_again_only_where_the_campaign_allows_a_restart() {
    let fixture = fixture().await;
    let contact = fixture.create(json!({"email": "member@example.com"})).await;
    for (campaign, restart, rotation) in [(1, false, "1"), (2, true, "3")] {
        fixture.post("/api/campaigns/new", json!({"name": "C", "allowRestart": restart})).await;
        for _ in 0..3 {
            fixture.post(&format!("/api/campaigns/{campaign}/contact/{contact}/add"), Value::Null).await;
        }
        let members = fixture.get(&format!("/api/campaigns/{campaign}/contacts")).await;
        assert_eq!((&members["total"], &members["contacts"][0]["rotation"]), (&json!("1"), &json!(rotation)));
    }
    assert_eq!(fixture.mautic.stats().campaign_entries, [(1, 1), (2, 3)].into());
    assert_eq!(fixture.get("/_control/contacts").await[0]["campaign_entries"], json!({"1": 1, "2": 3}));
}

#[tokio::test]
async fn a_contact_that_was_taken_out_of_a_campaign_by_hand_enters_again_by_hand() {
    let fixture = fixture().await;
    let contact = fixture.create(json!({"email": "back@example.com"})).await;
    fixture.post("/api/campaigns/new", json!({"name": "Once only", "allowRestart": false})).await;
    for (action, members, entries) in [("add", 1, 1), ("remove", 0, 1), ("remove", 0, 1), ("add", 1, 2)] {
        fixture.post(&format!("/api/campaigns/1/contact/{contact}/{action}"), Value::Null).await;
        let held = &fixture.mautic.contacts()[0];
        assert_eq!((held.campaigns.len(), held.campaign_entries[&1]), (members, entries), "{action}");
    }
    fixture.call(Method::DELETE, &format!("/api/contacts/{contact}/delete"), Value::Null).await;
    assert_eq!(fixture.mautic.stats().campaign_entries[&1], 2, "entries outlive the contact");
}

#[tokio::test]
async fn a_lost_reply_leaves_its_work_done() {
    let fixture = fixture().await;
    for how in [LostReply::Close, LostReply::Status] {
        let rule = FaultRule::new(FaultKind::LostReply).path("/api/contacts").method("POST").times(1).how(how);
        fixture.mautic.inject_faults(vec![rule]);
        let email = format!("{how:?}@example.com").to_lowercase();
        let answer = fixture.try_call(Method::POST, "/api/contacts/new", json!({"email": email})).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 500));
        let found = fixture.get(&format!("/api/contacts?search=email:{email}")).await;
        assert_eq!(found["total"], "1");
    }
    assert_eq!(fixture.mautic.stats().faults_injected, 2);
}

#[tokio::test]
async fn a_call_whose_caller_gave_up_is_done_all_the_same() {
    let fixture = Fixture::start(MauticOptions::default().latency(Duration::from_millis(150))).await;
    let impatient = reqwest::Client::builder().timeout(Duration::from_millis(50)).build().expect("a client");
    let url = format!("{}/api/contacts/new", fixture.mautic.base_url());
    let body = json!({"email": "timeout@example.com"});
    assert!(impatient.post(url).bearer_auth(&fixture.token).json(&body).send().await.is_err());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(fixture.mautic.stats().contacts, 1);
}

#[tokio::test]
async fn a_closed_connection_comes_without_an_answer_and_without_an_effect() {
    let fixture = fixture().await;
    fixture.mautic.inject_faults(vec![FaultRule::new(FaultKind::Close).method("POST").times(1)]);
    let answer = fixture.try_call(Method::POST, "/api/contacts/new", json!({"email": "c@example.com"})).await;
    assert!(answer.is_err_and(|error| error.is_request()));
    assert_eq!(fixture.mautic.stats().contacts, 0);
}

#[tokio::test]
async fn faults_are_set_and_cleared_over_http() {
    let fixture = fixture().await;
    let rules = json!([{"match": {"path_prefix": "/api"}, "kind": "status", "status": 503, "retry_after": 7}]);
    fixture.post("/_control/faults", rules).await;
    let answer = fixture.try_call(Method::GET, "/api/contacts", Value::Null).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "7");
    fixture.call(Method::DELETE, "/_control/faults", Value::Null).await;
    assert_eq!(fixture.get("/api/contacts").await["total"], "0");
}

#[tokio::test]
async fn everything_answered_survives_in_the_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mautic.journal");
    let options = || MauticOptions::default().journal(&path);
    let first = Fixture::start(options()).await;
    let id = first.create(json!({"email": "j@example.com", "tags": ["kept"]})).await;
    let gone = first.create(json!({"email": "gone@example.com"})).await;
    first.call(Method::DELETE, &format!("/api/contacts/{gone}/delete"), Value::Null).await;
    // No shutdown: this is what a kill leaves.
    let token = first.token.clone();
    drop(first);
    std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"{\"table\":\"contacts\",\"id\":9,\"ro"))
        .expect("a torn line");

    let mut second = Fixture::start(options()).await;
    second.token = token;
    let contact = &second.get(&format!("/api/contacts/{id}")).await["contact"];
    assert_eq!(contact["tags"][0]["tag"], "kept");
    assert_eq!(second.mautic.stats().contacts, 1);
    let (status, _) = second.post("/api/contacts/new", json!({"email": "J@example.com"})).await;
    assert_eq!(status, StatusCode::OK, "the address is still known");
    assert!(second.create(json!({"email": "new@example.com"})).await > gone, "ids are never given twice");
}

#[tokio::test]
async fn a_webhook_is_signed_over_a_body_that_is_escaped_as_php_does() {
    let (fixture, receiver) = (fixture().await, Receiver::start().await);
    fixture.make_hook(&receiver, &["mautic.lead_post_save_new"]).await;
    fixture.create(json!({"email": "w@example.com", "firstname": "Zoë 🎉", "website": "https://example.com/a"})).await;

    let deliveries = receiver.deliveries();
    let (headers, body) = deliveries.first().expect("a delivery before the answer");
    let text = String::from_utf8(body.clone()).expect("text");
    assert!(text.contains(r"Zo\u00eb \ud83c\udf89") && text.contains(r"https:\/\/example.com\/a") && text.is_ascii());
    let mut mac = Hmac::<Sha256>::new_from_slice(b"s3cret").expect("a key");
    mac.update(body);
    let signature = STANDARD.decode(headers["webhook-signature"].as_bytes()).expect("base64");
    mac.verify_slice(&signature).expect("the signature verifies");
    assert_eq!(headers["x-origin-base-url"], fixture.mautic.base_url().as_str());
    let document: Value = serde_json::from_slice(body).expect("JSON");
    assert_eq!(document["mautic.lead_post_save_new"][0]["contact"]["fields"]["core"]["firstname"]["value"], "Zoë 🎉");
}

#[tokio::test]
async fn a_failed_delivery_is_lost_and_410_unpublishes_the_hook() {
    let (fixture, receiver) = (fixture().await, Receiver::start().await);
    let hook = fixture.make_hook(&receiver, &["mautic.lead_post_save_new"]).await;
    receiver.answer_with(StatusCode::INTERNAL_SERVER_ERROR);
    fixture.create(json!({"email": "lost@example.com"})).await;
    receiver.answer_with(StatusCode::GONE);
    fixture.create(json!({"email": "gone@example.com"})).await;
    receiver.answer_with(StatusCode::OK);
    fixture.create(json!({"email": "unheard@example.com"})).await;

    assert_eq!(receiver.deliveries().len(), 2);
    assert_eq!(fixture.get(&format!("/api/hooks/{hook}")).await["hook"]["isPublished"], false);
    let logs = fixture.get("/api/stats/webhook_logs").await;
    let statuses: Vec<_> =
        logs["stats"].as_array().expect("rows").iter().map(|row| row["status_code"].clone()).collect();
    assert_eq!(statuses, ["500", "410"]);
}

#[tokio::test]
async fn queued_webhooks_leave_in_bodies_that_mix_types() {
    let fixture = Fixture::start(MauticOptions::default().webhooks(WebhookMode::Queue { every: None })).await;
    let receiver = Receiver::start().await;
    fixture.make_hook(&receiver, &["mautic.lead_post_save_new", "mautic.lead_channel_subscription_changed"]).await;
    let id = fixture.create(json!({"email": "q1@example.com"})).await;
    for number in 2..=12 {
        fixture.create(json!({"email": format!("q{number}@example.com")})).await;
    }
    fixture.post(&format!("/api/contacts/{id}/dnc/email/add"), json!({"reason": 1})).await;
    assert!(receiver.deliveries().is_empty());
    assert_eq!(fixture.mautic.flush_webhooks().await, 2);
    let types = receiver.types();
    assert_eq!(types.iter().filter(|kind| *kind == "mautic.lead_post_save_new").count(), 2);
    assert_eq!(types.last().map(String::as_str), Some("mautic.lead_channel_subscription_changed"));
}

#[tokio::test]
async fn the_rate_limit_counts_down_in_headers_and_ends_in_429_without_retry_after() {
    let fixture = Fixture::start(MauticOptions::default().rate_limit(2)).await;
    let call = || async { fixture.try_call(Method::GET, "/api/contacts", Value::Null).await.expect("an answer") };
    let first = call().await;
    assert_eq!((first.status(), &first.headers()["x-ratelimit-remaining"]), (StatusCode::OK, &"1".parse().unwrap()));
    call().await;
    let third = call().await;
    assert_eq!(third.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.headers()["x-ratelimit-limit"], "2");
    assert!(third.headers().contains_key("x-ratelimit-reset") && !third.headers().contains_key("retry-after"));
    fixture.mautic.set_rate_limit(None);
    assert!(!call().await.headers().contains_key("x-ratelimit-limit"));
}

#[tokio::test]
async fn a_visitor_that_gives_a_known_address_survives_the_merge() {
    let (fixture, receiver) = (fixture().await, Receiver::start().await);
    fixture.post("/_control/engage/submit", json!({"address": "first@example.com"})).await;
    let known = fixture.create(json!({"email": "m@example.com", "firstname": "Known", "points": 10})).await;
    fixture.make_hook(&receiver, &["mautic.lead_post_delete", "mautic.form_on_submit"]).await;

    let event = format!("{}/mtc/event", fixture.mautic.base_url());
    let visit = fixture.http.post(event).form(&[("page_url", "https://example.com")]).send().await.expect("an answer");
    let visit: Value = visit.json().await.expect("JSON");
    let submit = format!("{}/form/submit?formId=1", fixture.mautic.base_url());
    let device = format!("mautic_device_id={}", visit["device_id"].as_str().expect("a device"));
    let form = [("mauticform[email]", "m@example.com")];
    fixture.http.post(submit).header("Cookie", device).form(&form).send().await.expect("an answer");

    let survivor = fixture.get(&format!("/api/contacts/{known}")).await;
    assert_eq!(survivor["contact"]["id"], visit["id"]);
    assert_eq!(survivor["contact"]["fields"]["all"]["firstname"], "Known");
    assert_eq!(survivor["contact"]["points"], 10);
    let (_, patched) =
        fixture.call(Method::PATCH, &format!("/api/contacts/{known}/edit"), json!({"lastname": "After"})).await;
    assert_eq!(patched["contact"]["id"], visit["id"]);
    assert_eq!(receiver.types(), ["mautic.lead_post_delete", "mautic.form_on_submit"]);
}

#[tokio::test]
async fn people_open_click_and_opt_out() {
    let (fixture, receiver) = (fixture().await, Receiver::start().await);
    let id = fixture.create(json!({"email": "p@example.com"})).await;
    fixture
        .make_hook(
            &receiver,
            &[
                "mautic.email_on_send",
                "mautic.email_on_open",
                "mautic.page_on_hit",
                "mautic.lead_channel_subscription_changed",
            ],
        )
        .await;
    for action in ["send", "open", "click", "unsubscribe"] {
        let (status, _) = fixture.post(&format!("/_control/engage/{action}"), json!({"contact": id})).await;
        assert_eq!(status, StatusCode::OK);
    }
    assert_eq!(
        receiver.types(),
        [
            "mautic.email_on_send",
            "mautic.email_on_open",
            "mautic.page_on_hit",
            "mautic.lead_channel_subscription_changed",
        ]
    );
    assert_eq!(fixture.get("/api/stats/lead_donotcontact").await["stats"][0]["reason"], "1");
    assert_eq!(fixture.get("/api/stats/page_hits").await["stats"][0]["source"], "email");
}

#[tokio::test]
async fn the_api_can_be_switched_off_and_tokens_revoked() {
    let fixture = fixture().await;
    fixture.mautic.revoke_tokens();
    let (status, body) = fixture.call(Method::GET, "/api/contacts", Value::Null).await;
    assert_eq!((status, &body["errors"][0]["type"]), (StatusCode::UNAUTHORIZED, &json!("invalid_grant")));
    fixture.mautic.set_enabled(false, false);
    let (status, body) = fixture.call(Method::GET, "/api/contacts", Value::Null).await;
    assert_eq!((status, &body["errors"][0]["type"]), (StatusCode::FORBIDDEN, &json!("api_disabled")));
}

#[tokio::test]
async fn a_token_expires() {
    let fixture = Fixture::start(MauticOptions::default().token_lifetime(Duration::from_millis(50))).await;
    tokio::time::sleep(Duration::from_millis(80)).await;
    let (status, body) = fixture.call(Method::GET, "/api/contacts", Value::Null).await;
    assert_eq!((status, &body["errors"][0]["type"]), (StatusCode::UNAUTHORIZED, &json!("invalid_grant")));
}

#[tokio::test]
async fn lists_take_nested_conditions() {
    let fixture = fixture().await;
    for number in 1..=3 {
        fixture.create(json!({"email": format!("l{number}@example.com"), "points": number})).await;
    }
    let path = "/api/contacts?where[0][expr]=orX&where[0][val][0][col]=points&where[0][val][0][expr]=gt\
                &where[0][val][0][val]=2&where[0][val][1][col]=email&where[0][val][1][expr]=in\
                &where[0][val][1][val]=l1@example.com,nobody@example.com&orderBy=id&orderByDir=desc&minimal=1";
    let found = fixture.get(path).await;
    assert_eq!(found["total"], "2");
    let ids: Vec<_> = found["contacts"].as_object().expect("an object").keys().collect();
    assert_eq!(ids, ["3", "1"]);
    let (status, _) = fixture
        .call(Method::GET, "/api/contacts?where[0][col]=dateModified&where[0][expr]=gt&where[0][val]=1", Value::Null)
        .await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn overlapping_batches_make_duplicates_too() {
    let fixture = fixture().await;
    let batch =
        || fixture.post("/api/contacts/batch/new", json!([{"email": "b@example.com"}, {"email": "B@example.com"}]));
    tokio::join!(batch(), batch());
    assert_eq!(fixture.mautic.stats().duplicates["b@example.com"].len(), 2);
}

#[tokio::test]
async fn of_two_contacts_with_one_address_none_can_be_written_any_more() {
    let fixture = fixture().await;
    let create = || fixture.post("/api/contacts/new", json!({"email": "two@example.com"}));
    tokio::join!(create(), create());
    let (status, _) = fixture.call(Method::PATCH, "/api/contacts/1/edit", json!({"firstname": "X"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn values_outside_of_the_lists_are_refused_by_field() {
    let fixture = fixture().await;
    let contact = json!({"email": "v@example.com", "country": "AU", "state": "NSW", "city": "x".repeat(192)});
    let (status, body) = fixture.post("/api/contacts/new", contact).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let details = body["errors"][0]["details"].as_object().expect("details");
    assert_eq!(details.keys().collect::<Vec<_>>(), ["city", "state", "country"]);
}

#[tokio::test]
async fn shutdown_ends_it_in_peace() {
    let fixture = fixture().await;
    let url = fixture.mautic.base_url();
    fixture.mautic.shutdown().await;
    assert!(reqwest::get(format!("{url}/_control/stats")).await.is_err());
}

#[tokio::test]
async fn companies_are_one_whatever_the_letter_case_and_the_accents_and_a_create_writes_that_one_anew() {
    let fixture = fixture().await;
    let first = json!({"companyname": "Café Müller", "companycity": "Perth", "companywebsite": "https://cafe.example"});
    let (status, made) = fixture.post("/api/companies/new", first).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let (status, met) =
        fixture.post("/api/companies/new", json!({"companyname": "CAFE MULLER", "companycity": "Sydney"})).await;
    assert_eq!((status, &met["company"]["id"]), (StatusCode::OK, &made["company"]["id"]));
    let all = &met["company"]["fields"]["all"];
    assert_eq!((&all["companycity"], &all["companywebsite"]), (&json!("Sydney"), &Value::Null));
    assert_eq!(fixture.get("/api/companies?search=muller").await["total"], "1");
}

#[tokio::test]
async fn values_of_companies_go_through_the_form_as_those_of_contacts_do() {
    let fixture = fixture().await;
    for (field, value) in [
        ("companycity", json!("x".repeat(65))),
        ("companyemail", json!("nobody@localhost")),
        ("companyemail", json!(42)),
        ("companynumber_of_employees", json!("many")),
        ("companycountry", json!("AU")),
        ("companyindustry", json!("Alchemy")),
    ] {
        let body = json!({"companyname": "Globex", field: value});
        let (status, refused) = fixture.post("/api/companies/new", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field}: {refused}");
        let details = refused["errors"][0]["details"].as_object().unwrap();
        assert_eq!(details.keys().collect::<Vec<_>>(), [field]);
    }
    assert_eq!(fixture.get("/api/companies").await["total"], "0", "nothing of a refused create is kept");
}

#[tokio::test]
async fn joining_a_company_once_more_makes_it_no_primary_one() {
    let fixture = fixture().await;
    let contact = fixture.create(json!({"email": "jo@example.com"})).await;
    for name in ["Globex", "Initech"] {
        fixture.post("/api/companies/new", json!({"companyname": name})).await;
    }
    let join = async |company: u32| {
        fixture.post(&format!("/api/companies/{company}/contact/{contact}/add"), Value::Null).await
    };
    for (company, primary) in [(1, "Globex"), (2, "Initech"), (1, "Initech")] {
        assert_eq!(join(company).await, (StatusCode::OK, json!({"success": 1})));
        assert_eq!(fixture.field(contact, "company").await, primary);
    }
    fixture.post(&format!("/api/companies/1/contact/{contact}/remove"), Value::Null).await;
    join(1).await;
    assert_eq!(fixture.field(contact, "company").await, "Globex");
}
