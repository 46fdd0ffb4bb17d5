//! Deliveries become effects.
