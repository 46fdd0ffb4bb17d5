//! What lies between the recordings that both versions have in common.

use super::{Gap, Step};

pub(super) const GAPS: &[Gap] = &[
    Gap {
        before: "014-contact-create-invalid-email",
        reason: "013 was left out; 025 shows contact 1 with the address in another letter case and the name J3",
        steps: &[Step::Call("POST", "/api/contacts/new", r#"{"email": "JOHN@Example.com", "firstname": "J3"}"#)],
    },
    Gap {
        before: "051-dnc-add",
        reason: "049 and 050 were left out; 051 shows contact 1 renamed to JB2",
        steps: &[Step::Call("PATCH", "/api/contacts/batch/edit", r#"[{"id": 1, "firstname": "JB2"}]"#)],
    },
    Gap {
        before: "055-contact-post-dnc-inline",
        reason: "contact 11 was made by an exchange that was left out",
        steps: &[Step::FillTo(12)],
    },
    Gap {
        before: "071-contact-custom-bool-false",
        reason: "070 was left out and made contact 14",
        steps: &[Step::FillTo(15)],
    },
    Gap {
        before: "083-contact-segments",
        reason: "082 was left out; 086 shows contacts 2 and 3 in segment 1",
        steps: &[Step::Call("POST", "/api/segments/1/contacts/add", r#"{"ids": [2, 3]}"#)],
    },
    Gap {
        before: "138-rate-limited",
        reason: "left out: contact 19 clicks, contacts 20 and 21 opt out and bounce, a limit of 5 calls is used up",
        steps: &[
            Step::Control("/_control/engage/click", r#"{"contact": 19, "url": "https://example.com/p"}"#),
            Step::FillTo(22),
            Step::Call("POST", "/api/contacts/20/dnc/email/add", r#"{"reason": 1}"#),
            Step::Call("POST", "/api/contacts/21/dnc/email/add", r#"{"reason": 2}"#),
            Step::Control("/_control/rate-limit", r#"{"limit": 5}"#),
            Step::Spend(5),
        ],
    },
    Gap {
        before: "139-batch-edit-email-change",
        reason: "left out: the limit is taken away, contacts up to 350 are made, and 351 which gets an address later",
        steps: &[
            Step::Control("/_control/rate-limit", r#"{"limit": null}"#),
            Step::FillTo(351),
            Step::Call("POST", "/api/contacts/new", r#"{"firstname": "AnonX"}"#),
        ],
    },
    Gap {
        before: "140-contact-merge-blank",
        reason: "left out: contact 352, and 353 with its points, tags and opt-out as 140 shows them",
        steps: &[
            Step::Call("POST", "/api/contacts/new", r#"{"email": "t0@example.com", "tags": ["x"]}"#),
            Step::Call("POST", "/api/contacts/new", r#"{"email": "t1@example.com", "points": 5, "tags": ["y", "z"]}"#),
            Step::Call("POST", "/api/contacts/353/dnc/email/add", r#"{"reason": 1}"#),
        ],
    },
    Gap {
        before: "148-patch-zero",
        reason: "left out: contact 354 with the values that 148 shows unchanged",
        steps: &[Step::Call(
            "POST",
            "/api/contacts/new",
            r#"{"email": "zero@example.com", "total_orders": 5, "total_spent": 0.5, "marketing_opt_in": true, "points": 9}"#,
        )],
    },
    Gap {
        before: "151-patch-blank2",
        reason: "left out: an update of contact 354 that 151 shows",
        steps: &[Step::Call("PATCH", "/api/contacts/354/edit", r#"{"firstname": "Zed", "total_orders": 7}"#)],
    },
    Gap {
        before: "152-stats-dnc",
        reason: "left out: contact 354 opts out, which 157 shows",
        steps: &[Step::Call("POST", "/api/contacts/354/dnc/email/add", r#"{"reason": 1}"#)],
    },
    Gap {
        before: "164-merge-get-known",
        reason: "left out: a visitor becomes contact 361 and gives the address of contact 360 in a form",
        steps: &[Step::VisitAndSubmit("merge@example.com")],
    },
];
