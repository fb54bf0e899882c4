"""Airflow is imported by these tests, with settings of their own."""

from tests.support import airflow_home

airflow_home.prepare()


def pytest_configure(config):
    airflow_home.quieten(config)
