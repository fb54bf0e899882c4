"""
What went into a stage, and what became of it: counted by the stages, compared by `conservation_check`.

    stage_count    a row of the counts, and the protocol `Counts` that both books fulfil
    ledger         the book by name, for items that can be looked for one by one: files
    batch_numbers  the book by number alone, for what is too many to name: rows, mails, changes
    table          the table `stage_counts` in MariaDB, to which both are sent; its changes are emitted (events)
    check          in = out + quarantined + errored, or the difference by its name
    commands       `python -m include.counts`
"""
