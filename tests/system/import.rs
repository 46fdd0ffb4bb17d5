//! `tandem import`: files as people have them, and what is said of them before anything is stored.

use std::path::PathBuf;

use serde_json::{Value, json};
use tandem_tests::command::{Printed, tandem};
use tempfile::TempDir;

/// A folder with a file, and the command over it.
struct Desk {
    folder: TempDir,
    file: PathBuf,
}

impl Desk {
    fn with(bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("people.csv");
        std::fs::write(&file, bytes).unwrap();
        Self { folder, file }
    }

    async fn import(&self, further: &[&str]) -> Printed {
        let file = self.file.to_str().unwrap();
        tandem(&self.folder.path().join("data"), &[], &[&["import", file], further].concat()).await
    }

    async fn counts(&self, further: &[&str]) -> Value {
        let printed = self.import(&[&["--json"], further].concat()).await;
        assert!(printed.success, "{printed:?}");
        printed.json()
    }
}

#[tokio::test]
async fn a_quotation_mark_that_never_closes_is_an_error_with_its_line_and_nothing_is_stored() {
    let desk = Desk::with(b"id,email,city\n1,a@example.com,Perth\n2,b@example.com,\"Hobart\n3,c@example.com,Darwin\n");
    let refused = desk.import(&[]).await;
    assert_eq!(refused.status, Some(1));
    assert!(
        refused.err.contains("line 3: a quotation mark") && refused.err.contains("nothing of the file"),
        "{refused:?}"
    );
    std::fs::write(&desk.file, "id,email,city\n1,a@example.com,Perth\n").unwrap();
    assert_eq!(desk.counts(&[]).await["stored"], 1, "it was not stored before");
}

#[tokio::test]
async fn columns_are_found_by_loose_names_and_listed_before_anything_is_stored() {
    let file = "Customer ID;E-Mail;First Name;Newsletter?;Shoe size\n7;A@Example.com;Zo\u{eb};yes;40\n";
    let latin: Vec<u8> = file.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let desk = Desk::with(&latin);
    let listed = desk.import(&[]).await;
    assert!(listed.success, "{listed:?}");
    let place = |text: &str| listed.out.find(text).unwrap_or_else(|| panic!("{text} in {listed:?}"));
    for part in ["Latin-1, which is a guess", "semicolons", "first_name", "marketing_opt_in", "Shoe size"] {
        assert!(place(part) < place("stored"), "{part}");
    }
    let told = desk.counts(&["--allow-rejects"]).await;
    assert_eq!(
        (&told["unchanged"], &told["separator"], &told["encoding"]),
        (&json!(1), &json!(";"), &json!("Latin-1"))
    );
    assert_eq!(told["columns"]["E-Mail"], "email");
    assert_eq!(told["ignored"], json!(["Shoe size"]));
}

#[tokio::test]
async fn a_column_is_named_by_hand_and_a_file_without_addresses_is_refused() {
    let desk = Desk::with(b"id,Contact Point\n1,a@example.com\n");
    let refused = desk.import(&[]).await;
    assert!(refused.status == Some(1) && refused.err.contains("no column holds addresses"), "{refused:?}");
    assert_eq!(desk.counts(&["--map", "Contact Point=email"]).await["stored"], 1);
    let desk = Desk::with(b"email\nA@Example.com\n");
    assert_eq!(desk.counts(&["--id-column", "email"]).await["stored"], 1);
}

#[tokio::test]
async fn rejected_lines_make_the_exit_status_2_unless_they_are_allowed() {
    let desk = Desk::with(b"id,email\n1,a@example.com\n,b@example.com\n");
    let told = desk.import(&[]).await;
    assert_eq!(told.status, Some(2), "{told:?}");
    assert!(told.out.contains("line 3: id") && told.err.contains("--allow-rejects"), "{told:?}");
    assert_eq!(desk.import(&["--allow-rejects"]).await.status, Some(0));
}
