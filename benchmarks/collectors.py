"""
How long a sync takes when nothing is new, and how fast files come when everything is.

    no_change   10,000 files that were fetched before and wait at the host to be forgotten: target 3 s
    waiting     10,000 files at the host that are not quiet yet: none may be taken
    fetch       the first sync of those 10,000 files

Over a real sshd on the loopback interface and the real rsync. Run: python -m benchmarks.collectors [--files N]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.measure import publish, repeat
from include.common.emit import no_events
from include.counts.ledger import StageLedger
from include.measurements.collect import pipeline
from include.measurements.collect.places import Places
from include.measurements.collect.rsync_transport import RsyncTransport
from tests.support.collector_host import CollectorHost
from tests.support.ssh_host import ssh_host

FILE_BYTES = 2000


def sync(host: CollectorHost, state: Path, quiet_s: int) -> tuple[float, int]:
    """Seconds, and files that came."""
    host.change(quiet_s=quiet_s, forget_after_days=7)
    started = time.perf_counter()
    with StageLedger(state, "bench") as ledger:
        transport = RsyncTransport(host.collector.id, host.ssh)
        summary = pipeline.sync(host.collector, transport, Places.of(state, host.collector.id), ledger, no_events)
    return time.perf_counter() - started, summary.files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ssh_host(Path(name) / "host", "bench") as host:
        state = Path(name) / "state"
        state.mkdir()
        for number in range(options.files):
            host.record(f"{number:06}.yamloo", b"%06d" % number + b"x" * (FILE_BYTES - 6))
        waiting, taken = sync(host, state, quiet_s=3600)
        assert taken == 0
        fetch, files = sync(host, state, quiet_s=0)
        assert files == options.files
        publish(
            "collectors",
            {
                "files": options.files,
                "file_bytes": FILE_BYTES,
                "fetch_s": round(fetch, 2),
                "waiting_s": round(waiting, 2),
                "no_change_s": repeat(lambda: sync(host, state, quiet_s=0)[0], options.repeats),
                "target_s": 3,
            },
        )


if __name__ == "__main__":
    main()
