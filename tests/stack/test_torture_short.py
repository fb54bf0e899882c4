"""A short series of what `make torture` does at length."""

from tests.torture.__main__ import torture


def test_random_kills_of_everything_lose_double_and_reorder_nothing(tmp_path):
    verdict, died = torture(12, seed=20261123, folder=tmp_path, say=lambda text: None, at_least=1001)
    assert sum(died.values()) == 12
    assert verdict.accepted > 1000
    assert verdict.clean, verdict
