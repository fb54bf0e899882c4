"""All that knows Airflow. Only *_plugin.py is loaded by Airflow itself, see .airflowignore."""
