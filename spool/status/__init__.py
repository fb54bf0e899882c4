"""
What is shown of the system: one model for pages, task logs and the command line.

    rows     a line of each table, as named tuples
    section  one table with its time and what could not be reached; as JSON
    board    the sections as files of the spool folder: published by a task, read by pages and the command line

Finding out how far a log is takes numpy, boto3 and Kafka's client, and seconds of waiting if a neighbour is away. So a
task publishes what it found (DAG `spool_status`), and every process that shows it reads a small file. Nothing here
imports more than the standard library and the values of the engine.
"""
