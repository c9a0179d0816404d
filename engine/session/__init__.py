"""The conversation with one person: what is said to what is typed. No input or output of its own."""
