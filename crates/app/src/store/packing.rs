//! How bytes are stored that may be many: compressed where that makes them fewer.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use tandem_core::error::Result;

use crate::store::failure::storage;

/// What is no longer than this is stored as it is: DynamoDB is paid by the kilobyte.
const SMALL: usize = 1024;

/// How stored bytes are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Packing {
    /// As they are.
    Plain,
    /// Compressed, with a check sum.
    Gzip,
}

/// Bytes as they are stored.
pub(super) struct Packed {
    pub(super) packing: Packing,
    pub(super) bytes: Vec<u8>,
}

impl Packed {
    /// The bytes of `body`, compressed where that makes them fewer.
    pub(super) fn of(body: &[u8]) -> Result<Self> {
        if body.len() > SMALL {
            let bytes = gzip(body).map_err(|_| storage("what is to be stored could not be compressed"))?;
            if bytes.len() < body.len() {
                return Ok(Self { packing: Packing::Gzip, bytes });
            }
        }
        Ok(Self { packing: Packing::Plain, bytes: body.to_vec() })
    }

    /// What was packed.
    pub(super) fn unpacked(self) -> Result<Vec<u8>> {
        match self.packing {
            Packing::Plain => Ok(self.bytes),
            Packing::Gzip => {
                let mut body = Vec::new();
                let read = GzDecoder::new(&*self.bytes).read_to_end(&mut body);
                read.map_err(|_| storage("what is stored is damaged"))?;
                Ok(body)
            }
        }
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        for body in [Vec::new(), vec![7; 1024], vec![7; 100_000], (0..=255).cycle().take(5_000).collect()] {
            let packed = Packed::of(&body).unwrap();
            assert!(packed.bytes.len() <= body.len());
            assert_eq!(packed.unpacked().unwrap(), body);
        }
    }

    #[test]
    fn damage_is_noticed() {
        let body: String = (0..10_000).map(|number| number.to_string()).collect();
        let mut packed = Packed::of(body.as_bytes()).unwrap();
        assert_eq!(packed.packing, Packing::Gzip);
        let middle = packed.bytes.len() / 2;
        packed.bytes[middle] ^= 1;
        assert!(packed.unpacked().is_err());
    }
}
