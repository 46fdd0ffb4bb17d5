//! Is a contact that is said to be gone merged or deleted?
