//! The one decision: full, read only, blocked.
