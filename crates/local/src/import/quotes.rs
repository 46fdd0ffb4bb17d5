//! What a reader of CSV forgives, and a person does not: a quotation mark that is never closed swallows all people up to the next
//! one. The whole file is looked at before anything of it is stored.

use std::io::{BufRead, Result};

/// What is wrong with a quotation mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line in which the cell begins.
    pub opens: u64,
    /// The line in which it seems to end; `None` when it never does.
    pub closes: Option<u64>,
}

#[derive(Clone, Copy)]
enum State {
    /// At the beginning of a cell.
    Start,
    /// In a cell without quotation marks.
    Plain,
    /// In a quoted cell that begins in this line.
    Quoted(u64),
    /// After a quotation mark in such a cell: its end, or the first of two.
    Ending(u64),
}

/// The first quotation mark that does not stand as it must. Lines are counted from `first`.
pub fn fault(mut text: impl BufRead, separator: u8, first: u64) -> Result<Option<Fault>> {
    let (mut state, mut line) = (State::Start, first);
    loop {
        let chunk = text.fill_buf()?;
        if chunk.is_empty() {
            return Ok(match state {
                State::Quoted(opens) => Some(Fault { opens, closes: None }),
                State::Start | State::Plain | State::Ending(_) => None,
            });
        }
        for byte in chunk {
            let ends_cell = *byte == separator || matches!(byte, b'\n' | b'\r');
            state = match (state, *byte) {
                (State::Start, b'"') => State::Quoted(line),
                (State::Start | State::Plain, _) => {
                    if ends_cell {
                        State::Start
                    } else {
                        State::Plain
                    }
                }
                (State::Quoted(opens), b'"') => State::Ending(opens),
                (State::Quoted(opens), _) => State::Quoted(opens),
                (State::Ending(opens), b'"') => State::Quoted(opens),
                (State::Ending(_), _) if ends_cell => State::Start,
                // A blank before the separator harms nothing.
                (State::Ending(opens), b' ') => State::Ending(opens),
                (State::Ending(opens), _) => return Ok(Some(Fault { opens, closes: Some(line) })),
            };
            line += u64::from(*byte == b'\n');
        }
        let length = chunk.len();
        text.consume(length);
    }
}

/// Which separators there are; of equally many in the header, the first.
const SEPARATORS: &[u8] = b",;\t|";

/// What parts the cells of a header: what stands in it most often, quoted cells left out.
pub fn separator_of(header: &str) -> u8 {
    let mut counts = [0_usize; 4];
    let mut quoted = false;
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        if let Some(place) = SEPARATORS.iter().position(|separator| *separator == byte).filter(|_| !quoted) {
            counts[place] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or(0);
    counts.iter().position(|count| *count == most && most > 0).map_or(b',', |place| SEPARATORS[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(u64, Option<u64>)> {
        fault(text.as_bytes(), b',', 1).unwrap().map(|fault| (fault.opens, fault.closes))
    }

    #[test]
    fn a_quotation_mark_that_swallows_people_is_found_with_its_line() {
        for (text, wrong) in [
            ("a,b\n1,\"x\n2,y\n3,z\n", Some((2, None))),
            ("a,b\n1,\"x\n2,\"y\"\n3,z\n", Some((2, Some(3)))),
            ("a,b\n1,\"x\n2,y\n3,\"z\"\n", Some((2, Some(4)))),
            ("a,b\n1,\"say \"hi\"\"\n", Some((2, Some(2)))),
            ("a,b\n1,\"x\ny\"\n2,\"a \"\"b\"\" c\"\n", None),
            ("a,b\n1,5\" pipe\n2,\"x\" ,\n", None),
            ("\"a\",\"b\"\r\n\"1\",\"\"\r\n", None),
            ("a\n\"x\"", None),
            ("", None),
        ] {
            assert_eq!(found(text), wrong, "{text:?}");
        }
    }

    #[test]
    fn the_separator_is_what_the_header_is_parted_by() {
        for (header, separator) in [
            ("id,email,name", b','),
            ("id;email;\"name, first\"", b';'),
            ("id\temail\tname", b'\t'),
            ("id|email", b'|'),
            ("email", b','),
            ("", b','),
        ] {
            assert_eq!(separator_of(header), separator, "{header}");
        }
    }
}
