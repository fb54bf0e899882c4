"""Builds one client for each backing service from an address; nothing else."""
