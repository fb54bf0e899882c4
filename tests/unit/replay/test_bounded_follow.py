"""A drain that follows the archive waits for outages, but one with a deadline says so when an outage outlasts it."""

import pytest

from spool import settings
from spool.errors import KafkaUnavailable
from spool.replay.replayer import Replayer


class UnderTest(Replayer):
    """Passes return the given results; the last one is repeated without end."""

    def __init__(self, *answers):
        known = settings.load()
        super().__init__(known, known.stream("demo"), store=None, kafka={})
        self.answers = list(answers)

    def _one_pass(self, *_):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_an_outage_that_lasts_to_the_deadline_is_raised():
    with pytest.raises(KafkaUnavailable, match="down"):
        UnderTest(KafkaUnavailable("down")).drain(follow=True, deadline_s=0.2)


def test_an_outage_that_ends_before_the_deadline_is_only_waited_for():
    summary = UnderTest(KafkaUnavailable("down"), False).drain(follow=True, deadline_s=0.8)
    assert summary.waiting == {}


def test_without_follow_an_outage_ends_the_drain_at_once():
    replayer = UnderTest(KafkaUnavailable("down"), AssertionError("a second pass"))
    with pytest.raises(KafkaUnavailable):
        replayer.drain(deadline_s=5)
