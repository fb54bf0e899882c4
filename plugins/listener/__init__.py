"""What Airflow calls at every change of a run's or a task's state: it becomes an event on the stream `airflow`."""
