//! What webhooks do: consent, standing, what is observed, what the source is told. Once, in any order.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tandem_core::domain::consent::{ConsentEntry, ConsentSource, ConsentStatus};
use tandem_core::domain::engagement::{EmailStatus, EngagementKind};
use tandem_core::domain::identity::Email;
use tandem_core::domain::link::RemoteId;
use tandem_core::ports::bulk::MarkCursor;
use tandem_core::ports::runs::RunLog;
use tandem_core::sync::run::SyncOptions;
use tandem_core::webhook::proof::Verified;
use tandem_simulators::mautic::WebhookMode;
use tandem_tests::deliveries;
use tandem_tests::system::{Options, System};

/// A system that Mautic calls.
async fn hooked() -> System {
    let system = System::start().await;
    system.guard().await;
    system
}

async fn upsert(system: &System, email: &str, more: Value) -> String {
    let mut payload = json!({"contact": {"email": email}});
    for (name, value) in more.as_object().into_iter().flatten() {
        payload[name] = value.clone();
    }
    let answer = system.caller.upsert(payload).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.contact_id().unwrap().to_owned()
}

async fn opted_out(system: &System, email: &str) -> bool {
    system.consent(email).await.unwrap() == Some(ConsentStatus::OptedOut)
}

fn opt_in() -> Value {
    json!({"consent": {"marketing_opt_in": true}})
}

/// An event of an email in the way of older designs and plugins.
fn mail(kind: &str, contact: &str, stat: u64, at: &str, more: Value) -> Value {
    let mut entry = json!({"lead": {"id": contact}, "stat": {"id": stat}, "timestamp": at});
    for (name, value) in more.as_object().into_iter().flatten() {
        entry["stat"][name] = value.clone();
    }
    json!({format!("mautic.email_on_{kind}"): [entry]})
}

fn at(minute: u32) -> String {
    format!("2026-11-01T10:{minute:02}:00+00:00")
}

#[tokio::test]
async fn an_unsubscription_outlasts_a_record_that_says_yes() {
    let options = Options::default().with("MAUTIC_ENROLLMENT_ENABLED", "true").with("MAUTIC_CAMPAIGN_HIGH_VALUE", "1");
    let system = System::with(options).await;
    system.made_in_mautic("campaigns", "High value").await;
    system.guard().await;
    upsert(&system, "out@example.com", opt_in()).await;
    system.engage("unsubscribe", json!({"address": "out@example.com"})).await;
    assert!(opted_out(&system, "out@example.com").await);
    let payload = json!({"contact": {"email": "out@example.com", "first_name": "Ada"}, "consent": {"marketing_opt_in": true}, "ml": {"score": 95}, "crm_status": "qualified"});
    let answer = system.caller.upsert(payload).await.unwrap();
    assert_eq!((answer.status, answer.complaints()), (200, vec!["consent.marketing_opt_in:opt_out_kept".to_owned()]));
    assert_eq!(answer.data()["enrolledIn"], json!([]));
    let contact = system.contact("out@example.com");
    assert_eq!((&contact.fields["marketing_opt_in"], contact.campaigns.len(), contact.dnc.len()), (&json!(0), 0, 1));
    system.finish().await;
    let told = system.feedback("out@example.com").await.unwrap();
    assert_eq!((told.marketing_opt_in, told.email_status), (Some(false), EmailStatus::Unsubscribed));
}

/// How many records wait for a run to bring their contacts up to them.
async fn marked(system: &System) -> usize {
    let desk = system.desk();
    let (mut count, mut cursor) = (0, Some(MarkCursor::default()));
    while let Some(after) = cursor {
        let (marks, next) = desk.services.bulk.marks(&desk.integration.scope, &after, 100).await.unwrap();
        (count, cursor) = (count + marks.len(), next);
    }
    count
}

async fn synced(system: &System) -> RunLog {
    let ran = system.desk().sync(SyncOptions::default()).await.unwrap();
    assert_eq!(ran.stopped, None);
    ran.log
}

#[tokio::test]
async fn a_run_after_an_unsubscription_corrects_the_field_and_the_same_told_again_marks_nothing() {
    let system = hooked().await;
    let contact = upsert(&system, "field@example.com", opt_in()).await;
    let who = || json!({"address": "field@example.com"});
    system.engage("unsubscribe", who()).await;
    let shown = || system.contact("field@example.com");
    assert_eq!((marked(&system).await, &shown().fields["marketing_opt_in"]), (1, &json!(1)));
    assert_eq!(synced(&system).await.updated, 1);
    assert_eq!((marked(&system).await, &shown().fields["marketing_opt_in"]), (0, &json!(0)));
    let kept = shown().dnc;
    assert_eq!((kept.len(), &kept[0]["reason"]), (1, &json!(1)), "the person's own entry stays");
    system.engage("unsubscribe", who()).await;
    system.tell(mail("unsubscribe", &contact, 5, &at(1), json!({}))).await;
    system.desk().repair_gaps("test").await.unwrap();
    assert_eq!((marked(&system).await, synced(&system).await.updated), (0, 0));
}

#[tokio::test]
async fn an_opt_out_that_was_noted_by_a_taker_who_died_then_is_marked_by_the_next() {
    let system = System::start().await;
    let contact = upsert(&system, "half@example.com", opt_in()).await;
    let desk = system.desk();
    let email: Email = "half@example.com".parse().unwrap();
    let noted = ConsentEntry {
        status: ConsentStatus::OptedOut,
        source: ConsentSource::Platform,
        at: at(1).parse().unwrap(),
        proof: None,
    };
    desk.services.contacts.amend_consent(&desk.integration.scope, &email.identity(), noted).await.unwrap();
    assert_eq!((opted_out(&system, "half@example.com").await, marked(&system).await), (true, 0));
    system.tell(mail("unsubscribe", &contact, 1, &at(1), json!({}))).await;
    assert_eq!(marked(&system).await, 1);
}

#[tokio::test]
async fn a_bounce_and_an_opt_out_that_the_application_told_itself_mark_no_record() {
    let system = hooked().await;
    upsert(&system, "bounced@example.com", opt_in()).await;
    system.engage("bounce", json!({"address": "bounced@example.com", "comments": "550 no such user"})).await;
    let told = upsert(&system, "told@example.com", json!({"consent": {"marketing_opt_in": false}})).await;
    system.tell(mail("unsubscribe", &told, 1, &at(1), json!({}))).await;
    assert_eq!(marked(&system).await, 0);
    assert_eq!(synced(&system).await.updated, 0);
    assert_eq!(system.contact("bounced@example.com").fields["marketing_opt_in"], 1);
}

#[tokio::test]
async fn an_explicit_opt_in_after_an_unsubscription_makes_the_address_active_again() {
    let system = hooked().await;
    upsert(&system, "back@example.com", opt_in()).await;
    system.engage("unsubscribe", json!({"address": "back@example.com"})).await;
    system.finish().await;
    assert_eq!(system.feedback("back@example.com").await.unwrap().email_status, EmailStatus::Unsubscribed);
    upsert(&system, "back@example.com", json!({"consent": {"marketing_opt_in": true, "explicit": true}})).await;
    let contact = system.contact("back@example.com");
    assert_eq!((contact.dnc.len(), &contact.fields["marketing_opt_in"]), (0, &json!(1)));
    system.finish().await;
    let told = system.feedback("back@example.com").await.unwrap();
    assert_eq!((told.marketing_opt_in, told.email_status), (Some(true), EmailStatus::Active));
}

#[tokio::test]
async fn an_opt_in_does_not_make_an_address_reachable_that_bounced_after_the_opt_out() {
    let system = System::start().await;
    let contact = upsert(&system, "both@example.com", opt_in()).await;
    system.tell(mail("unsubscribe", &contact, 1, &at(1), json!({}))).await;
    system.tell(mail("bounce", &contact, 2, &at(2), json!({"reason": "550 no such user"}))).await;
    upsert(&system, "both@example.com", json!({"consent": {"marketing_opt_in": true, "explicit": true}})).await;
    system.finish().await;
    system.desk().write_back(&RemoteId(contact)).await.unwrap();
    let told = system.feedback("both@example.com").await.unwrap();
    assert_eq!((told.marketing_opt_in, told.email_status), (Some(true), EmailStatus::Bounced));
}

#[tokio::test]
async fn an_opt_out_of_an_address_that_nobody_has_yet_holds_when_the_contact_is_made() {
    let system = System::start().await;
    let numbered = json!({"lead": {"id": 9_999, "email": "numbered@example.com"}, "stat": {"id": 1}});
    system.tell(json!({"mautic.email_on_unsubscribe": [{"email": "flat@example.com"}, numbered]})).await;
    for email in ["flat@example.com", "numbered@example.com"] {
        let answer = system.caller.upsert(json!({"contact": {"email": email}, "consent": {"marketing_opt_in": true}}));
        assert_eq!(answer.await.unwrap().complaints(), ["consent.marketing_opt_in:opt_out_kept"], "{email}");
        let contact = system.contact(email);
        assert_eq!((contact.dnc.len(), &contact.fields["marketing_opt_in"]), (1, &json!(0)), "{email}");
    }
}

#[tokio::test]
async fn the_do_not_contact_entry_that_tandem_made_itself_changes_nothing() {
    let system = hooked().await;
    let contact = upsert(&system, "own@example.com", opt_in()).await;
    upsert(&system, "own@example.com", json!({"consent": {"marketing_opt_in": false}})).await;
    assert_eq!(system.contact("own@example.com").dnc.len(), 1);
    system.desk().repair_gaps("test").await.unwrap();
    assert_eq!(system.standing(&contact).await.events, 0);
    let link = system.link("own@example.com").await;
    assert!(opted_out(&system, "own@example.com").await && link.remote_id == Some(RemoteId(contact)));
    // A person at Mautic's console is no echo.
    let other = upsert(&system, "console@example.com", opt_in()).await;
    let path = format!("/api/contacts/{other}/dnc/email/add");
    system.in_mautic(Method::POST, &path, Some(json!({"reason": 3, "comments": "asked by phone"}))).await;
    assert!(opted_out(&system, "console@example.com").await);
}

#[tokio::test]
async fn a_channel_that_is_not_email_changes_nothing() {
    let system = hooked().await;
    let contact = upsert(&system, "sms@example.com", opt_in()).await;
    system.in_mautic(Method::POST, &format!("/api/contacts/{contact}/dnc/sms/add"), Some(json!({"reason": 1}))).await;
    assert_eq!((opted_out(&system, "sms@example.com").await, system.standing(&contact).await.events), (false, 0));
}

#[tokio::test]
async fn one_hard_bounce_or_three_soft_ones_make_an_address_unreachable() {
    let system = hooked().await;
    let hard = upsert(&system, "hard@example.com", opt_in()).await;
    system.engage("bounce", json!({"address": "hard@example.com", "comments": "550 no such user"})).await;
    assert_eq!(system.standing(&hard).await.email_status, EmailStatus::Bounced);
    assert!(!opted_out(&system, "hard@example.com").await);
    let soft = upsert(&system, "soft@example.com", opt_in()).await;
    for (number, status) in [EmailStatus::Active, EmailStatus::Active, EmailStatus::Bounced].into_iter().enumerate() {
        for _ in 0..2 {
            let stat = number as u64 + 1;
            system.tell(mail("bounce", &soft, stat, &at(1), json!({"reason": "450 mailbox busy"}))).await;
        }
        assert_eq!(system.standing(&soft).await.email_status, status, "after {}", number + 1);
    }
    system.finish().await;
    assert_eq!(system.feedback("hard@example.com").await.unwrap().email_status, EmailStatus::Bounced);
    assert_eq!(system.feedback("soft@example.com").await.unwrap().email_status, EmailStatus::Bounced);
}

#[tokio::test]
async fn a_mail_is_opened_once_however_often() {
    let system = hooked().await;
    let contact = upsert(&system, "open@example.com", opt_in()).await;
    for mails in 1..=2 {
        system.engage("send", json!({"address": "open@example.com"})).await;
        for _ in 0..4 {
            system.engage("open", json!({"address": "open@example.com"})).await;
        }
        assert_eq!(system.standing(&contact).await.counts.get(&EngagementKind::Open), Some(&mails));
    }
}

#[tokio::test]
async fn clicks_of_a_scanner_are_suspected_and_do_not_count() {
    let system = System::start().await;
    let contact = upsert(&system, "scanned@example.com", opt_in()).await;
    let hit = |id: u64, at: String, agent: &str| {
        json!({"mautic.page_on_hit": [{"hit": {"id": id, "dateHit": at, "source": "email", "email": {"id": 1},
            "url": format!("https://example.com/{id}"), "userAgent": agent, "lead": {"id": contact}}, "timestamp": at}]})
    };
    system.tell(hit(1, at(1), "Mozilla/5.0")).await;
    for id in 2..=4 {
        system.tell(hit(id, at(2), "Mozilla/5.0")).await;
    }
    system.tell(hit(5, at(5), "Barracuda Sentinel")).await;
    let standing = system.standing(&contact).await;
    assert_eq!((standing.counts.get(&EngagementKind::Click), standing.suspected_clicks), (Some(&1), 4));
    assert!(!opted_out(&system, "scanned@example.com").await);
}

#[tokio::test]
async fn points_segments_and_companies_are_observed() {
    let system = hooked().await;
    let contact = upsert(&system, "seen@example.com", opt_in()).await;
    let segment = system.made_in_mautic("segments", "Vips").await;
    let company = system.in_mautic(Method::POST, "/api/companies/new", Some(json!({"companyname": "Globex"}))).await;
    let company = company["company"]["id"].clone();
    let post = async |path: String| system.in_mautic(Method::POST, &path, Some(json!({}))).await;
    post(format!("/api/contacts/{contact}/points/plus/7")).await;
    post(format!("/api/segments/{segment}/contact/{contact}/add")).await;
    post(format!("/api/companies/{company}/contact/{contact}/add")).await;
    let observed = system.observed(&contact).await;
    assert_eq!(observed.points.map(|(_, points)| points), Some(7));
    assert!(observed.segments["vips"].1 && observed.companies["Globex"].1);
    post(format!("/api/segments/{segment}/contact/{contact}/remove")).await;
    let tied_or_later = system.observed(&contact).await.segments["vips"].0;
    assert!(tied_or_later >= observed.segments["vips"].0);
}

#[tokio::test]
async fn the_webhook_of_a_write_of_our_own_is_not_observed() {
    let mut options = Options::default();
    options.mautic = options.mautic.webhooks(WebhookMode::Queue { every: None });
    let system = System::with(options).await;
    system.guard().await;
    let person = |name: &str| json!({"contact": {"email": "echo@example.com", "first_name": name, "last_name": "Lovelace"}, "consent": {"marketing_opt_in": true}, "ml": {"score": 12.5}, "commerce": {"total_orders": 0}});
    let mut contact = String::new();
    for name in ["Ada", "Eve"] {
        let answer = system.caller.upsert(person(name)).await.unwrap();
        contact = answer.contact_id().unwrap().to_owned();
        assert!(system.mautic.flush_webhooks().await > 0);
        assert_eq!(system.observed(&contact).await.fields, None, "{name}");
    }
    system.in_mautic(Method::PATCH, &format!("/api/contacts/{contact}/edit"), Some(json!({"firstname": "Zoe"}))).await;
    system.mautic.flush_webhooks().await;
    assert_eq!(system.observed(&contact).await.fields.unwrap().1["firstname"], "Zoe");
}

#[tokio::test]
async fn mautics_word_of_a_write_that_it_has_not_answered_yet_is_dropped_too() {
    let system = hooked().await;
    let person = |name: &str| json!({"contact": {"email": "soon@example.com", "first_name": name}, "fields": {"total_orders": 3}});
    let mut contact = String::new();
    for name in ["Ada", "Eve"] {
        contact = system.caller.upsert(person(name)).await.unwrap().contact_id().unwrap().to_owned();
        assert_eq!(system.observed(&contact).await.fields, None, "{name}");
    }
    system.in_mautic(Method::PATCH, &format!("/api/contacts/{contact}/edit"), Some(json!({"firstname": "Zoe"}))).await;
    assert_eq!(system.observed(&contact).await.fields.unwrap().1["firstname"], "Zoe");
}

#[tokio::test]
async fn a_field_that_a_person_fills_in_beside_ours_is_no_echo() {
    let mut options = Options::default();
    options.mautic = options.mautic.webhooks(WebhookMode::Queue { every: None });
    let system = System::with(options).await;
    system.guard().await;
    let contact = upsert(&system, "beside@example.com", opt_in()).await;
    system.mautic.flush_webhooks().await;
    system.in_mautic(Method::PATCH, &format!("/api/contacts/{contact}/edit"), Some(json!({"city": "Bern"}))).await;
    system.mautic.flush_webhooks().await;
    let observed = system.observed(&contact).await.fields;
    assert_eq!(observed.map(|(_, fields)| fields["city"].clone()), Some(json!("Bern")));
    // Nor is a contact that Tandem does not know.
    let stranger = json!({"email": "stranger@example.com", "firstname": "Zoe"});
    let made = system.in_mautic(Method::POST, "/api/contacts/new", Some(stranger)).await["contact"]["id"].to_string();
    system.mautic.flush_webhooks().await;
    assert_eq!(system.observed(&made).await.fields.unwrap().1["firstname"], "Zoe");
}

#[tokio::test]
async fn late_and_shuffled_entries_change_nothing_that_is_newer() {
    let system = System::start().await;
    let contact = upsert(&system, "late@example.com", opt_in()).await;
    let points = |points: i64, minute: u32| json!({"mautic.lead_points_change": [{"contact": {"id": contact}, "points": {"new_points": points}, "timestamp": at(minute)}]});
    let segment = |action: &str, minute: u32| json!({"mautic.lead_list_change": [{"contact": {"id": contact}, "segment": {"alias": "vips"}, "action": action, "timestamp": at(minute)}]});
    let saved = |name: &str, minute: u32| json!({"mautic.lead_post_save_update": [{"contact": {"id": contact, "fields": {"core": {"firstname": {"value": name}}}}, "timestamp": at(minute)}]});
    for body in [
        points(30, 30),
        points(10, 10),
        points(20, 20),
        segment("removed", 30),
        segment("added", 29),
        saved("New", 30),
        saved("Old", 5),
    ] {
        assert_eq!(system.tell(body).await.status, 200);
    }
    let observed = system.observed(&contact).await;
    assert_eq!(observed.points, Some((at(30).parse().unwrap(), 30)));
    assert_eq!(observed.segments["vips"], (at(30).parse().unwrap(), false));
    assert_eq!(observed.fields.unwrap().1["firstname"], "New");
    // An opt-out that is older than the person's word does not undo it.
    let word = system.now().to_string();
    upsert(&system, "late@example.com", json!({"consent": {"marketing_opt_in": true, "explicit": true, "at": word}}))
        .await;
    system.tell(mail("unsubscribe", &contact, 1, "2020-01-01T00:00:00+00:00", json!({}))).await;
    assert!(!opted_out(&system, "late@example.com").await);
    system.tell(mail("unsubscribe", &contact, 2, "2020-01-01T00:00:00+00:00", json!({}))).await;
    assert!(!opted_out(&system, "late@example.com").await);
}

#[tokio::test]
async fn a_bounce_that_comes_after_its_end_does_not_come_back() {
    let system = System::start().await;
    let contact = upsert(&system, "lifted@example.com", opt_in()).await;
    let changed = |status: &str, minute: u32| json!({"mautic.lead_channel_subscription_changed": [{"contact": {"id": contact}, "channel": "email", "new_status": status, "timestamp": at(minute)}]});
    for (body, status) in [
        (changed("contactable", 20), EmailStatus::Active),
        (changed("bounced", 10), EmailStatus::Active),
        (changed("bounced", 30), EmailStatus::Bounced),
    ] {
        system.tell(body).await;
        assert_eq!(system.standing(&contact).await.email_status, status);
    }
}

/// A visitor gives the address of a known contact, which goes up in the visitor.
async fn merged(system: &System, email: &str) -> String {
    let visitor = system.visitor().await;
    system.engage("submit", json!({"contact": visitor, "address": email})).await;
    visitor.to_string()
}

#[tokio::test]
async fn a_merged_contact_is_found_under_its_survivor_with_all_that_it_did() {
    let system = hooked().await;
    let known = upsert(&system, "merged@example.com", opt_in()).await;
    system.engage("open", json!({"address": "merged@example.com"})).await;
    system.engage("bounce", json!({"address": "merged@example.com"})).await;
    let survivor = merged(&system, "merged@example.com").await;
    assert_ne!(survivor, known);
    system.finish().await;
    let link = system.link("merged@example.com").await;
    assert_eq!(link.remote_id, Some(RemoteId(survivor.clone())));
    assert!(link.aliases.contains(&RemoteId(known.clone())));
    let standing = system.standing(&survivor).await;
    assert_eq!((standing.email_status, standing.counts.get(&EngagementKind::Open)), (EmailStatus::Bounced, Some(&1)));
    assert_eq!(standing.counts.get(&EngagementKind::Form), Some(&1));
    let answer =
        system.caller.upsert(json!({"contact": {"email": "merged@example.com", "first_name": "Ada"}})).await.unwrap();
    assert_eq!(answer.contact_id(), Some(survivor.as_str()));
    assert_eq!(system.contacts_with("merged@example.com").len(), 1);
}

#[tokio::test]
async fn what_is_told_late_of_a_merged_contact_counts_for_its_survivor() {
    let system = hooked().await;
    let known = upsert(&system, "tail@example.com", opt_in()).await;
    merged(&system, "tail@example.com").await;
    system.finish().await;
    system.tell(mail("click", &known, 77, &at(1), json!({"url": "https://example.com/late"}))).await;
    system.tell(mail("bounce", &known, 78, &at(2), json!({"reason": "550 no such user"}))).await;
    system.finish().await;
    let told = system.feedback("tail@example.com").await.unwrap();
    assert_eq!((told.email_status, told.standing.counts.get(&EngagementKind::Click)), (EmailStatus::Bounced, Some(&1)));
    assert_eq!(told.standing.counts.get(&EngagementKind::Form), Some(&1));
}

#[tokio::test]
async fn a_contact_that_was_really_deleted_is_made_anew_by_the_next_write() {
    let system = hooked().await;
    let payload = json!({"contact": {"email": "gone@example.com", "first_name": "Ada"}});
    let first = system.caller.upsert(payload.clone()).await.unwrap().contact_id().unwrap().to_owned();
    system.in_mautic(Method::DELETE, &format!("/api/contacts/{first}/delete"), None).await;
    system.finish().await;
    assert_eq!(system.link("gone@example.com").await.remote_id, None);
    assert!(system.contacts_with("gone@example.com").is_empty());
    let answer = system.caller.upsert(payload).await.unwrap();
    assert_eq!((answer.status, &answer.data()["action"]), (200, &json!("created")), "{}", answer.body);
    let contact = system.contact("gone@example.com");
    assert_eq!(
        (contact.id.to_string().as_str(), &contact.fields["firstname"]),
        (answer.contact_id().unwrap(), &json!("Ada"))
    );
}

#[tokio::test]
async fn the_source_hears_of_a_contact_that_was_made_anew() {
    let system = hooked().await;
    let first = upsert(&system, "anew@example.com", opt_in()).await;
    for action in ["open", "click", "submit"] {
        system.engage(action, json!({"address": "anew@example.com"})).await;
    }
    system.finish().await;
    system.in_mautic(Method::DELETE, &format!("/api/contacts/{first}/delete"), None).await;
    system.finish().await;
    upsert(&system, "anew@example.com", opt_in()).await;
    system.engage("unsubscribe", json!({"address": "anew@example.com"})).await;
    system.finish().await;
    let told = system.feedback("anew@example.com").await.unwrap();
    assert_eq!((told.marketing_opt_in, told.email_status), (Some(false), EmailStatus::Unsubscribed));
}

#[tokio::test]
async fn a_false_report_of_a_deletion_changes_nothing() {
    let system = System::start().await;
    let contact = upsert(&system, "alive@example.com", opt_in()).await;
    let before = system.link("alive@example.com").await;
    system.tell(json!({"mautic.lead_post_delete": [{"id": contact, "contact": {"id": null}}]})).await;
    system.finish().await;
    assert!(system.link("alive@example.com").await == before);
}

#[tokio::test]
async fn many_events_are_told_to_the_source_by_one_job() {
    let system = System::with(Options::default().without_worker()).await;
    let contact = upsert(&system, "many@example.com", opt_in()).await;
    let before = system.queue.counts().await.unwrap().waiting;
    for stat in 1..=6 {
        system
            .tell(mail(
                "click",
                &contact,
                stat,
                &at(u32::try_from(stat).unwrap()),
                json!({"url": "https://example.com/"}),
            ))
            .await;
    }
    system.tell(mail("bounce", &contact, 7, &at(9), json!({"reason": "550"}))).await;
    assert_eq!(system.queue.counts().await.unwrap().waiting - before, 1);
    let mut system = system;
    system.start_worker();
    system.finish().await;
    let told = system.feedback("many@example.com").await.unwrap();
    assert_eq!((told.standing.counts[&EngagementKind::Click], told.email_status), (6, EmailStatus::Bounced));
    assert_eq!(told.marketing_opt_in, Some(true));
}

#[tokio::test]
async fn a_delivery_whose_taker_died_is_picked_up_and_applied_once() {
    let system = System::start().await;
    let (desk, recorded) = (system.desk(), deliveries::recorded());
    let (events, scope) = (&desk.services.events, &desk.integration.scope);
    let delivery = recorded.iter().find(|delivery| delivery.name.starts_with("031")).unwrap();
    let digest = Verified::stored(delivery.body.clone()).digest();
    let kept_at: Timestamp = system.now().checked_sub(SignedDuration::from_secs(120)).unwrap();
    events.keep(scope, &digest, &delivery.body, kept_at).await.unwrap();
    assert_eq!(system.standing("19").await.events, 0);
    assert_eq!(desk.pick_up_abandoned("test").await.unwrap(), 1);
    system.finish().await;
    assert_eq!(system.standing("19").await.counts.get(&EngagementKind::Open), Some(&1));
    assert_eq!(desk.pick_up_abandoned("test").await.unwrap(), 0);
    let repeat = system.deliver(delivery).await.unwrap();
    assert_eq!((repeat.status, &repeat.data()["repeated"]), (200, &json!(true)));
    // One that was just taken may still be at work.
    let young = &recorded[0];
    events.keep(scope, &Verified::stored(young.body.clone()).digest(), &young.body, system.now()).await.unwrap();
    assert_eq!(desk.pick_up_abandoned("test").await.unwrap(), 0);
}

#[tokio::test]
async fn a_repeat_of_a_delivery_whose_taker_died_is_applied_at_once() {
    let system = System::with(Options::default().without_worker()).await;
    let (desk, recorded) = (system.desk(), deliveries::recorded());
    let delivery = recorded.iter().find(|delivery| delivery.name.starts_with("031")).unwrap();
    let digest = Verified::stored(delivery.body.clone()).digest();
    desk.services.events.keep(&desk.integration.scope, &digest, &delivery.body, system.now()).await.unwrap();
    let answer = system.deliver(delivery).await.unwrap();
    assert_eq!(answer.data()["repeated"], json!(false));
    assert_eq!(system.standing("19").await.events, 1);
}
