"""Take lines of log files into a stream: only from allowed folders, one event per line, bounded."""
