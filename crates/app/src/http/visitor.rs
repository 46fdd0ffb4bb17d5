//! The number of a visitor, signed with the application's own API key: only the application can have put it into a cookie.

use hmac::{Hmac, Mac};
use sha2::Sha256;
use tandem_core::domain::link::RemoteId;

fn mac(id: &RemoteId, api_key: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(api_key.as_bytes()).ok()?;
    mac.update(b"mtc_id=");
    mac.update(id.0.as_bytes());
    Some(mac)
}

/// The signature, in hex.
pub fn signature(id: &RemoteId, api_key: &str) -> Option<String> {
    mac(id, api_key).map(|mac| hex::encode(mac.finalize().into_bytes()))
}

/// Whether the application signed the number; compared in constant time.
pub fn is_signed(id: &RemoteId, signature: &str, api_key: &str) -> bool {
    let Ok(given) = hex::decode(signature.trim()) else { return false };
    mac(id, api_key).is_some_and(|mac| mac.verify_slice(&given).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_that_the_application_signed_is_trusted() {
        let id = RemoteId("123".to_owned());
        let signed = signature(&id, "tdm_key").unwrap();
        assert!(is_signed(&id, &signed, "tdm_key"));
        assert!(!is_signed(&RemoteId("124".to_owned()), &signed, "tdm_key"));
        assert!(!is_signed(&id, &signed, "tdm_other"));
        assert!(!is_signed(&id, "zz", "tdm_key"));
    }
}
