//! The Lambda function `mautic-webhook`: takes Mautic's webhooks.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    tandem_app::functions::mautic_webhook().await
}
