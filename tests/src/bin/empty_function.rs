//! A Lambda function that does nothing, with the AWS clients that Tandem's functions have: what their cold start is
//! measured by.

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sqs::Client as Sqs;
use lambda_http::{Body, Error, Request, Response, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let shared = aws_config::load_from_env().await;
    let clients = (DynamoDb::new(&shared), Sqs::new(&shared));
    let clients = &clients;
    run(service_fn(|_: Request| async move {
        // They are held as long as the function runs: nothing of them may be optimised away.
        std::hint::black_box(clients);
        Ok::<_, Error>(Response::new(Body::Empty))
    }))
    .await
}
