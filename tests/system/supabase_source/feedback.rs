use jiff::Timestamp;
use tandem_connectors::sources::supabase::Supabase as Source;
use tandem_core::domain::consent::{ConsentEntry, ConsentSource, ConsentStatus};
use tandem_core::domain::engagement::{EngagementEvent, EngagementKind, standing};
use tandem_core::domain::identity::ExternalId;
use tandem_core::ports::source::Person;
use tandem_core::ports::{Feedback, RecordSource};
use tandem_tests::supabase::Supabase;

use super::{customers, id, scope, source};

const MAIL: &str = "select coalesce(bounce_count::text, 'none'), is_invalid::text from customer_emails";
const LEAD: &str = "select coalesce(email_status, 'none') from leads";
const OPT_IN: &str = "select coalesce(marketing_opt_in::text, 'none') from customer_profiles";

fn event(natural_id: &str, kind: EngagementKind, second: i64) -> EngagementEvent {
    EngagementEvent {
        natural_id: natural_id.to_owned(),
        kind,
        at: Timestamp::from_second(1_770_000_000 + second).unwrap(),
        email: Some("3".to_owned()),
        campaign: Some("Spring, \"sale\" (1)".to_owned()),
        subject: Some("Grüße\0".to_owned()),
        url: Some("https://shop.example/a?b=1&c=(2)".to_owned()),
        agent: None,
        sent_at: None,
        source: "table:email_stats".to_owned(),
    }
}

fn bounce(number: i64) -> EngagementEvent {
    event(&format!("dnc:{number}:bounced"), EngagementKind::SoftBounce, number)
}

fn person(external: Option<&str>, email: &str) -> Person {
    Person { id: external.map(|id| ExternalId::try_from(id.to_owned()).unwrap()), email: Some(email.parse().unwrap()) }
}

fn known() -> Person {
    person(Some(&id(1)), "c1@example.com")
}

async fn tell(source: &Source, person: &Person, events: &[EngagementEvent]) {
    let feedback = Feedback {
        marketing_opt_in: None,
        consent: None,
        email_status: standing(events).email_status,
        standing: standing(events),
    };
    source.tell(&scope(), person, &feedback, events).await.unwrap();
}

async fn tell_consent(source: &Source, status: ConsentStatus, by: ConsentSource, at: &str) {
    let entry = ConsentEntry { status, source: by, at: at.parse().unwrap(), proof: None };
    let feedback = Feedback {
        marketing_opt_in: Some(status == ConsentStatus::OptedIn),
        consent: Some(entry),
        email_status: standing(&[]).email_status,
        standing: standing(&[]),
    };
    source.tell(&scope(), &known(), &feedback, &[]).await.unwrap();
}

/// A customer and a lead with one address, written differently.
async fn shop() -> Supabase {
    let project = Supabase::start().await;
    customers(&project, 1, "2026-01-01T00:00:00Z").await;
    project
        .sql(&format!(
            "insert into customer_emails (customer_id, email) values ('{}', ' C1@Example.com');
             insert into leads (email) values ('C1@example.COM ')",
            id(1)
        ))
        .await;
    project
}

async fn mail(project: &Supabase) -> (String, String) {
    let row: [Option<String>; 2] = project.sql(MAIL).await.remove(0).try_into().unwrap();
    let [count, invalid] = row.map(Option::unwrap);
    (count, invalid)
}

fn pair(count: &str, invalid: &str) -> (String, String) {
    (count.to_owned(), invalid.to_owned())
}

#[tokio::test]
async fn events_told_twice_are_there_once_with_all_that_is_known_of_them() {
    let project = shop().await;
    let source = source(&project);
    let kinds = [
        EngagementKind::Open,
        EngagementKind::Click,
        EngagementKind::Unsubscribe,
        EngagementKind::HardBounce,
        EngagementKind::SoftBounce,
        EngagementKind::Complaint,
        EngagementKind::Form,
        EngagementKind::Page,
    ];
    let events: Vec<_> = (0..).zip(kinds).map(|(n, kind)| event(&format!("hit:{n}"), kind, n)).collect();
    tell(&source, &known(), &events[..3]).await;
    tell(&source, &known(), &events).await;
    tell(&source, &known(), &events).await;
    let types = "select string_agg(event_type, ' ' order by occurred_at) from customer_email_engagement";
    assert_eq!(project.value(types).await, "open click unsubscribe bounce bounce complaint form page");
    let row = project
        .sql(
            "select customer_id, campaign_name, email_subject, link_url, mautic_email_id, raw_payload ->> 'natural_id'
            from customer_email_engagement where event_type = 'click'",
        )
        .await;
    let wanted = [&*id(1), "Spring, \"sale\" (1)", "Grüße", "https://shop.example/a?b=1&c=(2)", "3", "hit:1"];
    assert_eq!(row, [wanted.map(|text| Some(text.to_owned())).to_vec()]);
}

#[tokio::test]
async fn a_bounce_that_is_told_twice_counts_once_and_the_third_makes_an_address_invalid() {
    let project = shop().await;
    let source = source(&project);
    let bounces = [bounce(1), bounce(2), bounce(3)];
    for (count, invalid) in [(2, "false"), (2, "false"), (3, "true"), (3, "true")] {
        tell(&source, &known(), &bounces[..count]).await;
        assert_eq!(mail(&project).await, pair(&count.to_string(), invalid));
    }
    assert_eq!(project.value(LEAD).await, "bounced");
}

#[tokio::test]
async fn what_is_told_late_does_not_replace_what_is_newer() {
    let project = shop().await;
    let source = source(&project);
    let bounced = [bounce(1), event("dnc:2:bounced", EngagementKind::HardBounce, 2)];
    let lifted = [bounced.to_vec(), vec![event("dnc:3:lifted", EngagementKind::Contactable, 3)]].concat();
    tell(&source, &known(), &bounced).await;
    assert_eq!((mail(&project).await, project.value(LEAD).await), (pair("2", "true"), "bounced".to_owned()));
    tell(&source, &known(), &lifted).await;
    assert_eq!((mail(&project).await, project.value(LEAD).await), (pair("2", "false"), "active".to_owned()));
    tell(&source, &known(), &bounced).await;
    tell(&source, &known(), &bounced[..1]).await;
    assert_eq!((mail(&project).await, project.value(LEAD).await), (pair("2", "false"), "active".to_owned()));
}

#[tokio::test]
async fn an_opt_out_of_a_lead_outweighs_a_bounce_and_a_complaint_outweighs_both() {
    let project = shop().await;
    let source = source(&project);
    let lead = person(None, "c1@example.com");
    assert_eq!(project.value(LEAD).await, "none");
    let mut events = vec![event("hit:1", EngagementKind::Open, 1)];
    tell(&source, &lead, &events).await;
    assert_eq!(project.value(LEAD).await, "active");
    let bounced = [event("dnc:1", EngagementKind::HardBounce, 2)];
    events.push(event("dnc:2", EngagementKind::Unsubscribe, 3));
    let complained = [event("dnc:3", EngagementKind::Complaint, 4)];
    for (told, status) in [
        (&bounced[..], "bounced"),
        (&events, "unsubscribed"),
        (&bounced, "unsubscribed"),
        (&complained, "complained"),
        (&events, "complained"),
        (&[], "complained"),
    ] {
        tell(&source, &lead, told).await;
        assert_eq!(project.value(LEAD).await, status);
    }
    assert_eq!(project.value("select count(*) from customer_email_engagement").await, "0");
}

#[tokio::test]
async fn an_address_with_signs_that_patterns_know_is_nobody_elses() {
    let project = shop().await;
    let odd = "o'h*r_a.b+c%d{1}^$@example.com";
    project
        .sql(&format!(
            "insert into leads (email) values
             ('{}'), ('o''hxr_a.b+c%d{{1}}^$@example.com'), ('o''h*rxa.b+c%d{{1}}^$@example.com')",
            odd.replace('\'', "''").to_uppercase()
        ))
        .await;
    let unsubscribed = [event("dnc:1", EngagementKind::Unsubscribe, 1)];
    tell(&source(&project), &person(None, odd), &unsubscribed).await;
    assert_eq!(project.value("select count(*) from leads where email_status = 'unsubscribed'").await, "1");
}

#[tokio::test]
async fn an_opt_out_is_always_written_and_an_opt_in_only_when_the_person_made_it_last() {
    use ConsentSource::{Application, Person, Platform};
    use ConsentStatus::{OptedIn, OptedOut};
    let project = shop().await;
    let source = source(&project);
    tell(&source, &known(), &[]).await;
    assert_eq!(project.value(OPT_IN).await, "true");
    tell_consent(&source, OptedOut, Platform, "2025-01-01T00:00:00Z").await;
    assert_eq!(project.value(OPT_IN).await, "false");
    tell_consent(&source, OptedIn, Application, "2026-05-01T00:00:00Z").await;
    assert_eq!(project.value(OPT_IN).await, "false", "what the application said is no news to it");
    tell_consent(&source, OptedIn, Person, "2025-12-01T00:00:00Z").await;
    assert_eq!(project.value(OPT_IN).await, "false", "the profile was changed after the person said so");
    tell_consent(&source, OptedIn, Person, "2026-05-01T00:00:00Z").await;
    assert_eq!(project.value(OPT_IN).await, "true");
}

#[tokio::test]
async fn what_a_shop_does_not_have_holds_back_nothing_else() {
    let mut project = shop().await;
    project
        .sql(
            "drop table customer_emails, customer_email_engagement;
            drop view customers_crm_v; alter table customer_profiles drop column marketing_opt_in",
        )
        .await;
    project.restart_postgrest().await;
    let source = source(&project);
    for _ in 0..2 {
        tell_consent(&source, ConsentStatus::OptedOut, ConsentSource::Platform, "2026-01-01T00:00:00Z").await;
        tell(&source, &known(), &[bounce(1), event("dnc:9", EngagementKind::Unsubscribe, 9)]).await;
    }
    assert_eq!(project.value(LEAD).await, "unsubscribed");
}

#[tokio::test]
async fn a_customer_that_is_gone_or_has_no_uuid_is_told_of_as_a_lead() {
    let project = shop().await;
    let source = source(&project);
    let unsubscribed = [event("dnc:1", EngagementKind::Unsubscribe, 1)];
    tell(&source, &person(Some(&id(77)), "c1@example.com"), &unsubscribed).await;
    assert_eq!(project.value(LEAD).await, "unsubscribed");
    tell(&source, &person(Some("shop-1,(2)"), "c1@example.com"), &[event("dnc:2", EngagementKind::Complaint, 2)]).await;
    assert_eq!(project.value(LEAD).await, "complained");
    assert_eq!(project.value("select count(*) from customer_email_engagement").await, "0");
}
