"""
Everything that knows Airflow. Only *_plugin.py is loaded by Airflow itself, see .airflowignore.

    tasks/         what the tasks of the DAGs do, one module per feature
    connections/   the composition root, one module per neighbour
    listener/      state changes of Airflow as events
    ui/            pages of users who may only read
    task_logs      where Airflow finds the logs of tasks
    conf, dag_defaults, failure_hints, log_rows   what every DAG shares
    dag_docs, event_docs   docs/DAGs.md and docs/events.md, generated
"""
