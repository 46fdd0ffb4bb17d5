//! The header `Stripe-Signature`: `t=` the second of signing, and one `v1=` for each secret that is valid just then: HMAC-SHA256
//! in hex over that second, a dot and the raw body. Other schemes prove nothing. <https://docs.stripe.com/webhooks/signature>

use jiff::{SignedDuration, Timestamp};
use tandem_core::webhook::proof::Secrets;

/// How far the second of signing may be from now, either way: as in Stripe's own libraries.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(300);

/// Whether the body is signed with one of the secrets, and was just now.
#[must_use]
pub fn is_good(header: &str, body: &[u8], secrets: &Secrets, now: Timestamp) -> bool {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let Some((_, second)) = parts().find(|(name, _)| *name == "t") else { return false };
    let is_made = parts()
        .filter(|(name, _)| *name == "v1")
        .filter_map(|(_, code)| hex::decode(code).ok())
        .fold(false, |found, code| secrets.made(&code, &[second.as_bytes(), b".", body]) | found);
    is_made && is_recent(second, now)
}

fn is_recent(second: &str, now: Timestamp) -> bool {
    let signed = second.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
    signed.is_some_and(|signed| now.duration_since(signed).abs() <= TOLERANCE)
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, Mac};
    use sha2::Sha256;

    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const NOW: i64 = 1_795_169_737;

    fn code(second: &str, body: &[u8], secret: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(&[second.as_bytes(), b".", body].concat());
        hex::encode(mac.finalize().into_bytes())
    }

    fn right(second: i64, secret: &str) -> String {
        code(&second.to_string(), BODY, secret)
    }

    fn holds(header: &str) -> bool {
        let secrets = Secrets::new(["whsec_new".to_owned(), "whsec_old".to_owned()]);
        is_good(header, BODY, &secrets, Timestamp::from_second(NOW).unwrap())
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_either_way() {
        for (away, good) in [(0, true), (-300, true), (300, true), (-301, false), (301, false), (-86_400, false)] {
            let header = format!("t={},v1={}", NOW + away, right(NOW + away, "whsec_new"));
            assert_eq!(holds(&header), good, "{away} s");
        }
    }

    #[test]
    fn one_of_several_signatures_is_enough() {
        let (wrong, good) = ("00".repeat(32), right(NOW, "whsec_new"));
        assert!(holds(&format!("t={NOW},v1={wrong},v1={good}")));
        assert!(holds(&format!("t={NOW},v1={good},v1={wrong},v0=5257a869e7")));
        assert!(holds(&format!("v0=1, v1={good}, t={NOW}")));
        assert!(!holds(&format!("t={NOW},v1={wrong},v1={wrong}")));
    }

    #[test]
    fn both_secrets_are_good_while_they_are_being_changed() {
        assert!(holds(&format!("t={NOW},v1={}", right(NOW, "whsec_old"))));
        assert!(!holds(&format!("t={NOW},v1={}", right(NOW, "whsec_older"))));
        assert!(!is_good("t=1,v1=", BODY, &Secrets::default(), Timestamp::from_second(1).unwrap()));
    }

    #[test]
    fn hex_may_be_in_upper_case_and_nothing_else_is_taken_for_it() {
        let good = right(NOW, "whsec_new");
        assert!(holds(&format!("t={NOW},v1={}", good.to_uppercase())));
        for wrong in ["", "zz", &good[1..], &good[..62], &format!("{good}00"), &format!("0x{good}")] {
            assert!(!holds(&format!("t={NOW},v1={wrong}")), "{wrong}");
        }
    }

    #[test]
    fn what_is_missing_or_of_another_scheme_proves_nothing() {
        let good = right(NOW, "whsec_new");
        for header in ["", "t=", &format!("v1={good}"), &format!("t={NOW}"), &format!("t={NOW},v0={good}"), &good] {
            assert!(!holds(header), "{header}");
        }
        let soon = code("soon", BODY, "whsec_new");
        assert!(!holds(&format!("t=soon,v1={soon}")));
        assert!(!holds(&format!("t={},v1={good}", NOW + 1)), "the second is signed, too");
    }
}
