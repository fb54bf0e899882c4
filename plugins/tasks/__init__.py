"""
What the tasks of the DAGs do, one module per feature.

Each function is one task, returns ids and counts only, and may be run again. The work is done in spool/ and include/;
here the pieces of `plugins.connections` are handed over and the outcome is put into words for the task's log.
"""
