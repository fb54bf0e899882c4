"""DAG tests share one parsed bag: importing Airflow costs seconds, parsing twice would double them."""

import pytest

from tests.support import airflow_home

airflow_home.prepare()


def pytest_configure(config):
    airflow_home.quieten(config)


@pytest.fixture(scope="session")
def bag():
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(airflow_home.REPOSITORY / "dags"))


@pytest.fixture(scope="session")
def dags(bag):
    return list(bag.dags.values())
