"""Results as text and as data."""
