"""What is known, of medicine and of one patient: read, checked, frozen."""
