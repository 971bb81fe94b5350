//! Pages of the operator's staff.
