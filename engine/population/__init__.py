"""Many patients at once: tables in and out, what follows from each row, and the picture of all of them."""
