//! The header `X-Signature`: HMAC-SHA256 in hex over the raw body. It tells no time, so that a delivery of long ago is as good as
//! one of now: that it was known already is what keeps it from having an effect.
//! <https://docs.lemonsqueezy.com/help/webhooks/signing-requests>

use tandem_core::webhook::proof::Secrets;

/// Whether the body is signed with one of the secrets.
#[must_use]
pub fn is_good(header: &str, body: &[u8], secrets: &Secrets) -> bool {
    hex::decode(header.trim()).is_ok_and(|code| secrets.made(&code, &[body]))
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, Mac};
    use sha2::Sha256;

    use super::*;

    const BODY: &[u8] = br#"{"meta":{}}"#;

    fn code(secret: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(BODY);
        hex::encode(mac.finalize().into_bytes())
    }

    fn holds(header: &str) -> bool {
        is_good(header, BODY, &Secrets::new(["new".to_owned(), "old".to_owned()]))
    }

    #[test]
    fn both_secrets_are_good_while_they_are_being_changed() {
        assert!(holds(&code("new")) && holds(&code("old")) && holds(&code("new").to_uppercase()));
        assert!(!is_good(&code(""), BODY, &Secrets::new([String::new()])));
    }

    #[test]
    fn what_is_not_the_whole_code_proves_nothing() {
        let good = code("new");
        for wrong in ["", "no hex", &code("other"), &good[..62], &good[1..], &format!("{good}00")] {
            assert!(!holds(wrong), "{wrong}");
        }
        assert!(!is_good(&good, b"{}", &Secrets::new(["new".to_owned()])));
    }
}
