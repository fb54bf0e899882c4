"""The public mirror of imported measurement reports."""
