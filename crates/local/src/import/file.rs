//! Reading a CSV file line by line, after all of it was looked at: a file with something wrong in it is taken as a whole or not
//! at all.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use csv::{ErrorKind, Reader, ReaderBuilder, StringRecord};
use serde_json::{Map, Value};
use tandem_app::rows::read_row;
use tandem_core::domain::identity::Email;
use tandem_core::domain::issue::FieldIssue;
use tandem_core::domain::kind::Kind;
use tandem_core::mapping::RuleSet;
use tandem_core::ports::source::SourceRow;

use super::header::{self, Columns, Said};
use super::quotes;
use super::text::{self, Encoding};
use crate::failure::CommandError;

/// What was said about a file.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What it is written in.
    pub encoding: Option<Encoding>,
    /// What parts its cells.
    pub separator: Option<u8>,
    /// Its columns.
    pub columns: Said,
    /// What its lines are records of.
    pub kind: Kind,
}

/// What a file turned out to be.
#[derive(Clone, Debug)]
pub struct Shape {
    /// What it is written in.
    pub encoding: Encoding,
    /// Whether that is a guess.
    pub guessed: bool,
    /// What parts its cells.
    pub separator: u8,
    /// Its columns.
    pub columns: Columns,
}

/// A file with a header, in which nothing is wrong.
pub struct CsvFile {
    reader: Reader<BufReader<File>>,
    kind: Kind,
    shape: Shape,
    length: u64,
    record: StringRecord,
    lines: Lines,
}

/// Where the reader's text begins.
#[derive(Clone, Debug)]
struct Lines {
    path: PathBuf,
    /// How many lines stand before the header: `sep=;`, as spreadsheets write it.
    before: u64,
    start: u64,
}

/// A line that can be read as one.
pub struct Line {
    /// Where in the file it begins, from 1.
    pub number: u64,
    /// The record, or what is wrong with it.
    pub row: Result<SourceRow, Vec<FieldIssue>>,
}

impl CsvFile {
    /// Opens a file, finds out how it is written, and looks at all of it.
    pub fn open(path: &Path, rules: &RuleSet, told: &Told) -> Result<Self, CommandError> {
        let text = text::read(path, told.encoding)?;
        let failed = || CommandError::file(path);
        let length = text.file.metadata().map_err(failed())?.len();
        let mut source = BufReader::new(text.file);
        let (lines, separator) = beginning(path, &mut source, told.separator).map_err(failed())?;
        lines.rewind(&mut source).map_err(failed())?;
        let fault = quotes::fault(&mut source, separator, lines.before + 1).map_err(failed())?;
        if let Some(fault) = fault {
            return Err(lines.undone(fault.opens, &said_of(fault)));
        }
        lines.rewind(&mut source).map_err(failed())?;
        let mut reader = ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(source);
        let named: Vec<String> = reader.headers().map_err(|error| lines.broken(&error))?.iter().map(plain).collect();
        let columns = header::read(&named, told.kind, rules, &told.columns)
            .map_err(|why| CommandError::Undone(format!("{}: {why}", path.display())))?;
        let shape = Shape { encoding: text.encoding, guessed: text.guessed, separator, columns };
        let mut file = Self { reader, kind: told.kind, shape, length, record: StringRecord::new(), lines };
        file.look_at_all()?;
        Ok(file)
    }

    /// Reads all lines once, and goes back to the first.
    fn look_at_all(&mut self) -> Result<(), CommandError> {
        let first = self.reader.position().clone();
        while self.read_record()? {}
        // The reader counts from where its text begins.
        let place = SeekFrom::Start(self.lines.start + first.byte());
        self.reader.seek_raw(place, first).map_err(|error| self.lines.broken(&error))
    }

    fn read_record(&mut self) -> Result<bool, CommandError> {
        if !self.reader.read_record(&mut self.record).map_err(|error| self.lines.broken(&error))? {
            return Ok(false);
        }
        let (wanted, found) = (self.shape.columns.kept.len(), self.record.len());
        let is_whole = found >= wanted && self.record.iter().skip(wanted).all(|cell| cell.trim().is_empty());
        if is_whole {
            return Ok(true);
        }
        let why = format!("{found} columns, where the header has {wanted}: is a quotation mark missing?");
        Err(self.lines.undone(self.number(), &why))
    }

    fn number(&self) -> u64 {
        self.lines.before + self.record.position().map_or(0, csv::Position::line)
    }

    /// What the file turned out to be.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The text's length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many bytes were read.
    pub fn position(&self) -> u64 {
        self.lines.start + self.reader.position().byte()
    }

    /// The next line; `None` after the last.
    pub fn next_line(&mut self) -> Result<Option<Line>, CommandError> {
        let more = self.read_record()?;
        let line =
            || Line { number: self.number(), row: read_row(&object(&self.shape.columns, &self.record), self.kind) };
        Ok(more.then(line))
    }
}

impl Lines {
    fn rewind(&self, source: &mut BufReader<File>) -> std::io::Result<()> {
        source.seek(SeekFrom::Start(self.start)).map(drop)
    }

    fn undone(&self, line: u64, why: &str) -> CommandError {
        CommandError::Undone(format!("{}: line {line}: {why}; nothing of the file was stored", self.path.display()))
    }

    /// What is wrong with the file itself, and in which line; no value of it.
    fn broken(&self, error: &csv::Error) -> CommandError {
        let why = match error.kind() {
            ErrorKind::Io(error) => format!("the file can't be read: {error}"),
            _ => "no CSV that can be read".to_owned(),
        };
        self.undone(self.before + error.position().map_or(1, csv::Position::line), &why)
    }
}

/// Where the header is, and what parts its cells.
fn beginning(path: &Path, source: &mut BufReader<File>, told: Option<u8>) -> std::io::Result<(Lines, u8)> {
    let mut first = String::new();
    let read = source.read_line(&mut first)? as u64;
    let mut lines = Lines { path: path.to_owned(), before: 0, start: 0 };
    let said = first.trim_end_matches(['\r', '\n']).strip_prefix("sep=").map(str::as_bytes);
    if let Some([separator]) = said {
        (lines.before, lines.start) = (1, read);
        return Ok((lines, told.unwrap_or(*separator)));
    }
    Ok((lines, told.unwrap_or_else(|| quotes::separator_of(&first))))
}

fn said_of(fault: quotes::Fault) -> String {
    match fault.closes {
        None => "a quotation mark opens a cell here and is never closed".to_owned(),
        Some(line) => format!(
            "a quotation mark opens a cell here and closes it amid the text of line {line}: one is missing, or one within the \
             cell is not doubled"
        ),
    }
}

/// A name of a column without what is not seen of it.
fn plain(name: &str) -> String {
    let is_seen = |c: &char| !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}');
    name.chars().filter(is_seen).collect::<String>().trim().to_owned()
}

/// A line by its columns: text as it stands there, `null` for an empty cell.
fn object(columns: &Columns, record: &StringRecord) -> Map<String, Value> {
    let mut object = Map::new();
    for (names, cell) in columns.kept.iter().zip(record) {
        let is_address = names.len() > 1;
        for name in names {
            let cell = if name == "id" { id(cell, is_address) } else { cell.to_owned() };
            object.insert(name.clone(), if cell.is_empty() { Value::Null } else { Value::String(cell) });
        }
    }
    object
}

/// An id, without the apostrophe by which a spreadsheet was told that it is text; an address as it is compared with others.
fn id(cell: &str, is_address: bool) -> String {
    if is_address && let Ok(email) = cell.parse::<Email>() {
        return email.into();
    }
    match cell.trim().strip_prefix('\'') {
        Some(number) if number.chars().all(|c| c.is_ascii_digit()) => number.to_owned(),
        Some(_) | None => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8], told: &Told) -> Result<CsvFile, String> {
        let path = std::env::temp_dir().join(format!("tandem-import-{:x}.csv", fingerprint(bytes)));
        std::fs::write(&path, bytes).unwrap();
        let rules = RuleSet::parse(tandem_connectors::mautic::FIELDS).unwrap();
        let file = CsvFile::open(&path, &rules, told);
        std::fs::remove_file(&path).unwrap();
        file.map_err(|error| error.to_string().replace(&format!("{}: ", path.display()), ""))
    }

    fn fingerprint(bytes: &[u8]) -> u64 {
        bytes.iter().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)))
    }

    fn all(mut file: CsvFile) -> Vec<Result<SourceRow, u64>> {
        let mut rows = Vec::new();
        while let Some(line) = file.next_line().unwrap() {
            rows.push(line.row.map_err(|_| line.number));
        }
        rows
    }

    fn rows(bytes: &[u8]) -> Vec<SourceRow> {
        all(opened(bytes, &Told::default()).unwrap()).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn cells_stay_text_and_empty_ones_are_null() {
        let rows = rows(b"\xef\xbb\xbfid,email,total_spent,city\n7,a@b.example,00.10,true\n'8,,,\"a\n\"\"b\"\"\"\n");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].fields["total_spent"], "00.10");
        assert_eq!((rows[1].id.as_str(), &rows[1].fields["email"]), ("8", &Value::Null));
        assert_eq!(rows[1].fields["city"], "a\n\"b\"");
    }

    #[test]
    fn a_line_without_id_is_named_and_loses_no_other() {
        let bytes = b"sep=;\nkey;email;note\n1;\"a\nb\";x\n;2;x\n3;c;x\n";
        let columns = Said { id_column: Some("KEY".to_owned()), ..Said::default() };
        let file = opened(bytes, &Told { columns, ..Told::default() }).unwrap();
        assert_eq!((file.shape().separator, &file.shape().columns.ignored), (b';', &vec!["note".to_owned()]));
        let rows = all(file);
        let ids: Vec<_> =
            rows.iter().map(|row| row.as_ref().map(|row| row.id.as_str()).map_err(|line| *line)).collect();
        assert_eq!(ids, [Ok("1"), Err(5), Ok("3")]);
        assert!(!rows[0].as_ref().unwrap().fields.contains_key("note"));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_line() {
        for (bytes, told) in [
            (&b""[..], "no header"),
            (b"\n\n", "no header"),
            (b"a,email\n1,2\n", "line 1: no column is named id"),
            (b"id,name\n1,2\n", "line 1: no column holds addresses"),
            (b"id,email\n1,2\n3\n5,6\n", "line 3: 1 columns, where the header has 2"),
            (b"id,email\n1,2\n3,4,5\n", "line 3: 3 columns"),
            (
                b"id,email,city\n1,a@b.example,\"Perth\n2,c@d.example,x\n",
                "line 2: a quotation mark opens a cell here and is never",
            ),
            (
                b"id,email,city\n1,a,\"Perth\n2,b,\"Hobart\"\n",
                "line 2: a quotation mark opens a cell here and closes it amid the text of line 3",
            ),
            (b"id,email\n1,\x81\n", "line 2: this is no text"),
            (b"\x00\x01\x02", "this is not the encoding of the text"),
        ] {
            let error = opened(bytes, &Told::default()).err().unwrap_or_default();
            assert!(error.contains(told), "{error} instead of {told}");
        }
        let told = Told { encoding: Some(Encoding::Utf8), ..Told::default() };
        let error = opened(b"id,email\n1,\xff\xfe\n", &told).err().unwrap();
        assert!(error.contains("line 2: this is not the encoding"), "{error}");
    }

    #[test]
    fn every_encoding_and_separator_gives_the_same_rows() {
        let text = "id;email;city\r\n1;a@b.example;M\u{fc}nchen\r\n2;c@d.example;\"K\u{f6}ln; Deutz\"\r\n";
        let utf_16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
        let with_mark = |mark: &[u8], rest: Vec<u8>| [mark.to_vec(), rest].concat();
        let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        for (bytes, encoding, guessed) in [
            (text.as_bytes().to_vec(), Encoding::Utf8, false),
            (with_mark(&[0xef, 0xbb, 0xbf], text.as_bytes().to_vec()), Encoding::Utf8, false),
            (with_mark(&[0xff, 0xfe], utf_16(u16::to_le_bytes)), Encoding::Utf16, false),
            (with_mark(&[0xfe, 0xff], utf_16(u16::to_be_bytes)), Encoding::Utf16, false),
            (utf_16(u16::to_le_bytes), Encoding::Utf16, false),
            (latin, Encoding::Latin1, true),
        ] {
            let file = opened(&bytes, &Told::default()).unwrap();
            assert_eq!((file.shape().encoding, file.shape().guessed), (encoding, guessed));
            let cities: Vec<_> = all(file).into_iter().map(|row| row.unwrap().fields["city"].clone()).collect();
            assert_eq!(cities, ["M\u{fc}nchen", "K\u{f6}ln; Deutz"], "{encoding:?}");
        }
        let tabs = text.replace(';', "\t").replace("K\u{f6}ln\t", "K\u{f6}ln;");
        assert_eq!(rows(tabs.as_bytes())[1].fields["city"], "K\u{f6}ln; Deutz");
    }

    #[test]
    fn cells_without_anything_behind_the_last_column_are_no_mistake() {
        assert_eq!(rows(b"id,email,,\n1,a@b.example,,\n2,c@d.example,,,\n").len(), 2);
    }
}
