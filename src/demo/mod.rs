//! The demo: seeds, people, time machine.
