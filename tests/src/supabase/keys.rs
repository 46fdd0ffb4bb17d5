//! Keys as a Supabase project gives them out: JWTs that name a role, signed with the project's secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

/// Who signs.
pub(super) struct Keys(String);

impl Keys {
    /// A project's secret that nobody else has.
    pub(super) fn random() -> Self {
        Self(format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()))
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// The key of a role, good until the year 2100.
    pub(super) fn of_role(&self, role: &str) -> String {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({"alg": "HS256", "typ": "JWT"}));
        let claims = part(json!({"iss": "supabase", "role": role, "exp": 4_102_444_800_u64}));
        let signed = format!("{header}.{claims}");
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}
