"""Take lines of log files into a stream: only from allowed folders, one event a line, bounded."""
