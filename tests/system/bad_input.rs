//! What bad input gets: the right status and code, the field named, and nothing good in the same request lost.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use reqwest::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use tandem_tests::client::Answer;
use tandem_tests::system::{Options, System};

async fn system() -> System {
    System::with(Options::default().without_worker()).await
}

async fn raw(system: &System, body: impl Into<reqwest::Body>) -> Answer {
    let request = system.caller.request().header(CONTENT_TYPE, "application/json").body(body);
    system.caller.send(request).await.unwrap()
}

/// An error answer in the promised form.
fn assert_refused(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!((answer.status, answer.error_code()), (status, code), "{what}: {}", answer.body);
    assert_eq!(answer.body["ok"], false, "{what}");
    assert!(answer.body["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
    assert!(answer.body["error"]["details"].is_array(), "{what}");
    assert!(answer.body["durationMs"].is_u64(), "{what}");
    assert_eq!(answer.body["correlationId"].as_str(), answer.correlation_id.as_deref(), "{what}");
    assert!(answer.correlation_id.is_some(), "{what}");
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_with_the_place_where_it_stops_being_one() {
    let system = system().await;
    let truncated =
        &json!({"action": "upsert_contact", "payload": {"contact": {"email": "a@example.com"}}}).to_string()[..50];
    let bodies = [
        "",
        " ",
        "{",
        "null",
        "[]",
        "\"text\"",
        "17",
        "true",
        "{'action':'ping'}",
        "{\"action\":\"ping\"} x",
        "{\"action\"}",
        "{\"action\":\"\\ud800\"}",
        "{\"action\":1e999}",
        "\u{feff}{\"action\":\"ping\"}",
        truncated,
        "action=ping",
        "<xml/>",
    ];
    for body in bodies {
        assert_refused(&raw(&system, body.to_owned()).await, 400, "malformed_json", body);
    }
    assert_refused(&raw(&system, b"{\"action\":\"\xff\xfe\"}".to_vec()).await, 400, "malformed_json", "no UTF-8");
    assert_eq!(system.mautic.stats().contacts, 0);
}

#[tokio::test]
async fn nesting_of_ten_thousand_levels_is_refused_and_the_server_lives() {
    let system = system().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"action\":\"ping\",\"x\":{}1{}}}", open.repeat(10_000), close.repeat(10_000));
        assert_refused(&raw(&system, deep).await, 400, "malformed_json", "deep nesting");
    }
    assert_eq!(raw(&system, r#"{"action":"ping"}"#).await.status, 200);
}

#[tokio::test]
async fn a_body_over_one_megabyte_is_refused_with_413() {
    let system = system().await;
    let body = json!({"action": "ping", "x": "y".repeat(1024 * 1024)}).to_string();
    assert_refused(&raw(&system, body).await, 413, "body_too_large", "over 1 MB");
}

#[tokio::test]
async fn a_field_of_900_kilobytes_is_left_out_and_the_rest_is_taken() {
    let system = system().await;
    let payload =
        json!({"contact": {"email": "long@example.com", "first_name": "Ada", "last_name": "x".repeat(900_000)}});
    let answer = system.caller.upsert(payload).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body["error"]);
    assert_eq!(answer.complaints(), ["contact.last_name:too_long"]);
    let fields = system.contact("long@example.com").fields;
    assert_eq!(fields["firstname"], "Ada");
    assert_eq!(fields.get("lastname"), None);
}

#[tokio::test]
async fn three_hundred_fields_are_each_reported_and_those_that_are_known_are_taken() {
    let system = system().await;
    let mut contact: Map<String, Value> = (0..300).map(|n| (format!("made_up_{n}"), json!(n))).collect();
    contact.insert("email".to_owned(), json!("many@example.com"));
    contact.insert("first_name".to_owned(), json!("Ada"));
    let answer = system.caller.upsert(json!({"contact": contact})).await.unwrap();
    assert_eq!((answer.status, answer.complaints().len()), (200, 300));
    assert!(answer.complaints().contains(&"contact.made_up_299:unknown_field".to_owned()));
    assert_eq!(system.contact("many@example.com").fields["firstname"], "Ada");
}

#[tokio::test]
async fn only_json_is_taken_as_a_content_type() {
    let system = system().await;
    let body = r#"{"action":"ping"}"#;
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/json", "application/jsonx", ""]
    {
        let request = system.caller.request().header(CONTENT_TYPE, kind).body(body);
        assert_refused(&system.caller.send(request).await.unwrap(), 415, "unsupported_media_type", kind);
    }
    let without = system.caller.send(system.caller.request().body(body)).await.unwrap();
    assert_refused(&without, 415, "unsupported_media_type", "no content type");
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"] {
        let request = system.caller.request().header(CONTENT_TYPE, kind).body(body);
        assert_eq!(system.caller.send(request).await.unwrap().status, 200, "{kind}");
    }
}

#[tokio::test]
async fn wrong_methods_and_unknown_paths_get_405_and_404_in_the_usual_form() {
    let system = system().await;
    let caller = &system.caller;
    for (method, path) in [
        (Method::GET, "/mautic-sync"),
        (Method::PUT, "/mautic-sync"),
        (Method::DELETE, "/mautic-sync"),
        (Method::PATCH, "/mautic-sync"),
        (Method::POST, "/health"),
    ] {
        let what = format!("{method} {path}");
        let allowed = caller.bare(method.clone(), path).send().await.unwrap().headers().contains_key(ALLOW);
        assert!(allowed, "{what} names the methods that are allowed");
        assert_refused(&caller.send(caller.bare(method, path)).await.unwrap(), 405, "method_not_allowed", &what);
    }
    for path in ["/", "/mautic-sync/", "/mautic-sync/nothing", "/nothing", "/mautic-sync%00", "/../etc/passwd", "//"] {
        assert_refused(&caller.send(caller.bare(Method::POST, path)).await.unwrap(), 404, "no_such_path", path);
    }
}

#[tokio::test]
async fn without_a_good_key_nothing_is_read_and_nothing_is_said() {
    let system = system().await;
    let key = tandem_tests::system::KEY;
    let wrong = [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer wrong".to_owned(),
        key.to_owned(),
        format!("Basic {key}"),
        format!("Bearer {key}x"),
        format!("Bearer {}", &key[..key.len() - 1]),
        format!("Bearer {}", key.to_uppercase()),
        format!("Bearer{key}"),
        format!("Bearer {key} {key}"),
        "Bearer 'or'1'='1".to_owned(),
    ];
    for authorization in wrong {
        let request = system.caller.bare(Method::POST, "/mautic-sync").header("authorization", &authorization);
        // Neither the type nor the JSON of the body is looked at.
        let answer = system.caller.send(request.header(CONTENT_TYPE, "text/plain").body("{broken")).await.unwrap();
        assert_refused(&answer, 401, "unauthenticated", &authorization);
        assert_eq!(answer.body["error"]["details"], json!([]));
    }
    let answer = system.caller.send(system.caller.bare(Method::POST, "/mautic-sync")).await.unwrap();
    assert_refused(&answer, 401, "unauthenticated", "no header");
    assert_eq!(system.calls_of("PUT /api/contacts/batch/edit"), 0);
}

#[tokio::test]
async fn an_action_that_is_missing_unknown_or_no_text_is_named() {
    let system = system().await;
    let cases = [
        (json!({}), "action:missing"),
        (json!({"action": null}), "action:missing"),
        (json!({"action": 5}), "action:wrong_type"),
        (json!({"action": ["ping"]}), "action:wrong_type"),
        (json!({"action": ""}), "action:not_in_list"),
        (json!({"action": "PING"}), "action:not_in_list"),
        (json!({"action": "drop_everything"}), "action:not_in_list"),
    ];
    for (body, complaint) in cases {
        let answer = system.caller.call(&body).await.unwrap();
        assert_refused(&answer, 422, "invalid_request", complaint);
        assert_eq!(answer.complaints(), [complaint]);
    }
}

#[tokio::test]
async fn a_request_that_does_not_say_whom_it_means_is_refused_with_the_field_that_is_wrong() {
    let system = system().await;
    let long = "x".repeat(192);
    let cases = [
        (json!(null), "payload:missing"),
        (json!(5), "payload:wrong_type"),
        (json!([]), "payload:wrong_type"),
        (json!("text"), "payload:wrong_type"),
        (json!({}), "email:missing"),
        (json!({"contact": {}}), "contact.email:missing"),
        (json!({"contact": null}), "email:missing"),
        (json!({"contact": {"email": null}}), "contact.email:missing"),
        (json!({"contact": {"email": "  "}}), "contact.email:missing"),
        (json!({"contact": 5}), "contact:wrong_type"),
        (json!({"contact": []}), "contact:wrong_type"),
        (json!({"contact": {"email": 5}}), "contact.email:wrong_type"),
        (json!({"contact": {"email": ["a@example.com"]}}), "contact.email:wrong_type"),
        (json!({"contact": {"email": {"a": 1}}}), "contact.email:wrong_type"),
        (json!({"contact": {"email": true}}), "contact.email:wrong_type"),
        (json!({"id": {}}), "id:wrong_type"),
        (json!({"id": []}), "id:wrong_type"),
        (json!({"id": true}), "id:wrong_type"),
        (json!({"id": 1.5}), "id:wrong_type"),
        (json!({"id": -1}), "id:wrong_type"),
        (json!({"id": "a\u{0}b"}), "id:invalid"),
        (json!({"id": long}), "id:invalid"),
        (json!({"id": "nobody-knows-this-id"}), "contact.email:missing"),
    ];
    for (payload, complaint) in cases {
        let answer = system.caller.upsert(payload.clone()).await.unwrap();
        assert_refused(&answer, 422, "invalid_request", &payload.to_string());
        assert_eq!(answer.complaints(), [complaint], "{payload}");
    }
    assert_eq!(system.mautic.stats().contacts, 0);
}

#[tokio::test]
async fn what_is_no_address_is_refused_and_never_reaches_mautic() {
    let system = system().await;
    let calls = system.calls();
    let long_name = format!("{}@example.com", "a".repeat(65));
    let long = format!("a@{}.com", "b.".repeat(120));
    let wrong = [
        "n/a",
        "none",
        "-",
        "a",
        "a@",
        "@example.com",
        "a@@example.com",
        "a@example",
        "a.example.com",
        "a b@example.com",
        "a@exam ple.com",
        "a@example..com",
        "a@.example.com",
        "a@example.com.",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@-example.com",
        "\"a\"@example.com",
        "a@[127.0.0.1]",
        "Ada <a@example.com>",
        "a@example.com,b@example.com",
        "a@example.com;b@example.com",
        "mailto:a@example.com",
        "a\n@example.com",
        "a\u{0}@example.com",
        "a@example.com\r\nBcc: b@example.com",
        "zoë@example.com",
        "a@exämple.com",
        "а@example.com",
        "😀@example.com",
        &long_name,
        &long,
    ];
    for email in wrong {
        let answer = system.caller.upsert(json!({"contact": {"email": email, "first_name": "Ada"}})).await.unwrap();
        assert_refused(&answer, 422, "invalid_request", email);
        assert_eq!(answer.complaints(), ["contact.email:invalid"], "{email}");
        assert!(!answer.body.to_string().contains(email) || email.len() < 4, "{email} is not repeated");
    }
    let answer = system.caller.upsert(json!({"contact": {"email": "zoë@example.com"}})).await.unwrap();
    assert!(answer.body["error"]["message"].as_str().unwrap().contains("ASCII"), "{}", answer.body);
    assert_eq!((system.calls() - calls, system.mautic.stats().contacts), (0, 0));
}

#[tokio::test]
async fn a_bad_address_of_a_known_id_holds_nothing_else_back() {
    let system = system().await;
    system.caller.upsert(json!({"id": "u1", "contact": {"email": "known@example.com"}})).await.unwrap();
    let answer =
        system.caller.upsert(json!({"id": "u1", "contact": {"email": "n/a", "first_name": "Ada"}})).await.unwrap();
    assert_eq!((answer.status, answer.complaints()), (200, vec!["contact.email:invalid".to_owned()]));
    assert_eq!(system.contact("known@example.com").fields["firstname"], "Ada");
}

#[tokio::test]
async fn a_value_that_can_not_be_taken_is_reported_and_holds_nothing_else_back() {
    let system = system().await;
    let cases = [
        (json!({"contact": {"phone": "call me"}}), "contact.phone:invalid"),
        (json!({"contact": {"phone": {"home": 1}}}), "contact.phone:wrong_type"),
        (json!({"contact": {"mobile": "12"}}), "contact.mobile:invalid"),
        (json!({"contact": {"last_name": ["A"]}}), "contact.last_name:wrong_type"),
        (json!({"contact": {"last_name": {"a": 1}}}), "contact.last_name:wrong_type"),
        (json!({"contact": {"last_name": "x".repeat(192)}}), "contact.last_name:too_long"),
        (json!({"contact": {"country": "Atlantis"}}), "contact.country:not_in_list"),
        (json!({"contact": {"country": 5}}), "contact.country:not_in_list"),
        (json!({"contact": {"country": "AU", "state": "Bavaria"}}), "contact.state:not_in_list"),
        (json!({"contact": {"locale": "xx_YY"}}), "contact.locale:not_in_list"),
        (json!({"contact": {"timezone": "Mars/Olympus"}}), "contact.timezone:not_in_list"),
        (json!({"contact": {"website": "no address"}}), "contact.website:invalid"),
        (json!({"contact": {"website": "javascript:alert(1)"}}), "contact.website:invalid"),
        (json!({"contact": {"tags": {"a": 1}}}), "contact.tags:wrong_type"),
        (json!({"contact": {"tags": [{"a": 1}]}}), "contact.tags:wrong_type"),
        (json!({"contact": {"tags": ["x".repeat(192)]}}), "contact.tags:too_long"),
        (json!({"contact": {"no_such_field": 1}}), "contact.no_such_field:unknown_field"),
        (json!({"utm": "x"}), "utm:wrong_type"),
        (json!({"utm": {"source": {}}}), "utm.source:wrong_type"),
        (json!({"utm": {"colour": "red"}}), "utm.colour:unknown_field"),
        (json!({"ml": []}), "ml:wrong_type"),
        (json!({"ml": {"score": "high"}}), "ml.score:invalid"),
        (json!({"ml": {"score": true}}), "ml.score:wrong_type"),
        (json!({"ml": {"score": [1]}}), "ml.score:wrong_type"),
        (json!({"consent": 5}), "consent:wrong_type"),
        (json!({"consent": {"marketing_opt_in": true, "explicit": "perhaps"}}), "consent.explicit:invalid"),
        (json!({"consent": {"marketing_opt_in": true, "at": "yesterday"}}), "consent.at:invalid"),
        (json!({"consent": {"marketing_opt_in": true, "at": 5}}), "consent.at:wrong_type"),
        (json!({"consent": {"marketing_opt_in": true, "proof": 5}}), "consent.proof:wrong_type"),
        (json!({"fields": 5}), "fields:wrong_type"),
        (json!({"fields": {"total_orders": "many"}}), "total_orders:invalid"),
        (json!({"fields": {"customer_segment": "gold"}}), "customer_segment:not_in_list"),
        (json!({"fields": {"last_order_date": "yesterday"}}), "last_order_date:invalid"),
        (json!({"fields": {"last_order_date": 1_700_000_000}}), "last_order_date:wrong_type"),
        (json!({"fields": {"customer_since": "2026-02-30"}}), "customer_since:invalid"),
        (json!({"custom": "x"}), "custom:wrong_type"),
        (json!({"crm_status": {}}), "crm_status:wrong_type"),
        (json!({"surprise": 1}), "surprise:unknown_field"),
    ];
    for (number, (mut payload, complaint)) in cases.into_iter().enumerate() {
        let email = format!("bad{number}@example.com");
        if payload.get("contact").is_none() {
            payload["contact"] = json!({});
        }
        payload["contact"]["email"] = json!(email);
        payload["contact"]["first_name"] = json!("Ada");
        let answer = system.caller.upsert(payload.clone()).await.unwrap();
        assert_eq!(answer.status, 200, "{complaint}: {}", answer.body);
        let found = answer.complaints();
        assert!(found.len() == 1 && found[0].ends_with(complaint), "{complaint} expected, {found:?} found");
        assert_eq!(system.contact(&email).fields["firstname"], "Ada", "{complaint}");
    }
}

#[tokio::test]
async fn control_characters_and_line_breaks_become_blanks() {
    let system = system().await;
    let contact = json!({"email": "control@example.com", "first_name": "A\u{0}d\u{7}a", "last_name": "Love\r\nlace\t\u{1b}[31m", "city": "\u{0}"});
    let answer = system.caller.upsert(json!({"contact": contact})).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let fields = system.contact("control@example.com").fields;
    assert_eq!((&fields["firstname"], &fields["lastname"]), (&json!("A d a"), &json!("Love lace [31m")));
    assert_eq!(fields.get("city"), None);
}

#[tokio::test]
async fn an_idempotency_key_that_is_empty_too_long_or_no_ascii_is_refused() {
    let system = system().await;
    let keys = [Vec::new(), b"   ".to_vec(), vec![b'k'; 256], vec![0xc3, 0xa9], vec![0xff]];
    for key in keys {
        let value = HeaderValue::from_bytes(&key).unwrap();
        let request = system.caller.request().header("idempotency-key", value).json(&json!({"action": "ping"}));
        assert_refused(
            &system.caller.send(request).await.unwrap(),
            422,
            "invalid_idempotency_key",
            &format!("{key:?}"),
        );
    }
}

#[tokio::test]
async fn numbers_of_contacts_campaigns_and_segments_must_be_positive_whole_numbers() {
    let system = system().await;
    let wrong = [
        json!(-1),
        json!(0),
        json!(1.5),
        json!("abc"),
        json!("1.5"),
        json!("-1"),
        json!("1/../2"),
        json!("1 OR 1=1"),
        json!(true),
        json!({}),
        json!([1]),
        json!(1e30),
    ];
    for value in wrong {
        for (action, list) in [
            ("add_to_campaign", "campaignId"),
            ("remove_from_campaign", "campaignId"),
            ("add_to_segment", "segmentId"),
            ("remove_from_segment", "segmentId"),
        ] {
            let mut body = json!({"action": action, "mauticContactId": value});
            body[list] = value.clone();
            let answer = system.caller.call(&body).await.unwrap();
            assert_refused(&answer, 422, "invalid_request", &body.to_string());
            let fields: Vec<String> =
                answer.complaints().iter().map(|found| found.split(':').next().unwrap().to_owned()).collect();
            // Text that is no number may be the name of a list.
            let named = value.as_str().is_some_and(|text| text.parse::<f64>().is_err() && !text.trim().is_empty());
            let expected = if named { vec!["mauticContactId"] } else { vec!["mauticContactId", list] };
            assert_eq!(fields, expected, "{value}");
        }
        for action in ["delete_contact", "export_contact"] {
            let answer = system.caller.call(&json!({"action": action, "mauticContactId": value})).await.unwrap();
            assert_refused(&answer, 422, "invalid_request", action);
        }
    }
    for action in ["add_to_campaign", "delete_contact", "export_contact"] {
        let answer = system.caller.call(&json!({"action": action})).await.unwrap();
        assert_refused(&answer, 422, "invalid_request", action);
        assert!(answer.complaints().contains(&"mauticContactId:missing".to_owned()), "{action}");
    }
}

#[tokio::test]
async fn no_value_of_a_request_is_repeated_in_an_answer_that_complains_about_it() {
    let system = system().await;
    let canary = "canary-7391";
    let payloads = [
        json!({"contact": {"email": canary}}),
        json!({"contact": canary}),
        json!({"id": format!("{canary}\u{1}")}),
        json!({"contact": {"email": "canary@example.com", "phone": canary, "country": canary, "state": canary, "locale": canary, "timezone": canary, "website": canary, "nothing": canary}, "ml": {"score": canary}, "utm": canary, "consent": {"marketing_opt_in": canary, "at": canary}, "fields": {"customer_segment": canary, "total_orders": canary, "last_order_date": canary}}),
    ];
    for payload in payloads {
        let answer = system.caller.upsert(payload.clone()).await.unwrap();
        assert!(!answer.complaints().is_empty(), "{payload}");
        assert!(!answer.body.to_string().contains(canary), "{}", answer.body);
    }
    for body in [
        json!({"action": canary}),
        json!({"action": "add_to_campaign", "mauticContactId": canary, "campaignId": canary}),
    ] {
        assert!(!system.caller.call(&body).await.unwrap().body.to_string().contains(canary));
    }
    assert!(!raw(&system, format!("{{\"{canary}\": {canary}")).await.body.to_string().contains(canary));
}

#[tokio::test]
async fn a_sound_correlation_id_is_taken_over_and_another_is_replaced() {
    let system = system().await;
    let ping = || system.caller.request().json(&json!({"action": "ping"}));
    let answer = system.caller.send(ping().header("x-correlation-id", "order-17")).await.unwrap();
    assert_eq!(answer.correlation_id.as_deref(), Some("order-17"));
    assert_eq!(answer.body["correlationId"], "order-17");
    for odd in ["", "two words", &"x".repeat(129), "\u{e9}"] {
        let value = HeaderValue::from_bytes(odd.as_bytes()).unwrap();
        let answer = system.caller.send(ping().header("x-correlation-id", value)).await.unwrap();
        assert!(answer.correlation_id.as_deref().is_some_and(|id| !id.is_empty() && id != odd), "{odd}");
    }
}

#[tokio::test]
async fn huge_headers_do_no_harm() {
    let system = system().await;
    for size in [16_000, 64_000, 600_000] {
        let request = system.caller.request().header("x-huge", "h".repeat(size)).json(&json!({"action": "ping"}));
        // A server may also hang up on such a request.
        if let Ok(answer) = system.caller.send(request).await {
            assert!(answer.status < 500, "{size}: {}", answer.status);
        }
    }
    assert_eq!(raw(&system, r#"{"action":"ping"}"#).await.status, 200);
}

/// Random JSON out of names and values that the functions know.
fn random_value(dice: &mut StdRng, depth: u32) -> Value {
    const TEXTS: &[&str] = &[
        "",
        " ",
        "a@example.com",
        "fuzz@example.com",
        "A@EXAMPLE.COM",
        "AU",
        "NSW",
        "en_AU",
        "true",
        "0",
        "1e999",
        "-0",
        "2026-01-01",
        "\u{0}",
        "ping",
        "🦀",
        "../..",
        "%00",
        "{{",
        "2026-01-01T00:00:00Z",
        "+61400000000",
        "9999999999999999999",
    ];
    match dice.random_range(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(dice.random::<bool>()),
        2 => json!(dice.random_range(-3..400)),
        3 => json!(dice.random::<f64>() * 1e300),
        4 => json!(u64::MAX - dice.random_range(0..3)),
        5 => json!(TEXTS[dice.random_range(0..TEXTS.len())]),
        6 => (0..dice.random_range(0..4)).map(|_| random_value(dice, depth - 1)).collect(),
        _ => random_object(dice, depth - 1),
    }
}

fn random_object(dice: &mut StdRng, depth: u32) -> Value {
    const NAMES: &[&str] = &[
        "payload",
        "contact",
        "email",
        "id",
        "first_name",
        "phone",
        "country",
        "state",
        "tags",
        "consent",
        "marketing_opt_in",
        "explicit",
        "at",
        "ml",
        "score",
        "utm",
        "source",
        "fields",
        "custom",
        "crm_status",
        "stage",
        "updated_at",
        "mtc_id",
        "mtc_signature",
        "mauticContactId",
        "campaignId",
        "campaignName",
        "segmentId",
        "segmentName",
        "ip",
        "total_orders",
        "",
        "__proto__",
    ];
    let entries = (0..dice.random_range(0..7))
        .map(|_| (NAMES[dice.random_range(0..NAMES.len())].to_owned(), random_value(dice, depth)));
    Value::Object(entries.collect())
}

#[tokio::test]
async fn random_json_never_makes_the_server_fail() {
    const ACTIONS: &[&str] = &[
        "upsert_contact",
        "upsert_contact",
        "identify",
        "add_to_campaign",
        "remove_from_segment",
        "delete_contact",
        "export_contact",
        "sync_campaigns",
        "ping",
    ];
    let system = system().await;
    let mut dice = StdRng::seed_from_u64(2026);
    for round in 0..250 {
        let mut body = random_object(&mut dice, 4);
        body["action"] = json!(ACTIONS[round % ACTIONS.len()]);
        if round % 2 == 0 {
            body["payload"] = random_object(&mut dice, 3);
        }
        let answer = system.caller.call(&body).await.unwrap();
        assert!(answer.status < 500, "{} {} for {body}", answer.status, answer.body);
        assert_eq!(answer.body["ok"], answer.status < 300, "{body}");
    }
    assert_eq!(raw(&system, r#"{"action":"ping"}"#).await.status, 200);
    assert_eq!(system.mautic.stats().duplicates.len(), 0);
}

#[tokio::test]
async fn random_bytes_and_broken_json_never_make_the_server_fail() {
    let system = system().await;
    let mut dice = StdRng::seed_from_u64(7);
    let sound = json!({"action": "upsert_contact", "payload": {"id": 1, "contact": {"email": "a@example.com", "first_name": "A"}}}).to_string();
    for _ in 0..200 {
        let mut body = sound.clone().into_bytes();
        for _ in 0..dice.random_range(1..4) {
            let place = dice.random_range(0..body.len());
            match dice.random_range(0..3) {
                0 => body[place] = dice.random(),
                1 => body.truncate(place.max(1)),
                _ => body.insert(place, dice.random()),
            }
        }
        let answer = raw(&system, body).await;
        assert!(answer.status < 500, "{} {}", answer.status, answer.body);
    }
    assert_eq!(raw(&system, r#"{"action":"ping"}"#).await.status, 200);
}
