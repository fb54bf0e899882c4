"""
A change in MariaDB and its events, in one transaction; then the events in the spool, once each.

    write   `put` events beside a change, in the caller's transaction
    drain   append what is committed to the spool, as an idempotent producer

    INSERT the change            the drain of a stream, again and again:
    put(connection, events)      1. give the next rows a sequence    (committed)
    COMMIT                       2. append them under that sequence  (the spool remembers it)
                                 3. delete them                      (committed with the next 1)

A drain that dies goes on at the step it was in: step 2 repeated under the same sequence adds nothing.
"""
