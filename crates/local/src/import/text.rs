//! A file as UTF-8, whatever it is written in. It is copied once to a nameless file, so that a pipe can be read twice, too.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use clap::ValueEnum;
use encoding_rs::{Decoder, DecoderResult, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::failure::CommandError;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    /// UTF-8.
    #[value(name = "utf-8", alias = "utf8")]
    Utf8,
    /// UTF-16, in either order of bytes.
    #[value(name = "utf-16", alias = "utf16")]
    Utf16,
    /// Latin-1, as Windows writes it (code page 1252).
    #[value(name = "latin1", aliases = ["latin-1", "windows-1252"])]
    Latin1,
}

impl Encoding {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16 => "UTF-16",
            Self::Latin1 => "Latin-1",
        }
    }
}

/// A text in UTF-8, without a byte order mark.
pub struct Text {
    /// The text, read from its beginning.
    pub file: File,
    /// What it was written in.
    pub encoding: Encoding,
    /// It was not said what it is written in, and it is no UTF-8: a guess.
    pub guessed: bool,
}

/// What is wrong with a file as a text.
struct Flaw {
    line: u64,
    what: &'static str,
}

/// How much is read at once, in bytes.
const AT_ONCE: usize = 64 * 1024;

/// Reads a file as what it was said to be written in, or as what it turns out to be.
pub fn read(path: &Path, told: Option<Encoding>) -> Result<Text, CommandError> {
    let mut source = spooled(path)?;
    let found = |file, encoding, guessed| Ok(Text { file, encoding, guessed });
    let wrong = |flaw: Flaw| CommandError::Undone(format!("{}: line {}: {}", path.display(), flaw.line, flaw.what));
    let encoding = match told {
        Some(encoding) => encoding,
        None if looks_like_utf_16(&mut source).map_err(CommandError::file(path))? => Encoding::Utf16,
        None => Encoding::Utf8,
    };
    match (transcoded(&mut source, encoding).map_err(CommandError::file(path))?, told) {
        (Ok(file), _) => found(file, encoding, false),
        (Err(flaw), None) if encoding == Encoding::Utf8 && flaw.what == NOT_OF_ITS_ENCODING => {
            let latin = transcoded(&mut source, Encoding::Latin1).map_err(CommandError::file(path))?;
            found(latin.map_err(wrong)?, Encoding::Latin1, true)
        }
        (Err(flaw), _) => Err(wrong(flaw)),
    }
}

const NOT_OF_ITS_ENCODING: &str = "this is not the encoding of the text: --encoding names another one";

/// A copy that can be read more than once.
fn spooled(path: &Path) -> Result<File, CommandError> {
    let mut given = File::open(path).map_err(CommandError::file(path))?;
    if given.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(given);
    }
    let mut copy = tempfile::tempfile().map_err(CommandError::file(path))?;
    std::io::copy(&mut given, &mut copy).map_err(CommandError::file(path))?;
    Ok(copy)
}

/// A byte order mark, or every second byte zero: text of the West in UTF-16.
fn looks_like_utf_16(source: &mut File) -> std::io::Result<bool> {
    Ok(order_of(source)?.is_some())
}

/// The decoder for the order of bytes that a file in UTF-16 has.
fn order_of(source: &mut File) -> std::io::Result<Option<&'static encoding_rs::Encoding>> {
    source.seek(SeekFrom::Start(0))?;
    let mut beginning = Vec::new();
    Read::by_ref(source).take(1_024).read_to_end(&mut beginning)?;
    let zeros = |start: usize| beginning.iter().skip(start).step_by(2).filter(|byte| **byte == 0).count();
    let many = beginning.len() / 4;
    Ok(match beginning.as_slice() {
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        [_, _, ..] if zeros(1) > many && zeros(0) == 0 => Some(UTF_16LE),
        [_, _, ..] if zeros(0) > many && zeros(1) == 0 => Some(UTF_16BE),
        _ => None,
    })
}

fn transcoded(source: &mut File, encoding: Encoding) -> std::io::Result<Result<File, Flaw>> {
    let known = match encoding {
        Encoding::Utf8 => UTF_8,
        Encoding::Utf16 => order_of(source)?.unwrap_or(UTF_16LE),
        Encoding::Latin1 => WINDOWS_1252,
    };
    source.seek(SeekFrom::Start(0))?;
    let mut copy = tempfile::tempfile()?;
    let copied = copy_as_utf_8(source, known.new_decoder_with_bom_removal(), &copy)?;
    copy.seek(SeekFrom::Start(0))?;
    Ok(copied.map(|()| copy))
}

fn copy_as_utf_8(source: &File, mut decoder: Decoder, copy: &File) -> std::io::Result<Result<(), Flaw>> {
    let (mut source, mut copy) = (BufReader::with_capacity(AT_ONCE, source), BufWriter::new(copy));
    let (mut bytes, mut text) = (vec![0; AT_ONCE], vec![0; AT_ONCE * 4]);
    let mut line = 1;
    loop {
        let read = source.read(&mut bytes)?;
        let (result, _, written) = decoder.decode_to_utf8_without_replacement(&bytes[..read], &mut text, read == 0);
        let decoded = &text[..written];
        if let Some(place) = no_text(decoded) {
            let what = "this is no text, or one in an encoding that is not known";
            return Ok(Err(Flaw { line: line + lines(&decoded[..place]), what }));
        }
        line += lines(decoded);
        copy.write_all(decoded)?;
        match result {
            DecoderResult::Malformed(..) => return Ok(Err(Flaw { line, what: NOT_OF_ITS_ENCODING })),
            // The room is four times what was read: more than any encoding needs.
            DecoderResult::InputEmpty | DecoderResult::OutputFull => {}
        }
        if read == 0 {
            copy.flush()?;
            return Ok(Ok(()));
        }
    }
}

/// Where there is something that no text holds: NUL, or what code page 1252 does not have (U+0080 to U+009F).
fn no_text(decoded: &[u8]) -> Option<usize> {
    let is_control = |pair: &[u8]| pair[0] == 0xc2 && (0x80..=0x9f).contains(&pair[1]);
    let controls = decoded.windows(2).position(is_control);
    controls.into_iter().chain(decoded.iter().position(|byte| *byte == 0)).min()
}

fn lines(decoded: &[u8]) -> u64 {
    decoded.iter().filter(|byte| **byte == b'\n').count() as u64
}
