//! Turns errors of the AWS SDK into failures that hold no payload.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use tandem_core::error::{Failure, FailureKind};

/// The failure that an SDK error is. Only the error's code is told: its message can repeat keys and values.
///
/// `service` names the one that was called, `operation` the call.
pub(crate) fn of_sdk<E: ProvideErrorMetadata>(
    service: &str,
    operation: &str,
    error: &SdkError<E, HttpResponse>,
) -> Failure {
    let reason = match error {
        SdkError::ConstructionFailure(_) => "the request could not be built",
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "not reachable",
        SdkError::ResponseError(_) => "the answer could not be read",
        SdkError::ServiceError(refused) => refused.err().code().unwrap_or("an error without a code"),
        _ => "an unknown error",
    };
    let failure = storage(format!("{service} failed at {operation}: {reason}"));
    if certainly_refused(error) { failure } else { failure.maybe_done() }
}

/// A failure of Tandem's own table or queue.
pub(crate) fn storage(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::Storage, message)
}

/// Whether the service said, or never heard, that there is nothing to do.
fn certainly_refused<E>(error: &SdkError<E, HttpResponse>) -> bool {
    match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(refused) => refused.raw().status().is_client_error(),
        _ => false,
    }
}
