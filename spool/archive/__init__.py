"""The archive as its readers see it: logs, segments, floors."""
