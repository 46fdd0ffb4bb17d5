//! What deliveries of webhooks get: unproved ones nothing, and proved ones always 200, whatever is in them.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::consent::ConsentStatus;
use tandem_core::domain::engagement::{EmailStatus, EngagementKind};
use tandem_core::webhook::proof::Verified;
use tandem_tests::client::Answer;
use tandem_tests::deliveries::{self, Delivery};
use tandem_tests::system::{Options, System, WEBHOOK_SECRET};

const BODY: &str =
    r#"{"mautic.email_on_unsubscribe":[{"email":"john@example.com","timestamp":"2026-11-01T10:00:00+00:00"}]}"#;

async fn system() -> System {
    System::with(Options::default().without_worker().without_fields()).await
}

async fn sent(system: &System, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let request = system.caller.bare(Method::POST, path).body(body.to_vec());
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    system.caller.send(request).await.unwrap()
}

fn signature(body: &[u8], secret: &str) -> String {
    Delivery::signed("", body.to_vec(), secret).signature
}

fn counts(answer: &Answer) -> (u16, u64, u64) {
    let count = |name: &str| answer.data()[name].as_u64().unwrap_or(u64::MAX);
    (answer.status, count("eventsProcessed"), count("eventsFailed"))
}

async fn is_stored(system: &System, body: &[u8]) -> bool {
    let (desk, digest) = (system.desk(), Verified::stored(body.to_vec()).digest());
    desk.services.events.kept(&desk.integration.scope, &digest).await.unwrap().is_some()
}

async fn opted_out(system: &System, email: &str) -> bool {
    system.consent(email).await.unwrap() == Some(ConsentStatus::OptedOut)
}

#[tokio::test]
async fn what_is_not_proved_is_refused_and_neither_stored_nor_applied() {
    let system = system().await;
    let (body, right) = (BODY.as_bytes(), signature(BODY.as_bytes(), WEBHOOK_SECRET));
    let wrong = signature(body, "another");
    let hex = "00".repeat(32);
    let cut = &right[..right.len() - 2];
    for headers in [
        vec![],
        vec![("Webhook-Signature", wrong.as_str())],
        vec![("Webhook-Signature", "")],
        vec![("Webhook-Signature", "no base64!")],
        vec![("Webhook-Signature", hex.as_str())],
        vec![("Webhook-Signature", cut)],
        vec![("X-Webhook-Secret", "another")],
        vec![("X-Webhook-Secret", "")],
        vec![("Authorization", "Bearer tdm_key_of_the_tests_that_nobody_else_uses")],
        // A secret beside it does not mend a wrong signature.
        vec![("Webhook-Signature", wrong.as_str()), ("X-Webhook-Secret", WEBHOOK_SECRET)],
    ] {
        let answer = sent(&system, "/mautic-webhook", &headers, body).await;
        assert_eq!((answer.status, answer.error_code()), (401, "unproved"), "{headers:?}");
    }
    for query in ["?secret=", "?secret=another", "?secret=s3cret&secret=s3cret", "?secret[]=s3cret", "?SECRET=s3cret"] {
        assert_eq!(sent(&system, &format!("/mautic-webhook{query}"), &[], body).await.status, 401, "{query}");
    }
    assert!(!is_stored(&system, body).await && !opted_out(&system, "john@example.com").await);
}

#[tokio::test]
async fn the_signature_of_a_body_that_was_encoded_again_proves_nothing() {
    let system = system().await;
    for delivery in deliveries::recorded() {
        let value: Value = serde_json::from_slice(&delivery.body).unwrap();
        let again = Delivery { body: serde_json::to_vec_pretty(&value).unwrap(), ..delivery };
        assert_eq!(system.deliver(&again).await.unwrap().status, 401, "{}", again.name);
    }
}

#[tokio::test]
async fn the_secret_itself_proves_a_delivery_that_has_no_signature() {
    let system = system().await;
    let body = |number: u8| BODY.replace("john", &format!("john{number}")).into_bytes();
    let answers = [
        sent(&system, "/mautic-webhook?secret=s3cret", &[], &body(0)).await,
        sent(&system, "/mautic-webhook", &[("X-Webhook-Secret", WEBHOOK_SECRET)], &body(1)).await,
        sent(&system, "/mautic-webhook/mautic?secret=s3cret", &[("X-Webhook-Secret", "another")], &body(2)).await,
        // A signature is proof enough: what is in the address does not count then.
        sent(
            &system,
            "/mautic-webhook?secret=another",
            &[("Webhook-Signature", &signature(&body(3), WEBHOOK_SECRET))],
            &body(3),
        )
        .await,
    ];
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(counts(answer), (200, 1, 0), "{number}: {}", answer.body);
        assert!(opted_out(&system, &format!("john{number}@example.com")).await);
    }
}

#[tokio::test]
async fn the_secret_before_the_current_one_is_good_as_long_as_it_is_configured() {
    let options = Options::default().without_worker().without_fields().with("MAUTIC_WEBHOOK_SECRET_PREVIOUS", "older");
    let system = System::with(options).await;
    for (number, secret) in ["older", WEBHOOK_SECRET].into_iter().enumerate() {
        let body = BODY.replace("john", &format!("john{number}")).into_bytes();
        let answer = system.deliver(&Delivery::signed("", body, secret)).await.unwrap();
        assert_eq!(counts(&answer), (200, 1, 0), "{secret}");
    }
    assert_eq!(counts(&sent(&system, "/mautic-webhook?secret=older", &[], BODY.as_bytes()).await), (200, 1, 0));
}

#[tokio::test]
async fn without_a_secret_every_delivery_is_refused() {
    for blank in ["", "  "] {
        let options = Options::default().without_worker().without_fields().with("MAUTIC_WEBHOOK_SECRET", blank);
        let system = System::with(options).await;
        for secret in ["", "  ", WEBHOOK_SECRET] {
            let delivery = Delivery::signed("", BODY.into(), secret);
            assert_eq!(system.deliver(&delivery).await.unwrap().status, 401);
        }
        assert_eq!(sent(&system, "/mautic-webhook?secret=", &[], BODY.as_bytes()).await.status, 401);
    }
}

#[tokio::test]
async fn the_way_in_is_post_to_a_known_integration_with_a_body() {
    let system = system().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = system.caller.send(system.caller.bare(method.clone(), "/mautic-webhook")).await.unwrap();
        assert_eq!(answer.status, 405, "{method}");
    }
    let signed = signature(BODY.as_bytes(), WEBHOOK_SECRET);
    for path in
        ["/mautic-webhook/hubspot", "/mautic-webhook/Mautic", "/mautic-webhook/..%2Fmautic", "/mautic-webhook/%00"]
    {
        let answer = sent(&system, path, &[("Webhook-Signature", &signed)], BODY.as_bytes()).await;
        assert_eq!((answer.status, answer.error_code()), (404, "unknown_integration"), "{path}");
    }
    let answer = sent(&system, "/mautic-webhook", &[("Webhook-Signature", &signature(b"", WEBHOOK_SECRET))], b"").await;
    assert_eq!((answer.status, answer.error_code()), (400, "empty_body"));
    assert!(!opted_out(&system, "john@example.com").await);
}

#[tokio::test]
async fn the_answer_has_the_shape_that_was_promised() {
    let system = system().await;
    let headers =
        [("Webhook-Signature", &*signature(BODY.as_bytes(), WEBHOOK_SECRET)), ("X-Correlation-Id", "abc-123")];
    let answer = sent(&system, "/mautic-webhook", &headers, BODY.as_bytes()).await;
    let result = json!({"email": "john@example.com", "type": "unsubscribe", "processed": true});
    assert_eq!((answer.status, &answer.body["ok"]), (200, &json!(true)));
    assert_eq!((&answer.data()["eventsProcessed"], &answer.data()["eventsFailed"]), (&json!(1), &json!(0)));
    assert_eq!(answer.data()["results"], json!([result]));
    assert_eq!(answer.body["correlationId"], json!(answer.correlation_id.unwrap()));
}

#[tokio::test]
async fn a_proved_body_that_is_no_object_is_stored_and_reported() {
    let system = system().await;
    let deep = [("[", 100_000), (r#"{"a":"#, 100_000)].map(|(text, count)| text.repeat(count).into_bytes());
    let nested = format!(r#"{{"mautic.email_on_open":{}1{}}}"#, "[".repeat(5_000), "]".repeat(5_000)).into_bytes();
    let mut bodies: Vec<Vec<u8>> = [
        "hello",
        "[]",
        r#"[{"mautic.email_on_open":[]}]"#,
        "7",
        "-1e999",
        "null",
        "\"text\"",
        "{",
        "{}x",
        " ",
        "\0\0\0",
        "{\"a\":\"\0\"}",
        "\u{feff}{}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    bodies.extend([vec![0xff, 0xfe, 0x00], vec![0; 1000], nested]);
    bodies.extend(deep);
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let answer = system.tell_raw(body.clone()).await;
        assert_eq!(counts(&answer), (200, 0, 1), "{shown}: {}", answer.body);
        let result = &answer.data()["results"][0];
        assert_eq!((&result["processed"], &result["issue"]["field"]), (&json!(false), &json!("body")), "{shown}");
        assert!(is_stored(&system, &body).await, "{shown}");
        let again = system.tell_raw(body).await;
        assert_eq!((counts(&again), &again.data()["repeated"]), ((200, 0, 1), &json!(true)), "{shown}");
    }
}

#[tokio::test]
async fn ten_megabytes_are_taken_and_not_one_byte_more() {
    let system = system().await;
    let sized = |size: usize| {
        let rest = BODY.strip_prefix('{').unwrap();
        let pad = size - rest.len() - r#"{"pad":"",""#.len() + 1;
        // Chance does not shrink when it is packed.
        let mut state = 1_u64;
        let mut noise = String::with_capacity(pad);
        for _ in 0..pad {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            noise.push(char::from(b'0' + u8::try_from((state >> 33) % 64).unwrap()).to_ascii_lowercase());
        }
        let noise = noise.replace(['\\', '"'], "_");
        format!(r#"{{"pad":"{noise}",{rest}"#).into_bytes()
    };
    let body = sized(10 * 1024 * 1024);
    assert_eq!(body.len(), 10 * 1024 * 1024);
    let answer = system.tell_raw(body.clone()).await;
    assert_eq!(counts(&answer), (200, 2, 0), "{}", answer.body);
    assert!(opted_out(&system, "john@example.com").await);
    let (desk, digest) = (system.desk(), Verified::stored(body.clone()).digest());
    assert!(desk.services.events.kept(&desk.integration.scope, &digest).await.unwrap() == Some(body));
    let answer = system.tell_raw(sized(10 * 1024 * 1024 + 1)).await;
    assert_eq!((answer.status, answer.error_code()), (413, "body_too_large"));
}

/// All places in a value, as far as anything reads there: of the fields that describe themselves, two in each group.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    if !at.is_empty() {
        found.push(at.to_owned());
    }
    match value {
        Value::Object(object) => {
            let is_group = at.rsplit('/').nth(1) == Some("fields");
            let read = |name: &str| !is_group || ["email", "points", "firstname"].contains(&name);
            let unread = ["customHtml", "ipAddress", "dynamicContent", "utmTags", "tags", "properties"];
            for (name, inner) in object.iter().filter(|(name, _)| read(name) && !unread.contains(&name.as_str())) {
                places(inner, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn wrong_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-7),
        json!(1.5),
        json!(u64::MAX),
        json!("\u{0}x"),
        json!(""),
        json!([]),
        json!([1, [2]]),
        json!({}),
        json!({"x": {"y": null}}),
    ]
}

#[tokio::test]
async fn a_wrong_type_at_any_key_spoils_no_other_entry() {
    let system = system().await;
    let wrong = wrong_values();
    let (mut turn, mut seen) = (0, std::collections::BTreeSet::new());
    for delivery in deliveries::recorded() {
        let body: Value = serde_json::from_slice(&delivery.body).unwrap();
        let (kind, entries) = body.as_object().unwrap().iter().next().unwrap();
        if !seen.insert(kind.clone()) {
            continue;
        }
        let mut all = Vec::new();
        places(&entries[0], "", &mut all);
        let mut mutated = Vec::new();
        for place in &all {
            let mut entry = entries[0].clone();
            *entry.pointer_mut(place).unwrap() = wrong[turn % wrong.len()].clone();
            mutated.push(entry);
            turn += 1;
        }
        mutated.extend(wrong.iter().cloned());
        let (count, address) = (mutated.len() as u64, format!("good{turn}@example.com"));
        let body = json!({kind: mutated, "mautic.email_on_unsubscribe": {"email": address}});
        let answer = system.tell(body).await;
        let (status, processed, failed) = counts(&answer);
        assert_eq!((status, processed + failed), (200, count + 1), "{kind}: {}", answer.body);
        assert!(opted_out(&system, &address).await, "{kind}");
    }
    assert!(turn > 300, "{turn} places");
}

#[tokio::test]
async fn a_wrong_type_in_place_of_the_entries_spoils_no_other_type() {
    let system = system().await;
    let kinds = ["mautic.page_on_hit", "mautic.lead_points_change", "mautic.email_on_open", "timestamp", "", "mautic."];
    for (number, wrong) in wrong_values().into_iter().enumerate() {
        let mut body = json!({});
        for kind in kinds {
            body[kind] = wrong.clone();
        }
        let address = format!("beside{number}@example.com");
        body["mautic.email_on_unsubscribe"] = json!([{"email": address}]);
        let answer = system.tell(body).await;
        assert_eq!(answer.status, 200, "{wrong}: {}", answer.body);
        assert!(opted_out(&system, &address).await, "{wrong}");
    }
}

#[tokio::test]
async fn hostile_values_are_kept_out_of_harms_way() {
    let system = system().await;
    let long = "x".repeat(500_000);
    let contact = |id: Value| json!({"id": id, "fields": {"core": {"email": {"value": "hostile@example.com"}}}});
    let answer = system
        .tell(json!({
            "mautic.lead_list_change": [
                {"contact": contact(json!(5)), "segment": {"alias": long}, "action": "added"},
                {"contact": contact(json!(5)), "segment": {"alias": "\u{0}#/"}, "action": "added"},
            ],
            "mautic.lead_company_change": [{"contact": contact(json!("5")), "company": {"name": long}, "added": true}],
            "mautic.lead_post_save_update": [{"contact": {"id": 5, "fields": {"core": {"notes": {"value": long}}}}}],
            "mautic.page_on_hit": [{"hit": {"id": u64::MAX, "lead": contact(json!(u64::MAX)), "url": long, "userAgent": long}}],
            "mautic.email_on_open": [
                {"stat": {"trackingHash": long, "lead": contact(json!(5)), "dateRead": "9999-12-31T23:59:59+00:00"}},
                {"stat": {"trackingHash": "#\u{0}", "lead": contact(json!(5)), "dateRead": "-009999-01-01T00:00:00Z"}},
                {"stat": {"trackingHash": "a", "lead": contact(json!(5)), "dateRead": -62_135_596_800_i64}},
            ],
            long.clone(): [{}],
            "mautic.email_on_unsubscribe": {"email": "after@example.com"},
        }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(opted_out(&system, "after@example.com").await);
    assert_eq!(system.standing("5").await.counts.get(&EngagementKind::Open), Some(&3));
}

#[tokio::test]
async fn unknown_types_are_counted_and_never_an_error() {
    let system = system().await;
    let body = json!({"mautic.asset_on_load": [{"x": 1}, {}], "mautic.new_thing": {"y": 2}, "timestamp": "2026-11-01"});
    let answer = system.tell(body).await;
    assert_eq!(counts(&answer), (200, 3, 0));
    assert_eq!(answer.data()["results"][0], json!({"email": null, "type": "unknown", "processed": true}));
    for nothing in [json!({}), json!({"timestamp": "2026-11-01T10:00:00"}), json!({"mautic.page_on_hit": []})] {
        assert_eq!(counts(&system.tell(nothing).await), (200, 0, 0));
    }
}

#[tokio::test]
async fn entries_about_nobody_are_reported_and_ones_about_strangers_are_taken() {
    let system = system().await;
    let open =
        |lead: Value| json!({"stat": {"trackingHash": "abc", "dateRead": "2026-11-01T10:00:00+00:00", "lead": lead}});
    let answer = system
        .tell(json!({"mautic.email_on_open": [
            open(json!({"id": 99_999})),
            open(Value::Null),
            open(json!({"id": 0, "email": "no address"})),
            open(json!({"email": "stranger@example.com"})),
        ]}))
        .await;
    assert_eq!(counts(&answer), (200, 2, 2), "{}", answer.body);
    assert_eq!(answer.data()["results"][1]["issue"]["code"], "missing");
    assert_eq!(system.standing("99999").await.counts.get(&EngagementKind::Open), Some(&1));
}

#[tokio::test]
async fn a_repeat_is_answered_as_done_and_changes_nothing() {
    let system = system().await;
    let recorded = deliveries::recorded();
    let hits: Vec<_> = recorded.iter().filter(|delivery| delivery.name.contains("channel_subscription")).collect();
    let mut first = Vec::new();
    for delivery in &hits {
        first.push(system.deliver(delivery).await.unwrap());
    }
    let before = (system.standing("16").await, system.queue.counts().await.unwrap());
    for (delivery, first) in hits.iter().zip(first) {
        let again = system.deliver(delivery).await.unwrap();
        assert_eq!((again.status, &again.data()["repeated"]), (200, &json!(true)));
        assert_eq!(
            (first.data()["repeated"].clone(), first.data()["results"].clone()),
            (json!(false), again.data()["results"].clone())
        );
    }
    assert_eq!((system.standing("16").await, system.queue.counts().await.unwrap()), before);
}

#[tokio::test]
async fn bodies_of_the_older_design_are_read() {
    let system = system().await;
    let at = "2026-11-01T10:00:00+00:00";
    let lead = |id: u64| json!({"id": id, "email": format!("older{id}@example.com")});
    let answer = system
        .tell(json!({
            "timestamp": at,
            "email_on_unsubscribe": {"lead": lead(1), "stat": {"id": 1}},
            "mautic.email_on_click": {"lead": lead(2), "url": "https://example.com/a", "stat": {"id": 2}},
            "mautic.email_on_bounce": [{"lead": lead(3), "stat": {"id": 3}, "reason": "550 no such user"}],
            "mautic.email_on_complaint": {"lead": lead(4), "id": 4},
            "email_on_open": {"lead": lead(5), "id": 5},
            "mautic.lead_points_change": {"lead": lead(6), "points": {"old_points": 1, "new_points": "9"}},
            "mautic.lead_list_change": {"lead": lead(6), "list": {"alias": "vips"}, "action": "added"},
            "mautic.email_on_unsubscribed": {"email": "flat@example.com"},
        }))
        .await;
    assert_eq!(counts(&answer), (200, 8, 0), "{}", answer.body);
    let results = answer.data()["results"].as_array().unwrap();
    let told = |email: &str| results.iter().find(|result| result["email"] == email).unwrap()["type"].clone();
    for (id, name) in [(1, "unsubscribe"), (2, "click"), (3, "bounce"), (4, "complaint"), (5, "open")] {
        assert_eq!(told(&format!("older{id}@example.com")), name);
    }
    let mut statuses = Vec::new();
    for id in ["1", "2", "3", "4", "5"] {
        statuses.push(system.standing(id).await.email_status);
    }
    use EmailStatus::{Active, Bounced, Complained, Unsubscribed};
    assert_eq!(statuses, [Unsubscribed, Active, Bounced, Complained, Active]);
    let observed = system.observed("6").await;
    assert_eq!((observed.points.map(|(_, points)| points), observed.segments["vips"].1), (Some(9), true));
    assert_eq!(observed.segments["vips"].0, at.parse().unwrap());
    for email in ["older1@example.com", "older4@example.com", "flat@example.com"] {
        assert!(opted_out(&system, email).await, "{email}");
    }
}
