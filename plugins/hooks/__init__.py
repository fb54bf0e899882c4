"""Hooks of providers with what they lack."""
