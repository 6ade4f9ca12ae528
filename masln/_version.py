"""The version, in one place: packaging, run directories and saved models read it here."""

__version__ = "0.1.0"
