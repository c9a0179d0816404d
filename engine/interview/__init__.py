"""One patient, asked: an immutable state, without input or output."""
