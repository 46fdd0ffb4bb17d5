//! From a broken exchange to a failure that says whether the write may have been done.

use std::error::Error;
use std::io;

use tandem_core::error::{Failure, FailureKind};

use super::target::{self, NotPublic};

/// How an exchange broke.
pub(super) enum Broken {
    /// No status line came.
    BeforeAnswer(reqwest::Error),
    /// The answer began and did not end.
    WithinAnswer(reqwest::Error),
    /// The answer is larger than Tandem reads.
    TooLarge,
}

/// The failure of a broken exchange. Its text names the peer and nothing of what was sent.
pub(super) fn of_exchange(peer: &str, wrote: bool, broken: &Broken) -> Failure {
    let failure = match broken {
        Broken::BeforeAnswer(error) if error.is_connect() => return unreached(peer, error),
        Broken::BeforeAnswer(error) | Broken::WithinAnswer(error) if error.is_timeout() => {
            Failure::new(FailureKind::Timeout, format!("{peer} did not answer in time."))
        }
        Broken::BeforeAnswer(_) => {
            Failure::new(FailureKind::Unavailable, format!("{peer} closed the connection without an answer."))
        }
        Broken::WithinAnswer(_) => Failure::new(FailureKind::Garbled, format!("The answer of {peer} broke off.")),
        Broken::TooLarge => {
            Failure::new(FailureKind::Garbled, format!("The answer of {peer} is too large to be read."))
        }
    };
    if wrote { failure.maybe_done() } else { failure }
}

/// Without a connection nothing was sent, so nothing was done.
fn unreached(peer: &str, error: &reqwest::Error) -> Failure {
    if is_forbidden(error) {
        return target::refused();
    }
    let cause = match io_kind(error) {
        _ if is_look_up(error) => "nobody knows the host of its address",
        Some(io::ErrorKind::ConnectionRefused) => "it refused the connection",
        Some(io::ErrorKind::InvalidData) => "its TLS certificate was not accepted",
        _ if error.is_timeout() => "it did not take the connection in time",
        Some(_) | None => "there is no connection to it",
    };
    Failure::new(FailureKind::Unavailable, format!("{peer} can't be reached: {cause}."))
}

/// Whether the host has no address that may be called.
fn is_forbidden(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.is::<NotPublic>() {
            return true;
        }
        cause = inner.source();
    }
    false
}

/// Whether the name of the host could not be looked up. The client's error for it is not public; only its text tells.
fn is_look_up(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.to_string().starts_with("dns error") {
            return true;
        }
        cause = inner.source();
    }
    false
}

fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = inner.source();
    }
    None
}
