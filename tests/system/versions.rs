//! Each version of Mautic that is known, with the whole system before it.

use serde_json::json;
use tandem_simulators::MauticVersion;
use tandem_tests::system::{Options, System};

#[tokio::test]
async fn a_contact_is_made_and_changed_in_each_version() {
    for version in MauticVersion::ALL {
        let system = System::with(Options::default().mautic_version(version)).await;
        for name in ["John", "Johnny"] {
            let payload = json!({"id": "1", "contact": {"email": "john@example.com", "first_name": name}});
            let answer = system.caller.upsert(payload).await.unwrap();
            assert_eq!(answer.status, 200, "{version}: {}", answer.body);
            assert_eq!(system.contact("john@example.com").fields["firstname"], name, "{version}");
        }
        assert_eq!(system.mautic.stats().contacts, 1, "{version}");
    }
}
