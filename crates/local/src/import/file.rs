//! Reading a CSV file line by line.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{ErrorKind, Reader, StringRecord};
use serde_json::{Map, Value};
use tandem_app::rows::read_row;
use tandem_core::domain::issue::FieldIssue;
use tandem_core::ports::source::SourceRow;

use crate::failure::CommandError;

/// A file with a header.
pub struct CsvFile {
    path: PathBuf,
    reader: Reader<File>,
    columns: Vec<String>,
    length: u64,
    record: StringRecord,
}

/// A line that can be read as one.
pub struct Line {
    /// Where in the file it begins, from 1.
    pub number: u64,
    /// The record, or what is wrong with it.
    pub row: Result<SourceRow, Vec<FieldIssue>>,
}

impl CsvFile {
    /// Opens a file and reads its header; the column `id_column` becomes `id`.
    pub fn open(path: &Path, id_column: &str) -> Result<Self, CommandError> {
        let file = File::open(path).map_err(CommandError::file(path))?;
        let length = file.metadata().map_err(CommandError::file(path))?.len();
        let mut reader = Reader::from_reader(file);
        let header = reader.headers().map_err(|error| broken(path, &error))?.clone();
        let columns =
            columns(&header, id_column).map_err(|why| CommandError::Undone(format!("{}: {why}", path.display())))?;
        Ok(Self { path: path.to_owned(), reader, columns, length, record: StringRecord::new() })
    }

    /// The file's length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes were read.
    pub fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The next line; `None` after the last.
    pub fn next_line(&mut self) -> Result<Option<Line>, CommandError> {
        let more = self.reader.read_record(&mut self.record).map_err(|error| broken(&self.path, &error))?;
        Ok(more.then(|| Line {
            number: self.record.position().map_or(0, csv::Position::line),
            row: read_row(&object(&self.columns, &self.record)),
        }))
    }
}

/// A line by its columns: text as it stands there, `null` for an empty cell.
fn object(columns: &[String], record: &StringRecord) -> Map<String, Value> {
    let value = |cell: &str| if cell.is_empty() { Value::Null } else { Value::String(cell.to_owned()) };
    columns.iter().zip(record).map(|(column, cell)| (column.clone(), value(cell))).collect()
}

/// The names of the columns, or why they can't be used.
fn columns(header: &StringRecord, id_column: &str) -> Result<Vec<String>, String> {
    let names: Vec<&str> = header.iter().map(str::trim).collect();
    if names.iter().all(|name| name.is_empty()) {
        return Err("the file has no header: its first line must name the columns".to_owned());
    }
    if let Some(place) = names.iter().position(|name| name.is_empty()) {
        return Err(format!("line 1: column {} has no name", place + 1));
    }
    if !names.contains(&id_column) {
        return Err(format!("line 1: no column is named {id_column}; --id-column names the one with the id"));
    }
    let renamed = |name: &str| if name == id_column { "id".to_owned() } else { name.to_owned() };
    let columns: Vec<String> = names.into_iter().map(renamed).collect();
    let mut seen = HashSet::new();
    match columns.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) if twice == "id" && id_column != "id" => Err(format!(
            "line 1: beside {id_column}, the column of ids, there is one named id: leave it out or rename it"
        )),
        Some(twice) => Err(format!("line 1: two columns are named {twice}")),
        None => Ok(columns),
    }
}

/// What is wrong with the file itself, and in which line; no value of it.
fn broken(path: &Path, error: &csv::Error) -> CommandError {
    let line = error.position().map_or_else(String::new, |position| format!("line {}: ", position.line()));
    let why = match error.kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns, where the header has {expected_len}: is a quotation mark missing?")
        }
        ErrorKind::Utf8 { .. } => "text that is not UTF-8: save the file as UTF-8".to_owned(),
        ErrorKind::Io(error) => format!("the file can't be read: {error}"),
        _ => "no CSV that can be read".to_owned(),
    };
    CommandError::Undone(format!("{}: {line}{why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a file: its rows, and the error that ends it.
    fn read(bytes: &[u8], id_column: &str) -> (Vec<Result<SourceRow, u64>>, Option<String>) {
        let path = std::env::temp_dir().join(format!("tandem-import-{:x}.csv", fingerprint(bytes)));
        std::fs::write(&path, bytes).unwrap();
        let told = |error: CommandError| error.to_string().replace(&format!("{}: ", path.display()), "");
        let mut rows = Vec::new();
        let error = match CsvFile::open(&path, id_column) {
            Err(error) => Some(told(error)),
            Ok(mut file) => loop {
                match file.next_line() {
                    Ok(Some(line)) => rows.push(line.row.map_err(|_| line.number)),
                    Ok(None) => break None,
                    Err(error) => break Some(told(error)),
                }
            },
        };
        std::fs::remove_file(&path).unwrap();
        (rows, error)
    }

    fn fingerprint(bytes: &[u8]) -> u64 {
        bytes.iter().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
    }

    #[test]
    fn cells_stay_text_and_empty_ones_are_null() {
        let (rows, error) = read(b"\xef\xbb\xbfid,spent,ok,note\n7,00.10,true,\n8,,,\"a\n\"\"b\"\"\"\n", "id");
        let rows: Vec<SourceRow> = rows.into_iter().map(Result::unwrap).collect();
        assert_eq!((error, rows.len()), (None, 2));
        assert_eq!(rows[0].fields["spent"], "00.10");
        assert_eq!((&rows[0].fields["ok"], &rows[0].fields["note"]), (&Value::from("true"), &Value::Null));
        assert_eq!(rows[1].fields["note"], "a\n\"b\"");
    }

    #[test]
    fn a_line_without_id_is_named_and_loses_no_other() {
        let (rows, error) = read(b"key,x\n1,\"a\nb\"\n,2\n3,c\n", "key");
        let ids: Vec<_> =
            rows.iter().map(|row| row.as_ref().map(|row| row.id.as_str()).map_err(|line| *line)).collect();
        assert_eq!((ids, error), (vec![Ok("1"), Err(4), Ok("3")], None));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_line() {
        for (bytes, rows, told) in [
            (&b""[..], 0, "no header"),
            (b"\n\n", 0, "no header"),
            (b"a,b\n1,2\n", 0, "line 1: no column is named id"),
            (b"id,a,a\n1,2,3\n", 0, "line 1: two columns are named a"),
            (b"id,id\n1,2\n", 0, "line 1: two columns are named id"),
            (b"id,,a\n1,2,3\n", 0, "line 1: column 2 has no name"),
            (b"id,a\n1,2\n3\n5,6\n", 1, "line 3: 1 columns, where the header has 2"),
            (b"id,a\n1,2\n3,4,5\n", 1, "line 3: 3 columns"),
            (b"id,a\n1,\xff\xfe\n", 0, "line 2: text that is not UTF-8"),
            (b"id,\xff\n1,2\n", 0, "not UTF-8"),
            (b"\x00\x01\x02", 0, "no column is named id"),
        ] {
            let (found, error) = read(bytes, "id");
            let error = error.unwrap_or_default();
            assert_eq!(found.len(), rows, "{error}");
            assert!(error.contains(told), "{error} instead of {told}");
        }
    }
}
