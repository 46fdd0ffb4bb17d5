//! Making up for what never arrived.
