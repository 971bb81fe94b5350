//! What can go wrong for the person who asked.
