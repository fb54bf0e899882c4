"""Makes measurement reports fit to be published; see README.md."""
