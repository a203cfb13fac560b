//! Measurements next to peers; nothing a user builds depends on them.
