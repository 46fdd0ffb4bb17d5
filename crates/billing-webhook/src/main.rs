//! The Lambda function `billing-webhook`: takes the webhooks of payment providers.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    tandem_app::functions::billing_webhook().await
}
