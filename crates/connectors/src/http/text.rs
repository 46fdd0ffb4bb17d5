//! An answer's body in the pieces in which it came: a batch of 200 contacts is answered with 1.4 MB, and neither takes one
//! block of that size, nor stands there as a whole while its values are read.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use serde::de::DeserializeOwned;

/// A body, or what came of it.
#[derive(Clone, Default)]
pub struct Text {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Text {
    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    pub(super) fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        self.pieces.push_back(piece);
    }

    /// What the JSON says. Pieces are given back as they are read.
    ///
    /// # Errors
    /// When it is no JSON, or says something else.
    pub fn into_json<T: DeserializeOwned>(mut self) -> serde_json::Result<T> {
        if self.pieces.len() > 1 {
            return serde_json::from_reader(Pieces(self.pieces));
        }
        serde_json::from_slice(&self.pieces.pop_front().unwrap_or_default())
    }

    /// The same of a copy, which shares the memory.
    ///
    /// # Errors
    /// As [`Text::into_json`].
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        self.clone().into_json()
    }
}

impl From<Vec<u8>> for Text {
    fn from(body: Vec<u8>) -> Self {
        let mut text = Self::default();
        text.push(body.into());
        text
    }
}

/// Pieces one after the other; each is dropped behind its last byte.
struct Pieces(VecDeque<Bytes>);

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(piece) = self.0.front_mut() {
            if piece.has_remaining() {
                let count = piece.remaining().min(into.len());
                let (place, _) = into.split_at_mut(count);
                piece.copy_to_slice(place);
                return Ok(count);
            }
            self.0.pop_front();
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn in_pieces(text: &str, size: usize) -> Text {
        let mut body = Text::default();
        for piece in text.as_bytes().chunks(size) {
            body.push(Bytes::copy_from_slice(piece));
        }
        body
    }

    #[test]
    fn a_body_says_the_same_in_pieces_of_any_size() {
        let value = json!({"name": "Zoë \u{1f600}", "list": [1, 2.5, null], "text": "a\"b\\c"});
        let text = value.to_string();
        for size in 1..=text.len() {
            let body = in_pieces(&text, size);
            assert_eq!((body.len(), body.json::<Value>().unwrap()), (text.len(), value.clone()), "{size}");
            assert_eq!(body.into_json::<Value>().unwrap(), value, "{size}");
        }
        assert!(in_pieces(&text[..text.len() - 1], 5).into_json::<Value>().is_err());
        assert!(Text::default().into_json::<Value>().is_err());
    }

    #[test]
    fn a_piece_is_given_back_behind_its_last_byte() {
        let mut pieces = Pieces(in_pieces("abcdef", 2).pieces);
        let mut three = [0; 1];
        for left in [3, 3, 2, 2, 1, 1] {
            pieces.read_exact(&mut three).unwrap();
            assert!(pieces.0.len() <= left, "{left}");
        }
        assert_eq!(pieces.read(&mut three).unwrap(), 0);
        assert!(pieces.0.is_empty());
    }
}
