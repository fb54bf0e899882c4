"""
The local write-ahead log: commits, segments, group commit, recovery.

What the room offers to others:

    stream_log    StreamLog: append, seal, seal_if_due, synced; the current log of one stream
    writer        LogWriter: one log by name, for those who move or retire logs (shipping/fork)
    reader        read_sealed, tail, sealed_identity, next_header: what a log holds
    folder        log_folders, segment_files: which logs and segments a spool folder holds
    identity      whose log it is: read_identity, create_log, write_successor
    lock_file     locked_file: the locks of a spool folder; read_state_of: how far a log is synced
    producers, producer_file, producer_state
                  what the log remembers of idempotent producers, and which segments that needs
    shipped       how far the object store has a log
    local_alarms  alarms as files of the folder

The rest is its own: the queue of commits, the holder of the lock, recovery, descriptors, the reserve.
"""
