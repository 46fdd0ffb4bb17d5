//! The Lambda function `mautic-sync`: actions on Mautic, and the health check.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    tandem_app::functions::mautic_sync().await
}
