"""What rule authors run."""
