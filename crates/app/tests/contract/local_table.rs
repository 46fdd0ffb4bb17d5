//! The port of the embedded table serves programs that hold its credential, and nobody else.

use std::os::unix::fs::PermissionsExt;

use tandem_app::local_table::{LocalAccess, LocalTable};
use tandem_app::store::table::create_table;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the port answers to a list of the tables with these headers.
async fn list_tables(access: &LocalAccess, headers: &[(&str, &str)]) -> String {
    let address = access.endpoint.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut request = "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n".to_owned();
    request.push_str("Content-Type: application/x-amz-json-1.0\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n{{}}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.to_lowercase()
}

#[tokio::test]
async fn a_stranger_and_a_page_of_a_browser_get_nothing_from_the_embedded_table() {
    let local = LocalTable::in_memory().await.unwrap();
    let access = local.access();
    let host = access.endpoint.strip_prefix("http://").unwrap();
    let signed = |id: &str| format!("AWS4-HMAC-SHA256 Credential={id}/20261128/eu-central-1/dynamodb/aws4_request");
    let (own, guessed) = (signed(&access.access_key_id), signed("local"));
    let good = [("Host", host), ("Authorization", own.as_str())];
    assert!(list_tables(access, &good).await.contains(r#"{"tablenames":["tandem"]}"#));
    for bad in [
        vec![("Host", host)],
        vec![("Host", host), ("Authorization", guessed.as_str())],
        vec![("Host", "evil.example"), good[1]],
        vec![good[0], good[1], ("Origin", "https://evil.example")],
    ] {
        let answer = list_tables(access, &bad).await;
        assert!(answer.starts_with("http/1.1 400") && answer.contains("unrecognizedclient"), "{bad:?}: {answer}");
        assert!(!answer.contains("access-control") && !answer.contains("tandem"), "{answer}");
    }
}

#[tokio::test]
async fn a_credential_opens_the_table_of_another_process_and_another_start_has_another() {
    let (first, second) = (LocalTable::in_memory().await.unwrap(), LocalTable::in_memory().await.unwrap());
    assert_ne!(first.access().access_key_id, second.access().access_key_id);
    create_table(&LocalTable::attach(first.access())).await.unwrap();
    let wrong = LocalAccess { access_key_id: second.access().access_key_id.clone(), ..first.access().clone() };
    create_table(&LocalTable::attach(&wrong)).await.unwrap_err();
    assert!(!format!("{:?}", first.access()).contains(&first.access().access_key_id));
}

#[tokio::test]
async fn the_tables_files_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let _table = LocalTable::open(&folder.path().join("table.db")).await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
}
