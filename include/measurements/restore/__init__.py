"""Sanitize one archived measurement report again, and let it replace what it produced."""
