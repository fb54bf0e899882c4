"""From sanitized reports to MongoDB and the public mirror. Start with README.md and pipeline.py."""
