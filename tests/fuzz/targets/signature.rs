//! Any bytes as a signature (the first line) of any bytes (the rest): the proof is looked at without a panic, nothing
//! unproved gets through, and what is proved by a signature is not proved by it any more once a bit is changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_connectors::mautic::webhook::MauticDeliveries;
use tandem_core::webhook::entry::Deliveries;
use tandem_core::webhook::proof::{Secrets, Unproved, Unverified, Verified};

/// The secret of the recorded deliveries.
const SECRET: &str = "s3cret";

fuzz_target!(|input: &[u8]| {
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (proof, body) = input.split_at(line);
    let proof = String::from_utf8_lossy(proof).into_owned();
    let body = body.get(1..).unwrap_or_default();

    if let Ok(delivery) = verify(body, Some(&proof), Some(SECRET)) {
        assert_eq!(delivery.body(), body);
        read(&delivery);
        let mut changed = body.to_vec();
        if let Some(byte) = changed.first_mut() {
            *byte ^= 1;
            assert!(verify(&changed, Some(&proof), Some(SECRET)).is_err());
        }
    }
    assert_eq!(verify(body, None, Some(&proof)).is_ok(), proof == SECRET);
    assert!(verify(body, None, None).is_err());
    if let Ok(delivery) = verify(body, None, Some(SECRET)) {
        read(&delivery);
    }
});

fn verify(body: &[u8], signature: Option<&str>, secret: Option<&str>) -> Result<Verified, Unproved> {
    let secrets = Secrets::new([SECRET.to_owned(), "next".to_owned()]);
    let (signature, secret) = (signature.map(str::to_owned), secret.map(str::to_owned));
    Unverified { body: body.to_vec(), signature, secret }.verify(&secrets)
}

fn read(delivery: &Verified) {
    assert_eq!(delivery.digest().len(), 64);
    drop(MauticDeliveries.split(delivery.body()));
}
