"""
Proof that Kafka has what the archive holds, and the alarms. What the room offers to others:

    verify.verify                  the comparison of one stream, one row per log
    verify_report                  VerifyRow, VerifyReport, demand_green
    stats.stats                    how far each log is in each room
    alarm_book.AlarmBook           alarms that last, in the object store

`delivered`, `seen`, `topic_evidence` and `log_evidence` gather what Kafka and the archive say; `expired` computes with
it, in the ranges of `range_set`.
"""
