//! Where applications keep their records, other than in Tandem's own table.

pub mod supabase;
