"""From sanitized measurement reports to MongoDB."""
