//! Telling the source.
