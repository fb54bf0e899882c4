"""
The archive as its readers see it. What the room offers to the others:

    archive.Archive          logs, segments, read, index, floor and raise_floor of one root
    ranges.archived_ranges   which offsets of a log are there, from footers alone
    log_extent.log_extents   how much of each log is there, and what is missing
    floors.Floor             where a log begins
"""
