"""The neighbours on one machine, without Docker: `python -m stack up`. See README.md."""
