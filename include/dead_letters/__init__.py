"""
What features cannot process: kept in MariaDB with its reason and its bytes, until somebody requeues or discards it.

    letters       one letter: put it beside other changes, in the caller's transaction
    sql_letters   the port `spool/dead_letters/port.py` over the table `dead_letters`
    ways_back     what a requeue of each feature's letters does
    commands      `python -m include.dead_letters`

A feature adds its way back to `ways_back`: a function that puts the thing where the feature will find it again, in the
transaction that settles the letter. So a requeue happens once, whenever it dies.
"""
