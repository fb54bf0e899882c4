"""
The two ways to start another process. Nothing else in `include` starts one.

- `bounded`: a program that we trust, with limits of time and output, and never left behind.
- `sandboxed`: our own function that reads what strangers wrote; it can do nothing but compute.
"""
