"""A table in a task's log: one record per line."""

from plugins.log_rows import log_rows


def logged(caplog, rows):
    with caplog.at_level("INFO"):
        log_rows(rows)
    return [record.getMessage() for record in caplog.records]


def test_columns_line_up_and_numbers_stand_to_the_right(caplog):
    assert logged(caplog, [{"log": "k3x9", "events": 1234567}, {"log": "a", "events": 5}]) == [
        "log      events",
        "----  ---------",
        "k3x9  1,234,567",
        "a             5",
    ]


def test_no_rows_are_said(caplog):
    assert logged(caplog, []) == ["(no rows)"]


def test_truth_values_are_words(caplog):
    assert logged(caplog, [{"full": True}])[-1].strip() == "yes"
