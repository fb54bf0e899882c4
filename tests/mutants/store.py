"""The object store: what is sent, what counts as an answer, what a store has to prove."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_FAULTS = ("tests/contract/test_s3_faults.py",)
_CONTRACT = ("tests/contract/test_object_store.py",)
_ERRORS = ("tests/unit/store/test_s3_errors.py",)
_SHIPPER = ("tests/unit/shipping/test_shipper.py",)

MUTANTS = [
    Mutant(
        "the SHA-256 is sent with each put (rule 13)",
        "spool/store/s3_store.py",
        "Bucket=self._bucket, Key=key, Body=body, ChecksumSHA256=checksum, **options",
        "Bucket=self._bucket, Key=key, Body=body, **options",
        _FAULTS,
    ),
    Mutant(
        "a put is conditional (rule 13)",
        "spool/store/s3_store.py",
        'Metadata=dict(metadata), IfNoneMatch="*")',
        "Metadata=dict(metadata))",
        _CONTRACT,
    ),
    Mutant(
        "a change is conditional",
        "spool/store/s3_store.py",
        '{"IfMatch": etag}',
        "{}",
        _CONTRACT,
    ),
    Mutant(
        "an answer about an object has an ETag",
        "spool/store/s3_store.py",
        '    if not response.get("ETag"):\n        raise NotAnAnswer("no ETag")\n',
        "    return\n",
        _FAULTS,
    ),
    Mutant(
        "a list is a list",
        "spool/store/s3_store.py",
        '        if "IsTruncated" not in page:\n            raise NotAnAnswer("no list of objects")\n',
        "",
        _FAULTS,
    ),
    Mutant(
        "an answer without its fields is no answer",
        "spool/store/s3_store.py",
        "except (BotoCoreError, OSError, NotAnAnswer, KeyError) as error:",
        "except (BotoCoreError, OSError, NotAnAnswer) as error:",
        _FAULTS,
    ),
    Mutant(
        "reads are tried again",
        "spool/store/s3_store.py",
        "READ_TRIES = 4",
        "READ_TRIES = 1",
        _FAULTS,
    ),
    Mutant(
        "a call's time grows with its load",
        "spool/store/bounded_call.py",
        "return call_s + self.size_bytes / SLOWEST_BYTES_PER_S",
        "return call_s",
        _FAULTS,
    ),
    Mutant(
        "a call ends though the store says nothing",
        "spool/store/bounded_call.py",
        "        if left_s <= 0 and not outcome.done():\n            raise NotInTime\n",
        "",
        _FAULTS,
    ),
    Mutant(
        "a checksum is asked for with a whole object",
        "spool/store/s3_store.py",
        '{"ChecksumMode": "ENABLED"}',
        "{}",
        _FAULTS,
    ),
    Mutant(
        "no checksum is expected of a part",
        "spool/store/s3_store.py",
        'response_checksum_validation="when_required"',
        'response_checksum_validation="when_supported"',
        _FAULTS,
    ),
    Mutant(
        "a bucket that is missing is not made by the first put",
        "spool/store/s3_store.py",
        '        self._read("", head, {404: _NoBucket})\n',
        "",
        _FAULTS,
    ),
    Mutant(
        "a store that ignores If-None-Match is refused",
        "spool/store/probe.py",
        "        _demand_refusal_of_second_put(store, key)\n",
        "",
        _SHIPPER,
    ),
    Mutant(
        "a store that ignores If-Match is refused",
        "spool/store/probe.py",
        "        _demand_refusal_of_stale_change(store, key, etag)\n",
        "",
        _SHIPPER,
    ),
    Mutant(
        "a bucket that lets the archive expire is refused (rule 16)",
        "spool/store/probe.py",
        "        refuse_expiry(store, root)\n",
        "",
        _SHIPPER,
    ),
    Mutant(
        "TLS settings that fail again are refused",
        "spool/store/s3_errors.py",
        "any(text in str(error) for text in _TLS_SETTINGS)",
        "False",
        _ERRORS,
    ),
]
