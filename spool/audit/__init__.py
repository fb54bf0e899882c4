"""Proof: verify, alarms."""
