//! `upsert_contact`: the contact is in Mautic with its right fields, by as few calls as can be.

use reqwest::Method;
use serde_json::{Value, json};
use tandem_simulators::MauticVersion;
use tandem_simulators::mautic::{FaultKind, FaultRule};
use tandem_tests::client::Answer;
use tandem_tests::system::{Options, System};

async fn upsert(system: &System, payload: Value) -> Answer {
    system.caller.upsert(payload).await.unwrap()
}

/// An upsert that has to succeed; what it did, and how many calls of Mautic it took.
async fn counted(system: &System, payload: Value) -> (String, u64) {
    let before = system.calls();
    let answer = upsert(system, payload).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    (answer.data()["action"].as_str().unwrap().to_owned(), system.calls() - before)
}

fn did(action: &str, calls: u64) -> (String, u64) {
    (action.to_owned(), calls)
}

#[tokio::test]
async fn the_example_of_the_documentation_is_answered_as_it_says() {
    let seed = System::start().await;
    let campaign = seed.made_in_mautic("campaigns", "High value").await;
    assert_eq!(campaign, "1");
    drop(seed);
    let options = Options::default().with("MAUTIC_ENROLLMENT_ENABLED", "true").with("MAUTIC_CAMPAIGN_HIGH_VALUE", "1");
    let system = System::with(options).await;
    system.made_in_mautic("campaigns", "High value").await;
    let payload = json!({"id": "3f0c7c52-1f4c-4f3c-9d1c-9d5d1d1f2a11", "crm_status": "qualified", "consent": {"marketing_opt_in": true},
        "ml": {"score": 85}, "contact": {"email": "john@example.com", "first_name": "John", "last_name": "Doe", "phone": "+1234567890",
        "company": "ACME Corp"}, "utm": {"source": "google", "medium": "cpc", "campaign": "summer-2024"}});
    let answer = upsert(&system, payload).await;
    let contact = system.contact("john@example.com");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["ok"], true);
    let expected = json!({"success": true, "contactId": contact.id.to_string(), "action": "created",
        "situation": "absent", "enrolledIn": ["1"], "fieldIssues": []});
    assert_eq!(answer.data(), &expected);
    for (field, value) in [
        ("firstname", json!("John")),
        ("lastname", json!("Doe")),
        ("phone", json!("+1234567890")),
        ("company", json!("ACME Corp")),
        ("crm_status", json!("qualified")),
        ("app_utm_source", json!("google")),
        ("app_utm_medium", json!("cpc")),
        ("app_utm_campaign", json!("summer-2024")),
        ("supabase_id", json!("3f0c7c52-1f4c-4f3c-9d1c-9d5d1d1f2a11")),
        ("marketing_opt_in", json!(1)),
    ] {
        assert_eq!(contact.fields[field], value, "{field}");
    }
    assert_eq!(contact.fields["lead_score"].as_f64(), Some(85.0));
    assert_eq!(contact.campaigns, [1]);
    let companies = system.in_mautic(Method::GET, "/api/companies", None).await;
    assert!(companies.to_string().contains("ACME Corp"));
}

#[tokio::test]
async fn a_create_and_an_update_take_one_call_each_and_nothing_new_takes_none() {
    let system = System::start().await;
    let person = |name: &str| json!({"id": "u1", "contact": {"email": "count@example.com", "first_name": name}});
    assert_eq!(counted(&system, person("Ada")).await, did("created", 1));
    assert_eq!(counted(&system, person("Ada")).await, did("unchanged", 0));
    assert_eq!(counted(&system, person("Eve")).await, did("updated", 1));
    assert_eq!(counted(&system, person("  Eve ")).await, did("unchanged", 0));
    assert_eq!(counted(&system, json!({"contact": {"email": "COUNT@Example.com"}})).await, did("unchanged", 0));
    assert_eq!(system.contact("count@example.com").fields["firstname"], "Eve");
}

#[tokio::test]
async fn a_contact_that_mautic_has_already_is_updated_and_not_doubled() {
    let system = System::start().await;
    let old = json!({"email": "Old@Example.com", "firstname": "Old", "city": "Perth", "tags": ["kept"]});
    system.in_mautic(Method::POST, "/api/contacts/new", Some(old)).await;
    let payload = json!({"contact": {"email": "old@example.com", "first_name": "New"}});
    // A create that is refused, a look-up, a change: nobody is written on before it is known who it is.
    assert_eq!(counted(&system, payload).await, did("updated", 3));
    let contact = system.contact("old@example.com");
    assert_eq!((&contact.fields["firstname"], &contact.fields["city"]), (&json!("New"), &json!("Perth")));
    assert_eq!(contact.tags, ["kept"]);
}

#[tokio::test]
async fn an_update_of_one_field_keeps_all_others() {
    let system = System::start().await;
    let contact = json!({"email": "part@example.com", "first_name": "Ada", "last_name": "Lovelace", "city": "London", "tags": ["a", "b"]});
    upsert(&system, json!({"contact": contact, "fields": {"total_orders": 3}, "ml": {"score": 50}})).await;
    upsert(&system, json!({"contact": {"email": "part@example.com", "last_name": "King"}})).await;
    let contact = system.contact("part@example.com");
    for (field, value) in [("firstname", json!("Ada")), ("lastname", json!("King")), ("city", json!("London"))] {
        assert_eq!(contact.fields[field], value);
    }
    assert_eq!(
        (contact.fields["total_orders"].as_f64(), contact.fields["lead_score"].as_f64()),
        (Some(3.0), Some(50.0))
    );
    assert_eq!(contact.tags, ["a", "b"]);
}

#[tokio::test]
async fn what_people_changed_in_mautic_is_kept_by_an_update_of_other_fields() {
    let system = System::start().await;
    let answer = upsert(&system, json!({"contact": {"email": "human@example.com", "first_name": "Ada"}})).await;
    let path = format!("/api/contacts/{}/edit", answer.contact_id().unwrap());
    system
        .in_mautic(Method::PATCH, &path, Some(json!({"city": "Hobart", "tags": ["vip"], "firstname": "Augusta"})))
        .await;
    upsert(&system, json!({"contact": {"email": "human@example.com", "last_name": "King", "tags": ["new"]}})).await;
    let contact = system.contact("human@example.com");
    for (field, value) in [("firstname", "Augusta"), ("lastname", "King"), ("city", "Hobart")] {
        assert_eq!(contact.fields[field], value);
    }
    assert_eq!(contact.tags, ["new", "vip"]);
}

#[tokio::test]
async fn a_new_contact_keeps_its_zeros() {
    let system = System::start().await;
    for (name, zero) in [
        ("int", json!(0)),
        ("text", json!("0")),
        ("float", json!(0.0)),
        ("quarter", json!(0.25)),
        ("negative", json!(-0.5)),
    ] {
        let email = format!("zero-{name}@example.com");
        let wanted = zero.as_f64().or_else(|| zero.as_str()?.parse().ok());
        let payload = json!({"contact": {"email": email, "first_name": "Zero"}, "ml": {"score": zero}, "fields": {"total_spent": zero, "total_orders": 4}});
        assert_eq!(counted(&system, payload.clone()).await, did("created", 1), "{name}");
        let fields = system.contact(&email).fields;
        assert_eq!((fields["lead_score"].as_f64(), fields["total_spent"].as_f64()), (wanted, wanted), "{name}");
        assert_eq!((fields["total_orders"].as_f64(), &fields["firstname"]), (Some(4.0), &json!("Zero")), "{name}");
        assert_eq!(counted(&system, payload).await, did("unchanged", 0), "{name}");
    }
}

#[tokio::test]
async fn a_known_number_becomes_zero_and_nothing_else_is_lost_by_it() {
    let system = System::start().await;
    let stage = system.made_in_mautic("stages", "Customer").await;
    let contact = json!({"email": "tozero@example.com", "first_name": "Ada", "city": "London", "country": "GB", "tags": ["a", "b"], "website": "https://ada.example/"});
    let first = json!({"contact": contact, "stage": "customer", "consent": {"marketing_opt_in": false}, "ml": {"score": 50}, "utm": {"source": "google"},
        "fields": {"total_orders": 7, "total_spent": 70.5, "last_order_date": "2026-03-01T10:20:30Z", "customer_segment": "vip"}});
    let id = upsert(&system, first).await.contact_id().unwrap().to_owned();
    system
        .in_mautic(
            Method::PATCH,
            &format!("/api/contacts/{id}/edit"),
            Some(json!({"owner": 1, "attribution": 12, "fax": "+4420"})),
        )
        .await;
    system.in_mautic(Method::POST, &format!("/api/contacts/{id}/points/plus/15"), None).await;
    let before = system.contact("tozero@example.com");
    for (zero, wanted) in [(json!(0), 0.0), (json!(0.25), 0.25), (json!("0"), 0.0), (json!(0.99), 0.99)] {
        let payload = json!({"contact": {"email": "tozero@example.com"}, "fields": {"total_spent": zero}});
        assert_eq!(counted(&system, payload).await, did("updated", 2), "{zero}");
        let after = system.contact("tozero@example.com");
        assert_eq!(after.fields["total_spent"].as_f64(), Some(wanted), "{zero}");
        let others = |fields: &serde_json::Map<String, Value>| {
            fields.clone().into_iter().filter(|(name, _)| name != "total_spent").collect::<Vec<_>>()
        };
        assert_eq!(others(&after.fields), others(&before.fields), "{zero}");
        assert_eq!((after.points, &after.tags, &after.dnc), (before.points, &before.tags, &before.dnc), "{zero}");
    }
    let shown = system.shown(&id).await;
    assert_eq!((shown["points"].as_f64(), &shown["owner"]["id"]), (Some(15.0), &json!(1)));
    assert_eq!(shown["stage"]["id"].to_string(), stage);
}

#[tokio::test]
async fn points_that_are_zero_or_negative_survive_the_writing_of_a_zero() {
    let system = System::start().await;
    for (name, points) in [("none", 0), ("negative", -5)] {
        let email = format!("points-{name}@example.com");
        let payload = |orders: u32| json!({"contact": {"email": email}, "fields": {"total_orders": orders}});
        let id = upsert(&system, payload(3)).await.contact_id().unwrap().to_owned();
        if points < 0 {
            system.in_mautic(Method::POST, &format!("/api/contacts/{id}/points/minus/5"), None).await;
        }
        upsert(&system, payload(0)).await;
        let contact = system.contact(&email);
        assert_eq!((contact.points, contact.fields["total_orders"].as_f64()), (points, Some(0.0)), "{name}");
    }
}

#[tokio::test]
async fn null_clears_a_field_once_and_an_empty_text_or_absence_changes_nothing() {
    let system = System::start().await;
    let full = json!({"email": "clear@example.com", "first_name": "Ada", "city": "London", "phone": "+442071838750"});
    upsert(&system, json!({"contact": full, "fields": {"total_orders": 4, "customer_segment": "vip"}})).await;
    let nothing =
        json!({"contact": {"email": "clear@example.com", "city": "", "phone": "  "}, "fields": {"total_orders": ""}});
    assert_eq!(counted(&system, nothing).await.0, "unchanged");
    let cleared = json!({"contact": {"email": "clear@example.com", "city": null}, "fields": {"total_orders": null, "customer_segment": null}});
    assert_eq!(counted(&system, cleared.clone()).await, did("updated", 2));
    let fields = system.contact("clear@example.com").fields;
    for field in ["city", "total_orders", "customer_segment"] {
        assert!(
            fields.get(field).is_none_or(|value| value.is_null() || value == ""),
            "{field} is {:?}",
            fields.get(field)
        );
    }
    assert_eq!((&fields["firstname"], &fields["phone"]), (&json!("Ada"), &json!("+442071838750")));
    assert_eq!(counted(&system, cleared).await, did("unchanged", 0));
    let again = json!({"contact": {"email": "clear@example.com", "city": "Paris"}});
    assert_eq!(counted(&system, again).await, did("updated", 1));
    assert_eq!(system.contact("clear@example.com").fields["city"], "Paris");
}

#[tokio::test]
async fn tags_that_a_record_no_longer_has_are_taken_away_and_those_of_others_stay() {
    let system = System::start().await;
    let tagged = |tags: Value| json!({"contact": {"email": "tags@example.com", "tags": tags}});
    let id = upsert(&system, tagged(json!(["red", "green"]))).await.contact_id().unwrap().to_owned();
    system.in_mautic(Method::PATCH, &format!("/api/contacts/{id}/edit"), Some(json!({"tags": ["human"]}))).await;
    assert_eq!(counted(&system, tagged(json!(["green", "blue"]))).await, did("updated", 1));
    assert_eq!(system.contact("tags@example.com").tags, ["blue", "green", "human"]);
    assert_eq!(counted(&system, tagged(json!("blue, green"))).await.1, 0, "the same tags as one text in another order");
    upsert(&system, tagged(json!([]))).await;
    assert_eq!(system.contact("tags@example.com").tags, ["human"]);
    upsert(&system, tagged(json!(["green"]))).await;
    upsert(&system, tagged(Value::Null)).await;
    assert_eq!(system.contact("tags@example.com").tags, ["human"]);
}

#[tokio::test]
async fn a_tag_that_mautic_5_1_stores_entity_encoded_is_known_again_and_taken_away() {
    for (version, stored) in [(MauticVersion::V5_1, "r&#38;d"), (MauticVersion::V7_0, "r&d")] {
        let system = System::with(Options::default().mautic_version(version)).await;
        let tagged = |tags: Value| json!({"contact": {"email": "tags@example.com", "tags": tags}});
        let id = upsert(&system, tagged(json!(["r&d", "o'neil"]))).await.contact_id().unwrap().to_owned();
        assert!(system.contact("tags@example.com").tags.contains(&stored.to_owned()), "{version}");
        assert_eq!(counted(&system, tagged(json!(["o'neil", "r&d"]))).await, did("unchanged", 0), "{version}");
        // What Mautic shows is what was sent: nobody there changed the tags, and nothing of them is sent again.
        let held = json!({"tags": ["human"]});
        system.in_mautic(Method::PATCH, &format!("/api/contacts/{id}/edit"), Some(held)).await;
        assert_eq!(counted(&system, tagged(json!(["r&d"]))).await, did("updated", 1), "{version}");
        assert_eq!(system.contact("tags@example.com").tags, ["human", stored], "{version}");
        upsert(&system, tagged(json!([]))).await;
        assert_eq!(system.contact("tags@example.com").tags, ["human"], "{version}");
    }
}

#[tokio::test]
async fn attribution_is_kept_when_a_later_record_lacks_it() {
    let system = System::start().await;
    let with = |utm: Value| json!({"contact": {"email": "utm@example.com"}, "utm": utm});
    upsert(
        &system,
        with(json!({"source": "google", "medium": "cpc", "campaign": "spring", "term": "boots", "content": "b"})),
    )
    .await;
    for utm in [Value::Null, json!({}), json!({"source": "", "medium": null})] {
        assert_eq!(counted(&system, with(utm)).await.0, "unchanged");
    }
    upsert(&system, with(json!({"campaign": "summer"}))).await;
    let fields = system.contact("utm@example.com").fields;
    for (field, value) in [
        ("app_utm_source", "google"),
        ("app_utm_medium", "cpc"),
        ("app_utm_campaign", "summer"),
        ("app_utm_term", "boots"),
        ("app_utm_content", "b"),
    ] {
        assert_eq!(fields[field], value);
    }
}

#[tokio::test]
async fn places_and_languages_get_mautics_own_names() {
    let system = System::start().await;
    let cases = [
        (
            json!({"country": "AU", "state": "NSW", "locale": "en-AU", "timezone": "australia/sydney"}),
            ("Australia", "New South Wales", "en_AU", "Australia/Sydney"),
        ),
        (
            json!({"country": "usa", "state": "CA", "locale": "en_us", "timezone": "America/Los_Angeles"}),
            ("United States", "California", "en_US", "America/Los_Angeles"),
        ),
        (
            json!({"country": "Germany", "state": "BY", "locale": "de_DE.UTF-8", "timezone": "Europe/Berlin"}),
            ("Germany", "Bayern", "de_DE", "Europe/Berlin"),
        ),
    ];
    for (number, (mut contact, (country, state, locale, timezone))) in cases.into_iter().enumerate() {
        let email = format!("place{number}@example.com");
        contact["email"] = json!(email);
        let answer = upsert(&system, json!({"contact": contact})).await;
        let fields = system.contact(&email).fields;
        let held =
            ["country", "state", "preferred_locale", "timezone"].map(|field| fields.get(field).and_then(Value::as_str));
        assert_eq!(held, [Some(country), Some(state), Some(locale), Some(timezone)], "{:?}", answer.complaints());
    }
}

#[tokio::test]
async fn a_state_and_a_phone_are_read_by_the_country_that_is_known_from_earlier() {
    let system = System::start().await;
    upsert(&system, json!({"contact": {"email": "later@example.com", "country": "AU"}})).await;
    let answer =
        upsert(&system, json!({"contact": {"email": "later@example.com", "state": "WA", "mobile": "0491 570 156"}}))
            .await;
    assert_eq!(answer.complaints(), Vec::<String>::new());
    let fields = system.contact("later@example.com").fields;
    assert_eq!((&fields["state"], &fields["mobile"]), (&json!("Western Australia"), &json!("+61491570156")));
}

#[tokio::test]
async fn a_custom_field_that_mautic_lacks_is_reported_and_the_rest_arrives() {
    let system = System::with(Options::default().without_fields()).await;
    let payload = json!({"contact": {"email": "lacking@example.com", "first_name": "Ada"}, "fields": {"total_orders": 3}, "ml": {"score": 0}, "utm": {"source": "x"}});
    let answer = upsert(&system, payload).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for field in ["total_orders", "ml.score", "utm.source"] {
        assert!(
            answer.complaints().iter().any(|found| found.ends_with(&format!("{field}:missing_on_platform"))),
            "{field}: {:?}",
            answer.complaints()
        );
    }
    assert!(answer.body.to_string().contains("tandem connect"), "the advice is there");
    assert_eq!(system.contact("lacking@example.com").fields["firstname"], "Ada");
}

#[tokio::test]
async fn an_option_of_a_select_is_taken_in_any_letter_case() {
    let system = System::start().await;
    let answer =
        upsert(&system, json!({"contact": {"email": "option@example.com"}, "fields": {"customer_segment": " VIP "}}))
            .await;
    assert_eq!(answer.complaints(), Vec::<String>::new());
    assert_eq!(system.contact("option@example.com").fields["customer_segment"], "vip");
}

#[tokio::test]
async fn a_text_as_long_as_its_field_takes_arrives_whole_and_a_longer_one_is_reported() {
    let system = System::start().await;
    // Tandem made this field, and knows how much it takes; the names are Mautic's own, of 64 characters.
    let own =
        |length: usize| json!({"preferred_venue": "é".repeat(length), "contact": {"email": "length@example.com"}});
    assert!(upsert(&system, own(191)).await.complaints().is_empty());
    assert_eq!(system.contact("length@example.com").fields["preferred_venue"], json!("é".repeat(191)));
    assert_eq!(upsert(&system, own(192)).await.complaints(), ["preferred_venue:too_long"]);
    let names = json!({"email": "names@example.com", "first_name": "é".repeat(64), "last_name": "é".repeat(65)});
    assert_eq!(upsert(&system, json!({"contact": names})).await.complaints(), ["contact.last_name:too_long"]);
    let fields = system.contact("names@example.com").fields;
    assert_eq!((&fields["firstname"], fields.get("lastname")), (&json!("é".repeat(64)), None));
}

#[tokio::test]
async fn a_place_is_written_as_each_version_of_mautic_spells_it_and_is_no_change_afterwards() {
    for (version, country, state) in
        [(MauticVersion::V5_1, "Turkey", "Fukusima"), (MauticVersion::V7_0, "Türkiye", "Fukushima")]
    {
        let system = System::with(Options::default().mautic_version(version)).await;
        let turkish = json!({"contact": {"email": "tr@example.com", "country": "Türkiye"}});
        let japanese = json!({"contact": {"email": "jp@example.com", "country": "JP", "state": "Fukushima"}});
        for body in [&turkish, &japanese] {
            assert!(upsert(&system, body.clone()).await.complaints().is_empty(), "{version}");
            assert_eq!(counted(&system, body.clone()).await.0, "unchanged", "{version}");
        }
        let shown = system.in_mautic(Method::GET, "/api/contacts?orderBy=id", None).await;
        let field = |name: &str| -> Vec<Value> {
            let contacts = shown["contacts"].as_object().into_iter().flat_map(|contacts| contacts.values());
            contacts.map(|contact| contact["fields"]["all"][name].clone()).filter(|value| !value.is_null()).collect()
        };
        assert_eq!((field("country")[0].clone(), field("state")), (json!(country), vec![json!(state)]), "{version}");
    }
}

#[tokio::test]
async fn a_company_follows_its_contact() {
    let system = System::start().await;
    upsert(&system, json!({"contact": {"email": "work@example.com", "company": "ACME"}})).await;
    upsert(&system, json!({"contact": {"email": "work@example.com", "company": "Initech"}})).await;
    assert_eq!(system.contact("work@example.com").fields["company"], "Initech");
}

#[tokio::test]
async fn a_contact_moves_through_stages() {
    let system = System::start().await;
    let (lead, customer) =
        (system.made_in_mautic("stages", "Lead").await, system.made_in_mautic("stages", "Customer").await);
    let staged = |stage: &str| json!({"contact": {"email": "stage@example.com"}, "stage": stage});
    let id = upsert(&system, staged("lead")).await.contact_id().unwrap().to_owned();
    assert_eq!(system.shown(&id).await["stage"]["id"].to_string(), lead);
    assert_eq!(counted(&system, staged("Customer")).await, did("updated", 1));
    assert_eq!(system.shown(&id).await["stage"]["id"].to_string(), customer);
    assert_eq!(counted(&system, staged("Customer")).await, did("unchanged", 0));
}

#[tokio::test]
async fn a_stage_that_mautic_does_not_have_is_reported() {
    let system = System::start().await;
    let answer =
        upsert(&system, json!({"contact": {"email": "nostage@example.com", "first_name": "Ada"}, "stage": "Legend"}))
            .await;
    assert_eq!((answer.status, answer.complaints()), (200, vec!["stage:not_in_list".to_owned()]));
    assert_eq!(system.contact("nostage@example.com").fields["firstname"], "Ada");
}

#[tokio::test]
async fn a_stage_is_not_lost_when_the_list_of_stages_can_not_be_had_just_now() {
    let system = System::start().await;
    let stage = system.made_in_mautic("stages", "Customer").await;
    system.mautic.inject_faults(vec![FaultRule::new(FaultKind::Status).status(503).path("/api/stages").times(1)]);
    let answer = upsert(&system, json!({"contact": {"email": "hiccup@example.com"}, "stage": "Customer"})).await;
    assert!(answer.is_taken(), "{}", answer.body);
    system.finish().await;
    let id = system.contact("hiccup@example.com").id.to_string();
    assert_eq!(system.shown(&id).await["stage"]["id"].to_string(), stage);
}

#[tokio::test]
async fn a_value_that_mautic_refuses_on_a_create_holds_nothing_else_back() {
    let system = System::start().await;
    system.mautic_refuses("PUT", "/api/contacts/batch/edit", &["lastname"]);
    let answer =
        upsert(&system, json!({"contact": {"email": "refused@example.com", "first_name": "Ada", "last_name": "L"}}))
            .await;
    assert_eq!((answer.status, answer.complaints()), (200, vec!["contact.last_name:refused_by_platform".to_owned()]));
    let contact = system.contact("refused@example.com");
    assert_eq!((&contact.fields["firstname"], contact.fields.get("lastname")), (&json!("Ada"), None));
    let again = upsert(&system, json!({"contact": {"email": "refused@example.com", "first_name": "Eve"}})).await;
    assert_eq!(again.complaints(), ["contact.last_name:refused_by_platform"], "it is told of, and not sent, again");
    upsert(&system, json!({"contact": {"email": "refused@example.com", "last_name": "M"}})).await;
    assert_eq!(system.contact("refused@example.com").fields["lastname"], "M", "another value is another try");
}

#[tokio::test]
async fn a_value_that_mautic_refuses_on_an_update_or_a_zero_write_holds_nothing_else_back() {
    let system = System::start().await;
    let contact = |city: &str, orders: u32| json!({"contact": {"email": "refuse2@example.com", "city": city, "first_name": city}, "fields": {"total_orders": orders}});
    upsert(&system, contact("Rome", 3)).await;
    for (method, city, orders) in [("PATCH", "Oslo", 4), ("PUT", "Bern", 0)] {
        system.mautic_refuses(method, "/api/contacts/", &["city"]);
        let answer = upsert(&system, contact(city, orders)).await;
        assert_eq!(
            (answer.status, answer.complaints()),
            (200, vec!["contact.city:refused_by_platform".to_owned()]),
            "{method}"
        );
        let fields = system.contact("refuse2@example.com").fields;
        assert_eq!(
            (&fields["firstname"], fields["total_orders"].as_f64()),
            (&json!(city), Some(f64::from(orders))),
            "{method}"
        );
        assert_eq!(fields["city"], "Rome", "{method}");
    }
}

#[tokio::test]
async fn a_refusal_that_names_no_field_is_told_to_the_caller() {
    let system = System::start().await;
    system.mautic_refuses("PUT", "/api/contacts/batch/edit", &[]);
    let answer = upsert(&system, json!({"contact": {"email": "plain-refusal@example.com"}})).await;
    assert_eq!((answer.status, answer.error_code()), (422, "refused_by_platform"));
    let answer = upsert(&system, json!({"contact": {"email": "plain-refusal@example.com"}})).await;
    assert_eq!(answer.status, 200, "the next attempt is a new one: {}", answer.body);
    assert_eq!(system.contacts_with("plain-refusal@example.com").len(), 1);
}

#[tokio::test]
async fn a_known_id_may_change_its_address() {
    let system = System::start().await;
    let person = |email: &str| json!({"id": "u1", "contact": {"email": email, "first_name": "Ada"}});
    let id = upsert(&system, person("before@example.com")).await.contact_id().unwrap().to_owned();
    let answer = upsert(&system, person("after@example.com")).await;
    assert_eq!((answer.contact_id(), answer.data()["action"].as_str()), (Some(id.as_str()), Some("updated")));
    assert_eq!(system.contact("after@example.com").id.to_string(), id);
    assert_eq!(system.contacts_with("before@example.com").len(), 0);
    // The old address is free again: whoever has it now is somebody else.
    let answer = upsert(&system, json!({"id": "u2", "contact": {"email": "before@example.com"}})).await;
    assert_eq!((answer.data()["action"].as_str(), answer.complaints().len()), (Some("created"), 0));
    assert_eq!(system.mautic.stats().contacts, 2);
}

#[tokio::test]
async fn an_address_that_another_record_has_is_left_to_it() {
    let system = System::start().await;
    upsert(&system, json!({"id": "u1", "contact": {"email": "one@example.com", "first_name": "One"}})).await;
    upsert(&system, json!({"id": "u2", "contact": {"email": "two@example.com", "first_name": "Two"}})).await;
    let answer =
        upsert(&system, json!({"id": "u2", "contact": {"email": "one@example.com", "first_name": "Zwei"}})).await;
    assert_eq!((answer.status, answer.complaints()), (200, vec!["contact.email:taken".to_owned()]));
    assert_eq!(system.contact("two@example.com").fields["firstname"], "Zwei");
    assert_eq!(system.contact("one@example.com").fields["firstname"], "One");
}

#[tokio::test]
async fn an_address_that_another_contact_of_mautic_has_is_reported_and_the_rest_is_written() {
    let system = System::start().await;
    upsert(&system, json!({"id": "u1", "contact": {"email": "mine@example.com", "first_name": "Ada"}})).await;
    system
        .in_mautic(Method::POST, "/api/contacts/new", Some(json!({"email": "theirs@example.com", "firstname": "Bob"})))
        .await;
    for fields in [json!({"total_orders": 3}), json!({"total_orders": 0})] {
        let answer = upsert(
            &system,
            json!({"id": "u1", "contact": {"email": "theirs@example.com", "first_name": "Eve"}, "fields": fields}),
        )
        .await;
        assert_eq!((answer.status, answer.complaints()), (200, vec!["contact.email:taken".to_owned()]), "{fields}");
        let mine = system.contact("mine@example.com");
        assert_eq!(
            (&mine.fields["firstname"], mine.fields["total_orders"].as_f64()),
            (&json!("Eve"), fields["total_orders"].as_f64())
        );
    }
    assert_eq!(system.contact("theirs@example.com").fields["firstname"], "Bob");
}

#[tokio::test]
async fn two_ids_with_one_address_are_one_contact_and_the_caller_is_told() {
    let system = System::start().await;
    let first =
        upsert(&system, json!({"id": "u1", "contact": {"email": "shared@example.com", "first_name": "One"}})).await;
    let second =
        upsert(&system, json!({"id": "u2", "contact": {"email": "shared@example.com", "first_name": "Two"}})).await;
    assert_eq!((second.contact_id(), second.complaints()), (first.contact_id(), vec!["id:shared_identity".to_owned()]));
    assert_eq!(system.contact("shared@example.com").fields["firstname"], "Two");
}

#[tokio::test]
async fn a_state_that_arrives_late_does_not_undo_a_newer_one_and_fills_what_was_missing() {
    let system = System::start().await;
    let state = |at: &str, name: &str| json!({"id": "u1", "contact": {"email": "late@example.com", "first_name": name}, "fields": {"updated_at": at}});
    upsert(&system, state("2026-05-02T10:00:00Z", "New")).await;
    let mut old = state("2026-05-01T10:00:00Z", "Old");
    old["contact"]["city"] = json!("Perth");
    let answer = upsert(&system, old).await;
    assert_eq!((answer.status, answer.complaints()), (200, vec!["updated_at:stale".to_owned()]));
    let fields = system.contact("late@example.com").fields;
    assert_eq!((&fields["firstname"], &fields["city"]), (&json!("New"), &json!("Perth")));
    upsert(&system, state("2026-05-02T10:00:00Z", "Same time")).await;
    assert_eq!(system.contact("late@example.com").fields["firstname"], "Same time");
}

#[tokio::test]
async fn a_time_of_change_that_can_not_be_read_is_reported() {
    let system = System::start().await;
    for value in [json!("yesterday"), json!(5)] {
        let answer = upsert(&system, json!({"contact": {"email": "when@example.com"}, "updated_at": value})).await;
        assert!(
            answer.complaints().iter().any(|found| found.starts_with("updated_at:")),
            "{value}: {:?}",
            answer.complaints()
        );
    }
}

#[tokio::test]
async fn an_address_in_a_part_that_does_not_carry_one_is_reported() {
    let system = System::start().await;
    for part in ["fields", "custom", "utm", "ml"] {
        let mut payload = json!({"contact": {"email": "right@example.com"}});
        payload[part] = json!({"email": "wrong@example.com"});
        let answer = upsert(&system, payload).await;
        assert_eq!((answer.status, answer.complaints().len()), (200, 1), "{part}: {:?}", answer.complaints());
    }
    assert_eq!(system.mautic.stats().contacts, 1);
}

#[tokio::test]
async fn a_contact_that_was_deleted_in_mautic_is_made_again_with_all_its_fields() {
    let system = System::start().await;
    let contact = json!({"email": "again@example.com", "first_name": "Ada", "city": "London", "tags": ["a", "b"]});
    let id = upsert(&system, json!({"contact": contact, "fields": {"total_orders": 0}}))
        .await
        .contact_id()
        .unwrap()
        .to_owned();
    for change in [
        json!({"contact": {"email": "again@example.com", "last_name": "L"}}),
        json!({"contact": {"email": "again@example.com", "city": null}}),
    ] {
        let held = system.contact("again@example.com").id;
        system.in_mautic(Method::DELETE, &format!("/api/contacts/{held}/delete"), None).await;
        let answer = upsert(&system, change).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.data()["action"], "created");
        assert_ne!(answer.contact_id(), Some(id.as_str()));
    }
    let contact = system.contact("again@example.com");
    assert_eq!((&contact.fields["firstname"], &contact.fields["lastname"]), (&json!("Ada"), &json!("L")));
    assert_eq!(contact.fields["total_orders"].as_f64(), Some(0.0));
    assert_eq!(contact.tags, ["a", "b"]);
}

#[tokio::test]
async fn a_contact_that_was_deleted_and_made_again_by_hand_is_taken_over() {
    let system = System::start().await;
    let id = upsert(&system, json!({"contact": {"email": "hand@example.com", "tags": ["a"]}}))
        .await
        .contact_id()
        .unwrap()
        .to_owned();
    system.in_mautic(Method::DELETE, &format!("/api/contacts/{id}/delete"), None).await;
    system
        .in_mautic(Method::POST, "/api/contacts/new", Some(json!({"email": "hand@example.com", "tags": ["human"]})))
        .await;
    upsert(&system, json!({"contact": {"email": "hand@example.com", "first_name": "Ada"}})).await;
    let contact = system.contact("hand@example.com");
    assert_eq!(contact.fields["firstname"], "Ada");
    assert_eq!(contact.tags, ["a", "human"]);
}

#[tokio::test]
async fn a_merge_in_mautic_is_followed() {
    let system = System::start().await;
    for (name, orders) in [("patch", 5), ("put", 0)] {
        let email = format!("merge-{name}@example.com");
        let old =
            upsert(&system, json!({"contact": {"email": email, "first_name": "Ada"}, "fields": {"total_orders": 3}}))
                .await
                .contact_id()
                .unwrap()
                .to_owned();
        let visitor = system.visitor().await;
        system.engage("submit", json!({"contact": visitor, "address": email})).await;
        assert_eq!(system.contact(&email).id, visitor);
        let answer =
            upsert(&system, json!({"contact": {"email": email, "last_name": "L"}, "fields": {"total_orders": orders}}))
                .await;
        assert_eq!(answer.contact_id(), Some(visitor.to_string().as_str()), "{name}: {old} became {visitor}");
        let contact = system.contact(&email);
        assert_eq!((&contact.fields["firstname"], &contact.fields["lastname"]), (&json!("Ada"), &json!("L")));
        assert_eq!(contact.fields["total_orders"].as_f64(), Some(f64::from(orders)));
    }
    assert_eq!(system.mautic.stats().duplicates.len(), 0);
}

#[tokio::test]
async fn text_in_any_language_arrives_as_it_was_given() {
    let system = System::start().await;
    let contact = json!({"email": "plus+tag@sub.example.co.uk", "first_name": "Zoë 🦀", "last_name": "O'Brien \"Łukasz\" <b>&amp;", "city": "東京", "address_line1": "1/2 \\ Straße"});
    upsert(&system, json!({"contact": contact})).await;
    let fields = system.contact("plus+tag@sub.example.co.uk").fields;
    for (field, value) in [
        ("firstname", "Zoë 🦀"),
        ("lastname", "O'Brien \"Łukasz\" <b>&amp;"),
        ("city", "東京"),
        ("address1", "1/2 \\ Straße"),
    ] {
        assert_eq!(fields[field], value);
    }
}
