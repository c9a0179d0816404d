"""One patient, asked: an immutable state, without input or output; and the journal, which keeps it on disk."""
