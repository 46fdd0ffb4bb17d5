//! The Lambda function `scheduled-sync`: looks after webhook, deliveries and gaps on a schedule.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    tandem_app::functions::scheduled_sync().await
}
