//! What lies between the further recordings of 5.1.0, which were made on three Mautics.

use super::{Gap, Step};

/// Of these, only the type of the content was kept.
pub(super) const WITHOUT_HEADERS: &[&str] = &[
    "240-batch-edit-patch-unknown-id",
    "241-contact-create-180-han-characters",
    "242-contact-create-custom-text-65-characters",
    "243-field-create-with-char-length-limit",
    "244-where-email-like-wildcard",
    "245-batch-put-no-id-other-unique-field-taken",
    "246-batch-put-no-id-slash-address-taken-when-stripped",
    "247-contact-get-merged-id",
];

const FIELDS: &str = "/api/fields/contact/new";

macro_rules! field {
    ($label:literal, $alias:literal, $kind:literal) => {
        field!($label, $alias, $kind, "{}")
    };
    ($label:literal, $alias:literal, $kind:literal, $properties:literal) => {
        Step::ByAdmin(
            "POST",
            FIELDS,
            concat!(
                r#"{"label": ""#,
                $label,
                r#"", "alias": ""#,
                $alias,
                r#"", "type": ""#,
                $kind,
                r#"", "properties": "#,
                $properties,
                "}"
            ),
        )
    };
}

/// The fields 44 to 47.
const FIRST_FIELDS: &[Step] = &[
    field!("Supabase ID", "supabase_id", "text"),
    field!("CRM Status", "crm_status", "text"),
    field!("Lead Score", "lead_score", "number", r#"{"roundmode": 4, "scale": 2}"#),
    field!("Marketing Opt In", "marketing_opt_in", "boolean", r#"{"no": "No", "yes": "Yes"}"#),
];

/// The fields 49 to 53.
const MIDDLE_FIELDS: &[Step] = &[
    field!("Total Orders", "total_orders", "number", r#"{"roundmode": 4, "scale": 0}"#),
    field!("Total Spent", "total_spent", "number", r#"{"roundmode": 4, "scale": 2}"#),
    field!("Lifetime Value", "lifetime_value", "number", r#"{"roundmode": 4, "scale": 2}"#),
    field!("Last Order Date", "last_order_date", "datetime"),
    field!("Last Event Name", "last_event_name", "text"),
];

/// The fields 55 to 60.
const LAST_FIELDS: &[Step] = &[
    field!("Customer Since", "customer_since", "date"),
    field!("Subscription Tier", "subscription_tier", "text"),
    field!("Subscription Status", "subscription_status", "text"),
    field!("Subscription Updated At", "subscription_updated_at", "datetime"),
    field!("Signup Date", "signup_date", "datetime"),
    field!("Last Login", "last_login", "datetime"),
];

const HOOK: &str = r#"{"name": "Hub", "webhookUrl": "http://127.0.0.1:9099/hook", "secret": "recorded-secret", "triggers": ["mautic.lead_post_save_new", "mautic.lead_post_save_update", "mautic.lead_channel_subscription_changed"]}"#;

pub(super) const GAPS: &[Gap] = &[
    Gap {
        before: "201-duplicates-post-new",
        reason: "left out: the fields 44 to 60 without 54; contacts 1600 and 1601 share an address",
        steps: &[
            Step::All(FIRST_FIELDS),
            field!(
                "Customer Segment",
                "customer_segment",
                "select",
                r#"{"list": [{"label": "regular", "value": "regular"}, {"label": "new", "value": "new"}, {"label": "inactive", "value": "inactive"}]}"#
            ),
            Step::All(MIDDLE_FIELDS),
            Step::NextId("fields", 55),
            Step::All(LAST_FIELDS),
            Step::NextId("contacts", 1600),
            Step::Control(
                "/_control/contacts",
                r#"[{"email": "dup.f65bf@example.com", "firstname": "Dup0"}, {"email": "dup.f65bf@example.com", "firstname": "Dup1"}]"#,
            ),
        ],
    },
    Gap {
        before: "207-duplicates-dnc-add",
        reason: "left out: entries of do-not-contact up to 670",
        steps: &[Step::NextId("dnc", 671)],
    },
    Gap {
        before: "208-duplicates-segment-add",
        reason: "left out: segment 1 is made",
        steps: &[Step::ByAdmin("POST", "/api/segments/new", r#"{"name": "First"}"#)],
    },
    Gap {
        before: "209-race-duplicates-patch-oldest",
        reason: "left out: contacts 1608 and 1609 share an address, made by simultaneous calls",
        steps: &[
            Step::NextId("contacts", 1608),
            Step::Control(
                "/_control/contacts",
                r#"[{"email": "race.f65bf@example.com"}, {"email": "race.f65bf@example.com"}]"#,
            ),
        ],
    },
    Gap {
        before: "212-contact-create-apostrophe",
        reason: "left out: contacts up to 2238",
        steps: &[Step::NextId("contacts", 2239)],
    },
    Gap {
        before: "220-database-down-contact-new",
        reason: "the database was stopped",
        steps: &[Step::Control("/_control/api", r#"{"database": false}"#)],
    },
    Gap {
        before: "223-unsubscribe-link",
        reason: "left out: the database is back; a hook; contact 2241, to whom email 2 is sent",
        steps: &[
            Step::Control("/_control/api", r#"{"database": true}"#),
            Step::ByAdmin("POST", "/api/hooks/new", HOOK),
            Step::NextId("emails", 2),
            Step::ByAdmin(
                "POST",
                "/api/emails/new",
                r#"{"name": "Mail", "subject": "Hello", "customHtml": "<p>Hello</p>"}"#,
            ),
            Step::NextId("audits", 6399),
            Step::ByAdmin("POST", "/api/contacts/new", r#"{"email": "self82aa7@example.com", "firstname": "Self"}"#),
            Step::ByAdmin("POST", "/api/emails/2/contact/2241/send", "{}"),
            Step::NextId("dnc", 896),
        ],
    },
    Gap {
        before: "225-stats-audit-dnc-by-person-and-by-admin",
        reason: "left out: an administrator makes an entry and takes it away",
        steps: &[
            Step::ByAdmin("POST", "/api/contacts/2241/dnc/email/add", r#"{"reason": 3, "comments": "by an admin"}"#),
            Step::ByAdmin("POST", "/api/contacts/2241/dnc/email/remove", "{}"),
        ],
    },
    Gap { before: "226-hook-create-dead", reason: "left out: hook 2", steps: &[Step::NextId("hooks", 3)] },
    Gap {
        before: "227-hook-after-failures",
        reason: "left out: two updates that the hook is to hear of, where nobody listens",
        steps: &[
            Step::ByAdmin("PATCH", "/api/contacts/2241/edit", r#"{"firstname": "Once"}"#),
            Step::ByAdmin("PATCH", "/api/contacts/2241/edit", r#"{"firstname": "Twice"}"#),
        ],
    },
    Gap {
        before: "228-api-disabled-contacts",
        reason: "the API was switched off",
        steps: &[Step::Control("/_control/api", r#"{"enabled": false}"#)],
    },
    Gap {
        before: "230-basic-auth-disabled",
        reason: "the API was switched on again, and passwords for it off",
        steps: &[Step::Control("/_control/api", r#"{"enabled": true, "basic": false}"#)],
    },
    Gap {
        before: "240-batch-edit-patch-unknown-id",
        reason: "the third Mautic, with the fields 44 to 60",
        steps: &[
            Step::AnotherMautic,
            Step::Control("/_control/api", r#"{"basic": true}"#),
            Step::All(FIRST_FIELDS),
            field!(
                "Customer Segment",
                "customer_segment",
                "select",
                r#"{"list": [{"label": "vip", "value": "vip"}, {"label": "regular", "value": "regular"}, {"label": "new", "value": "new"}, {"label": "inactive", "value": "inactive"}]}"#
            ),
            Step::All(MIDDLE_FIELDS),
            field!("Preferred Venue", "preferred_venue", "text"),
            Step::All(LAST_FIELDS),
        ],
    },
    Gap {
        before: "244-where-email-like-wildcard",
        reason: "left out: contact 118; field 61 of 243 is gone again",
        steps: &[
            Step::ByAdmin("DELETE", "/api/fields/contact/61/delete", ""),
            Step::NextId("contacts", 118),
            Step::ByAdmin("POST", "/api/contacts/new", r#"{"email": "ap1.o'hara@example.com", "firstname": "Before"}"#),
        ],
    },
    Gap {
        before: "245-batch-put-no-id-other-unique-field-taken",
        reason: "left out: an administrator makes supabase_id a unique identifier; a contact that has the value",
        steps: &[
            Step::ByAdmin("PATCH", "/api/fields/contact/44/edit", r#"{"isUniqueIdentifier": true}"#),
            Step::ByAdmin("POST", "/api/contacts/new", r#"{"email": "old.un1@example.com", "supabase_id": "un1-1"}"#),
        ],
    },
    Gap {
        before: "246-batch-put-no-id-slash-address-taken-when-stripped",
        reason: "left out: a contact that has the address without its slash",
        steps: &[Step::ByAdmin("POST", "/api/contacts/new", r#"{"email": "marysl2@example.com"}"#)],
    },
    Gap {
        before: "247-contact-get-merged-id",
        reason: "left out: contact 19534, whose address somebody gives in a form, as contact 19535",
        steps: &[
            Step::NextId("contacts", 19534),
            Step::ByAdmin(
                "POST",
                "/api/contacts/new",
                r#"{"email": "merge.g1@example.com", "supabase_id": "m-g1", "position": "a", "firstname": "K"}"#,
            ),
            Step::ByAdmin(
                "POST",
                "/api/forms/new",
                r#"{"name": "Form", "formType": "standalone", "postAction": "return", "fields": [{"label": "Email", "alias": "email", "type": "email", "mappedField": "email"}, {"label": "First name", "alias": "firstname", "type": "text", "mappedField": "firstname"}]}"#,
            ),
            Step::Submit(&[("mauticform[email]", "merge.g1@example.com"), ("mauticform[firstname]", "F")]),
        ],
    },
];
