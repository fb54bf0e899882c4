from plugins.log_table import table


def test_columns_line_up_and_numbers_stand_to_the_right():
    assert table([{"log": "k3x9", "events": 1234567}, {"log": "a", "events": 5}]) == [
        "log      events",
        "----  ---------",
        "k3x9  1,234,567",
        "a             5",
    ]


def test_no_rows_are_said():
    assert table([]) == ["(no rows)"]


def test_truth_values_are_words():
    assert table([{"full": True}])[-1] == "True"
