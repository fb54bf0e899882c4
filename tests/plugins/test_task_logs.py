"""The log of a task is shown while the object store is away, with a line that says why it may not be whole."""

import pytest
from botocore.exceptions import EndpointConnectionError

pytestmark = pytest.mark.dags

PATH = "dag_id=d/run_id=r/task_id=t/attempt=1.log"


class Store:
    """As much of a hook as reading asks for. `logs`: key -> text; an error is raised instead."""

    def __init__(self, logs):
        self.logs = logs

    def parse_s3_url(self, s3url):
        return "bucket", s3url.removeprefix("s3://bucket/")

    def list_keys(self, bucket_name, prefix):
        if isinstance(self.logs, Exception):
            raise self.logs
        return [key for key in self.logs if key.startswith(prefix)]

    def read_key(self, location):
        return self.logs[location.removeprefix("s3://bucket/")]


AWAY = EndpointConnectionError(endpoint_url="http://127.0.0.1:9")


@pytest.fixture
def logs_in(tmp_path):
    def make(stored):
        from plugins.task_logs import StoredOrLocalLogs

        logs = StoredOrLocalLogs(remote_base="s3://bucket/logs", base_log_folder=str(tmp_path), delete_local_copy=False)
        logs.hook = Store(stored)
        return logs

    return make


@pytest.fixture
def local(tmp_path):
    def write(text, suffix=""):
        path = tmp_path / (PATH + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    return write


def test_a_stored_log_is_read_from_the_store(logs_in, local):
    local("local\n")
    stored = {f"logs/{PATH}": "stored\n"}
    assert logs_in(stored).read(PATH, None) == ([f"s3://bucket/logs/{PATH}"], ["stored\n"])


def test_what_is_not_stored_yet_is_left_to_airflow(logs_in, local):
    local("local\n")
    assert logs_in({}).read(PATH, None) == ([], None)


@pytest.mark.parametrize("error", [AWAY, TimeoutError("read"), RuntimeError("no such connection")], ids=repr)
def test_while_the_store_is_away_the_local_log_is_read_behind_a_line_that_says_so(logs_in, local, error):
    paths = [local("local\n"), local("triggerer\n", ".trigger.7.log")]
    sources, (line, *texts) = logs_in(error).read(PATH, None)
    assert (sources, texts) == (paths, ["local\n", "triggerer\n"])
    assert "The object store does not answer" in line
    assert type(error).__name__ in line
    assert "What to do:" in line


@pytest.mark.parametrize("emptied", [True, False], ids=["uploaded before", "never written"])
def test_of_a_log_that_is_only_in_the_store_the_line_is_shown(logs_in, local, emptied):
    if emptied:
        local("")  # what Airflow leaves behind an upload
    sources, logs = logs_in(AWAY).read(PATH, None)
    assert sources == []
    assert [line.partition("(")[0] for line in logs] == ["The object store does not answer "]


def test_the_stack_uses_it():
    from stack.services.airflow import environment
    from tests.support.local_stack import LocalStack

    stack = LocalStack()
    try:
        variables = environment(stack.place)
    finally:
        stack.remove()
    assert variables["AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS"] == "plugins.task_logs.LOGGING_CONFIG"


def test_the_client_gives_up_soon_on_a_store_that_does_not_answer(tmp_path):
    from plugins.task_logs import StoredOrLocalLogs

    logs = StoredOrLocalLogs(remote_base="s3://bucket/logs", base_log_folder=str(tmp_path), delete_local_copy=False)
    config = logs.hook.config
    assert (config.connect_timeout + config.read_timeout) * config.retries["total_max_attempts"] < 60
