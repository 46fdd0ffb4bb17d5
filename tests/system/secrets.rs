//! No log line holds a secret or personal data, at whatever level is logged.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::json;
use tandem_app::telemetry;
use tandem_simulators::mautic::{FaultKind, FaultRule, LostReply};
use tandem_tests::system::{KEY, System};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// All that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

#[tokio::test]
async fn nothing_personal_and_no_secret_is_logged_even_when_everything_is() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(telemetry::filter("trace"))
        .with_ansi(false)
        .with_writer(log.clone())
        .finish()
        .with(telemetry::discretion());
    // While there is one subscriber only, what another test's thread logs first would be switched off for all.
    let _other = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);
    let system = System::start().await;
    exercise(&system).await;
    let text = log.text();
    assert!(text.contains("upsert_contact"), "requests are logged");
    let is_logged = |parts: &[&str]| text.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    for failure in [
        ["answered with an error", "code=\"invalid_request\""],
        ["answered with an error", "code=\"refused_by_platform\""],
        ["answered with an error", "code=\"platform_garbled\""],
        ["a write was interrupted", "kind=Unavailable effect=Unknown"],
    ] {
        assert!(is_logged(&failure), "{failure:?}: failures are logged with their code or kind");
    }
    for secret in ["canary", KEY, "demo-secret", "demo-password", "+61491570156", "Bearer", "203.0.113.77"] {
        let line = text.lines().find(|line| line.to_lowercase().contains(&secret.to_lowercase()));
        assert_eq!(line, None, "{secret}");
    }
}

/// Requests of all kinds, good and bad, with Mautic well and unwell. All that is personal in them holds "canary".
async fn exercise(system: &System) {
    let contact = json!({"email": "canary@canary.example", "first_name": "Canary", "city": "Canaryville", "mobile": "+61491570156", "tags": ["canary"], "ip": "203.0.113.77"});
    let payload = json!({"id": "canary-id", "contact": contact, "consent": {"marketing_opt_in": true, "proof": "canary"}, "utm": {"source": "canary"}, "ml": {"score": 0}});
    let bodies = [
        json!({"action": "upsert_contact", "payload": payload}),
        json!({"action": "upsert_contact", "payload": {"id": "canary-id", "contact": {"email": "canary-two@canary.example", "phone": "canary", "canary_field": 1}}}),
        json!({"action": "upsert_contact", "payload": {"contact": {"email": "canary"}}}),
        json!({"action": "identify", "payload": {"email": "canary3@canary.example", "mtc_id": "canary", "mtc_signature": "canary"}}),
        json!({"action": "add_to_campaign", "email": "canary-two@canary.example", "campaignId": 7}),
        json!({"action": "export_contact", "email": "canary-two@canary.example"}),
        json!({"action": "canary"}),
    ];
    let refusal =
        json!({"errors": [{"code": 400, "message": "canary is invalid", "details": {"city": ["canary is invalid"]}}]})
            .to_string();
    let faults = [
        None,
        Some(FaultRule::new(FaultKind::LostReply).how(LostReply::Close)),
        Some(FaultRule { body: Some(refusal.clone()), ..FaultRule::new(FaultKind::Status).status(400) }),
        Some(FaultRule { body: Some(refusal), ..FaultRule::new(FaultKind::Status).status(500) }),
        Some(FaultRule::new(FaultKind::Garbage)),
        Some(FaultRule::new(FaultKind::Truncate)),
        Some(FaultRule::new(FaultKind::Status).status(401)),
    ];
    for fault in faults {
        system.mautic.inject_faults(fault.into_iter().map(|rule| rule.path("/api/contacts")).collect());
        for body in &bodies {
            let request = system.caller.request().header("idempotency-key", "canary-key").json(body);
            system.caller.send(request).await.unwrap();
            system.caller.call(body).await.unwrap();
        }
        system.caller.with_key("canary-wrong-key").call(&bodies[0]).await.unwrap();
        system
            .caller
            .send(system.caller.request().header("content-type", "application/json").body("{\"canary\":canary}"))
            .await
            .unwrap();
        system.caller.send(system.caller.bare(Method::GET, "/canary?email=canary@canary.example")).await.unwrap();
    }
    system.mautic.clear_faults();
    system.caller.call(&json!({"action": "delete_contact", "email": "canary-two@canary.example"})).await.unwrap();
    system.drained(std::time::Duration::from_secs(2)).await;
}
