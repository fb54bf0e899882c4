"""Verify: what makes it red, and what keeps one log's trouble, or a stranger's record, from the rest."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_AUDIT = ("tests/unit/audit",)
_AGREEMENT = ("tests/stack/test_verify_agreement.py",)
_ISOLATION = ("tests/stack/test_replay_isolation.py", "-k", "damaged_delivery or foreign")

_EVIDENCE = "spool/audit/log_evidence.py"
_DELIVERED = "spool/audit/delivered.py"

MUTANTS = [
    Mutant(
        "a log begins at its floor", _EVIDENCE,
        "return max(0, len(self._ranges) - 1) + lacks_first", "return max(0, len(self._ranges) - 1)", _AUDIT,
    ),
    Mutant(
        "the topic is compared with the checkpoint", _EVIDENCE,
        "self.contradiction = disagreement(checkpoint, target, ends)", "pass", _AUDIT,
    ),
    Mutant(
        "an offset that the archive does not have is not kept", _EVIDENCE,
        "if self._ranges[0].first <= position.offset < self._ranges[-1].next:", "if True:", _AUDIT,
    ),
    Mutant(
        "a generation that no rewind made is not kept", _EVIDENCE,
        "if not self._ranges or position.generation > self.delivered.generation:", "if not self._ranges:", _AUDIT,
    ),
    Mutant(
        "deliveries that settle offsets twice are counted", _DELIVERED,
        "self.doubled += self.settled[delivery.generation].add(first, after)",
        "self.settled[delivery.generation].add(first, after)", _AUDIT,
    ),
    Mutant("deliveries that are short are counted", _DELIVERED, "        self.short += short\n", "", _AUDIT),
    Mutant(
        "events delivered into another topic are lost", _DELIVERED,
        "if is_another_topic(delivery.topic_id, self._topic.topic_id):", "if False:", _AUDIT,
    ),
    Mutant(
        "events noted beyond the topic's end are lost", _DELIVERED,
        "return marks is None or batch.kafka_offset + batch.event_count > marks.high", "return marks is None", _AUDIT,
    ),
    Mutant(
        "only what lay below the topic's start has expired", _DELIVERED,
        "if marks is None or batch.kafka_offset >= marks.low:", "if marks is None:", _AUDIT,
    ),
    Mutant(
        "a place given to two logs is noticed", _DELIVERED,
        "            if taken.add(first, after):\n", "            taken.add(first, after)\n            if False:\n", _AUDIT,
    ),
    Mutant(
        "places of another topic are not compared", _DELIVERED,
        "if not self._topic_id or delivery.topic_id != self._topic_id:", "if not self._topic_id:", _AUDIT,
    ),
    Mutant(
        "an offset in a page that was seen whole is a double", "spool/audit/seen.py",
        "if marks is None or marks[place]:", "if marks is not None and marks[place]:", _AUDIT,
    ),
    Mutant(
        "out of order is seen", "spool/audit/seen.py",
        "            self.out_of_order += 1\n", "            pass\n", _AUDIT,
    ),
    Mutant(
        "only events of a partition that lost them have expired", "spool/audit/expired.py",
        "if record.position.offset in parts and record.position.offset in gone:", "if record.position.offset in parts:", _AUDIT,
    ),
    Mutant(
        "a damaged delivery is its log's error", "spool/audit/topic_evidence.py",
        "                evidence.error = evidence.error or error\n", "                pass\n", _ISOLATION,
    ),
    Mutant(
        "a header that is not one of ours is foreign", "spool/audit/topic_evidence.py",
        "    except ValueError:\n        return None\n", "    except ZeroDivisionError:\n        return None\n", _AGREEMENT,
    ),
]  # fmt: skip
