"""The rooms of the engine; a room imports only from rooms under it (docs/design.md)."""
