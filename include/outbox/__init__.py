"""
A change in MariaDB and its events, in one transaction; then the events in the spool, once each.

    write         `put` events beside a change, in the caller's transaction
    drain         append what is committed to the spool, as an idempotent producer
    batches       what of a stream is under way, and under which sequence
    refused_rows  what the spool refuses: dead letters, and their way back
    resync        after a backup was restored or a log was lost
    waiting       what `status` and a dry run show

    INSERT the change            the drain of a stream, again and again:
    put(connection, events)      1. give the next rows a sequence    (committed)
    COMMIT                       2. append them under that sequence  (the spool remembers it)
                                 3. delete them                      (committed with the next 1)

A drain that dies goes on at the step it was in: step 2 repeated under the same sequence adds nothing.
"""
