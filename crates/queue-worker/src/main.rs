//! The Lambda function `queue-worker`: runs queued jobs.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    tandem_app::functions::queue_worker().await
}
