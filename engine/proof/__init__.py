"""What holds for every patient that the vocabulary can describe, proved by a solver."""
