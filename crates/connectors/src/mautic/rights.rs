//! The rights that Tandem's role needs in Mautic, called as Mautic's page of a role calls them (Settings, Roles,
//! Permissions). A refused call tells which of them is missing.

use reqwest::Method;

/// What lets anybody call the API at all.
pub(super) const API: &str = "API Permissions: API Access, Granted";

/// What changes contacts.
pub(super) const CONTACTS: &str =
    "Contact Permissions: Contacts, Create, Edit Own, Edit Others, Delete Own and Delete Others";
/// What some tables need where the role's own permissions are not enough.
const ADMINISTRATOR: &str = "a role with Full System Access (an administrator's)";

/// What a call needs, by the beginning of its path below `/api`: the right to look, and the right to change.
const NEEDED: &[(&str, &str, &str)] = &[
    ("contacts", "Contact Permissions: Contacts, View Own and View Others", CONTACTS),
    ("fields", "Contact Permissions: Custom Fields, Full", "Contact Permissions: Custom Fields, Full"),
    (
        "segments",
        "Contact Permissions: Segments, View Own and View Others",
        "Contact Permissions: Segments, Create and Edit Others",
    ),
    ("tags", "Tag manager permissions: Tag Manager, View", "Tag manager permissions: Tag Manager, Create"),
    (
        "campaigns",
        "Campaign Permissions: Campaigns, View Own and View Others",
        "Campaign Permissions: Campaigns, View Others and Edit Others",
    ),
    (
        "stages",
        "Stage Permissions: Stage Actions, View Own and View Others",
        "Stage Permissions: Stage Actions, View Others",
    ),
    (
        "companies",
        "Contact Permissions: Contacts, View Own and View Others",
        "Contact Permissions: Contacts, Create, Edit Others and Delete Others",
    ),
    (
        "hooks",
        "Webhook Permissions: Webhooks, View Own and View Others",
        "Webhook Permissions: Webhooks, Create, Edit Own, Edit Others, Delete Own, Delete Others and Publish Others",
    ),
    (
        "stats/webhook_logs",
        "Webhook Permissions: Webhooks, View Own and View Others",
        "Webhook Permissions: Webhooks, View Own and View Others",
    ),
    ("stats/audit_log", ADMINISTRATOR, ADMINISTRATOR),
    (
        "stats/email_stats",
        "Contact Permissions: Contacts, View Others, and Email Permissions: Emails, View Others",
        "Email Permissions: Emails, View Others",
    ),
    (
        "stats/page_hits",
        "Contact Permissions: Contacts, View Others, and Landing Page Permissions: Pages, View Others",
        "Landing Page Permissions: Pages, View Others",
    ),
    (
        "stats/form_submissions",
        "Contact Permissions: Contacts, View Others, and Form Permissions: Forms, View Others",
        "Form Permissions: Forms, View Others",
    ),
    ("stats", "Contact Permissions: Contacts, View Others", "Contact Permissions: Contacts, View Others"),
];

/// The right that a call needs.
pub(super) fn needed(method: &Method, path: &str) -> &'static str {
    let found = NEEDED.iter().find(|(beginning, _, _)| path.starts_with(beginning));
    match found {
        Some((_, look, _)) if *method == Method::GET => look,
        // Members are put into a segment or campaign by editing the contact.
        Some((_, _, change)) => change,
        None => API,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_names_the_right_that_it_needs() {
        assert!(needed(&Method::POST, "fields/contact/new").contains("Custom Fields"));
        assert!(needed(&Method::GET, "stats/webhook_logs").contains("Webhooks"));
        assert!(needed(&Method::GET, "stats/audit_log").contains("Full System Access"));
        assert!(needed(&Method::PATCH, "contacts/batch/edit").contains("Edit Others"));
        assert_eq!(needed(&Method::GET, "users/self"), API);
    }
}
