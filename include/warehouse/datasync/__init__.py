"""
The changes of published tables as events of the stream `datasync`: the same change set that goes into the warehouse.

    follower          what a sync needs: the target that keeps a journal, and the journals brought into the stream
    journaled_target  a warehouse whose changes are on disk before they are made
    journal           one table's journal, and how far the stream is
    row_changes       the rows before and after a merge
    row_events        what a journal says, as batches of events
    drain             a journal into the stream, each batch once
    csv_records       records of the warehouse's CSV

README.md says how consumers read the stream.
"""
