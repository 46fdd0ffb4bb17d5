//! Mautic's deliveries, recorded, of older designs, and damaged, as the connector splits them.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod deliveries;

use deliveries::expected::EXPECTED;
use deliveries::{described, recorded, split};
use serde_json::{Value, json};
use tandem_core::domain::issue::IssueCode;
use tandem_core::error::FailureKind;
use tandem_core::webhook::entry::{EntryKind, UNDATED};

/// The words for the one entry of a type.
fn one(kind: &str, entry: &Value) -> String {
    let told = split(&json!({kind: entry}));
    assert_eq!(told.len(), 1, "{kind}");
    described(told[0].as_ref().unwrap())
}

#[test]
fn every_recorded_webhook_tells_what_happened() {
    let recordings = recorded();
    assert!(!recordings.is_empty(), "no recordings found");
    let mut differences = Vec::new();
    for (name, body) in &recordings {
        let told = split(body);
        let words: Vec<String> = told.iter().map(|told| described(told.as_ref().unwrap())).collect();
        let number = &name[..3];
        match EXPECTED.iter().find(|(known, _)| *known == number) {
            Some((_, expected)) if words == [*expected] => {}
            Some(_) => differences.push(format!("{number}: {words:?}")),
            // Of a recording that is new it is known that it can be read.
            None => assert!(words.iter().all(|words| !words.starts_with("unknown")), "{name}"),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn older_designs_say_lead_and_send_one_object_with_a_flat_address() {
    let entry = json!({"lead": {"id": "123", "email": "John@Example.com"}, "channel": "email",
        "old_status": "subscribed", "new_status": "unsubscribed", "timestamp": "2026-11-20T21:27:42+00:00"});
    let words = "unsubscribe 123 john@example.com Unsubscribe dnc:123:unsubscribed:1795210062";
    assert_eq!(one("mautic.lead_channel_subscription_changed", &entry), words);
    assert_eq!(one("lead_channel_subscription_changed", &json!([entry])), words);
}

#[test]
fn what_nothing_dates_is_told_all_the_same_and_called_the_same_each_time() {
    let entry = json!({"lead": {"id": 7, "email": "a@example.com"}, "new_status": "unsubscribed"});
    let told = split(&json!({"mautic.lead_channel_subscription_changed": [entry]}));
    let entry = told[0].as_ref().unwrap();
    assert_eq!((entry.at, entry.email.is_some()), (UNDATED, true));
    assert_eq!(described(entry), "unsubscribe 7 a@example.com Unsubscribe dnc:7:unsubscribed:0");
}

#[test]
fn a_timestamp_at_the_top_is_no_type_and_dates_what_has_no_date() {
    let told = split(&json!({
        "timestamp": "2026-11-20T21:27:42+00:00",
        "mautic.email_on_bounce": [{"lead": {"id": 4, "email": "a@example.com"}}],
    }));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].as_ref().unwrap().at.as_second(), 1_795_210_062);
}

#[test]
fn older_mail_types_tell_of_their_kind() {
    let person = json!({"id": 5, "email": "a@example.com"});
    let at = "2026-11-20T21:27:42+00:00";
    let of = |more: Value| {
        let mut entry = json!({"id": 9, "lead": person, "email": {"id": 3, "subject": "Hi"}, "timestamp": at});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    for (kind, more, expected) in [
        ("email_on_open", json!({}), "open 5 a@example.com Open open-stat:9 email=3 subject=Hi"),
        (
            "email_on_click",
            json!({"url": "https://x.example/"}),
            "click 5 a@example.com Click click:9:1795210062:37714a195c1b7577 email=3 subject=Hi url=https://x.example/",
        ),
        ("email_on_unsubscribe", json!({}), "unsubscribe 5 a@example.com Unsubscribe unsubscribe:9 email=3 subject=Hi"),
        ("email_on_bounce", json!({}), "bounce 5 a@example.com SoftBounce bounce:9 email=3 subject=Hi"),
        ("email_on_bounce", json!({"type": "hard"}), "bounce 5 a@example.com HardBounce bounce:9 email=3 subject=Hi"),
        (
            "email_on_bounce",
            json!({"reason": "550 no such user"}),
            "bounce 5 a@example.com HardBounce bounce:9 email=3 subject=Hi",
        ),
        ("email_on_complaint", json!({}), "complaint 5 a@example.com Complaint complaint:9 email=3 subject=Hi"),
        ("email_on_spam", json!({}), "complaint 5 a@example.com Complaint complaint:9 email=3 subject=Hi"),
    ] {
        assert_eq!(one(kind, &of(more)), expected, "{kind}");
    }
}

#[test]
fn a_hit_from_an_email_is_a_click() {
    let hit = json!({"hit": {"id": 2, "dateHit": "2026-11-20T21:28:27+00:00", "email": {"id": 1, "subject": "Hi"},
        "lead": {"id": 19, "fields": {"all": {"email": "click@example.com"}}}, "url": "https://example.com/p",
        "userAgent": "Mozilla/5.0", "source": "email", "sourceId": 1}});
    let words = "click 19 click@example.com Click hit:2 email=1 subject=Hi url=https://example.com/p agent=Mozilla/5.0";
    assert_eq!(one("mautic.page_on_hit", &hit), words);
}

#[test]
fn a_do_not_contact_entry_that_gets_another_reason_is_another_event() {
    let changed = |reason: u8, status: &str, comments: &str| {
        let listed = json!([{"id": 4, "reason": reason, "channel": "email", "comments": comments, "channelId": 1}]);
        let entry = json!({"contact": {"id": 16, "email": "a@example.com", "doNotContact": listed}, "channel": "email",
            "old_status": "contactable", "new_status": status, "timestamp": "2026-11-20T21:27:42+00:00"});
        one("mautic.lead_channel_subscription_changed", &entry)
    };
    let bounced = "bounce 16 a@example.com HardBounce dnc:4:bounced email=1";
    assert_eq!(changed(2, "bounced", "550 no such user"), bounced);
    assert_eq!(changed(2, "bounced", "mailbox full"), bounced.replace("Hard", "Soft"));
    let unsubscribed = "unsubscribe 16 a@example.com Unsubscribe dnc:4:unsubscribed email=1";
    assert_eq!(changed(1, "unsubscribed", "User unsubscribed."), unsubscribed);
    assert_eq!(
        changed(1, "unsubscribed", "Spam complaint"),
        unsubscribed.replace("unsubscribe 16", "complaint 16").replace("Unsubscribe d", "Complaint d")
    );
    let echo = "unsubscribe 16 a@example.com Unsubscribe dnc:4:manual email=1 echo";
    assert_eq!(changed(3, "manual", "opted out in the application"), echo);
    assert_eq!(changed(3, "manual", "asked by phone"), echo.trim_end_matches(" echo"));
}

#[test]
fn another_channel_says_nothing_about_mail() {
    let entry =
        json!({"contact": {"id": 16, "email": "a@example.com"}, "channel": "sms", "new_status": "unsubscribed"});
    let told = split(&json!({"mautic.lead_channel_subscription_changed": [entry]}));
    assert_eq!(told[0].as_ref().unwrap().kind, EntryKind::Noted);
}

#[test]
fn unknown_types_are_counted_and_never_an_error() {
    let told = split(&json!({"mautic.push_on_send": [{"a": 1}, 7, null], "x": "y", "empty": [], "none": null}));
    let words: Vec<String> = told.iter().map(|told| described(told.as_ref().unwrap())).collect();
    assert_eq!(words, ["unknown - - Noted"; 4]);
}

#[test]
fn an_entry_that_can_not_be_read_is_told_by_its_path_and_spoils_no_other() {
    let hit = |id: Value| json!({"hit": {"id": id, "lead": {"id": 3}, "url": "https://x.example/"}});
    let told = split(&json!({
        "mautic.page_on_hit": [hit(json!(1)), {"hit": "x"}, hit(json!({})), 5, {"hit": {"id": 4}}, hit(json!("9"))],
        "mautic.lead_points_change": "x",
    }));
    let issues: Vec<(&str, IssueCode)> =
        told.iter().filter_map(|told| told.as_ref().err()).map(|issue| (issue.field.as_str(), issue.code)).collect();
    let expected = [
        ("mautic.lead_points_change[0]", IssueCode::WrongType),
        ("mautic.page_on_hit[1].hit", IssueCode::WrongType),
        ("mautic.page_on_hit[2].hit.id", IssueCode::WrongType),
        ("mautic.page_on_hit[3]", IssueCode::WrongType),
        ("mautic.page_on_hit[4].contact", IssueCode::Missing),
    ];
    assert_eq!(sorted(issues), expected);
    assert_eq!(told.iter().flatten().count(), 2);
}

fn sorted(mut issues: Vec<(&str, IssueCode)>) -> Vec<(&str, IssueCode)> {
    issues.sort_by_key(|(field, _)| *field);
    issues
}

#[test]
fn what_is_no_json_object_is_invalid() {
    let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
    for body in ["", " ", "[]", "null", "7", "\"x\"", "{", "{}x", "{\"a\":}", "\u{feff}{}", deep.as_str()] {
        assert_eq!(deliveries::try_split(body.as_bytes()).unwrap_err().kind, FailureKind::Invalid, "{body:.20}");
    }
    assert_eq!(deliveries::try_split(b" {} ").unwrap(), []);
}

#[test]
fn a_wrong_type_at_any_key_spoils_no_other_entry() {
    let mut tried = 0;
    for (kind, entry) in deliveries::damage::one_of_each_type() {
        let sound = split(&json!({&kind: [entry]}));
        for damaged in deliveries::damage::everywhere(&entry) {
            let told = split(&json!({&kind: [entry, damaged, entry]}));
            assert_eq!((&told[0], &told[2], told.len()), (&sound[0], &sound[0], 3), "{kind} {damaged}");
            if let Err(issue) = &told[1] {
                assert!(issue.field.starts_with(&format!("{kind}[1]")), "{} {damaged}", issue.field);
            }
            tried += 1;
        }
    }
    assert!(tried > 1_000, "{tried}");
}

/// What a fuzzer tries on a nightly toolchain, with less cunning on every toolchain.
#[test]
fn no_damaged_bytes_make_the_splitter_panic() {
    for (kind, entry) in deliveries::damage::one_of_each_type() {
        let sound = json!({&kind: [entry, entry]}).to_string().into_bytes();
        for seed in 0..300 {
            let _ = deliveries::try_split(&deliveries::damage::bytes(&sound, seed));
        }
    }
}
