"""crampdx: a rule-based expert system for the differential diagnosis of bilateral leg cramping."""

__version__ = "0.1.0"
