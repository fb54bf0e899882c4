"""The page of the mirror, run by Node over a document that only takes notes: each row guards itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from include.measurements.publish.mirror import PAGE
from tests.support.measurement_state import MeasurementState

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node to run the page's script (since 2026-11-25)")

# As much of a document as the script touches. What it shows is what it hands to `rows`.
DOCUMENT = """
const elements = {};
function element() {
  return {
    value: "", dataset: {}, children: [], append(...c) { this.children.push(...c); },
    replaceChildren(...c) { this.children = c; }, setAttribute() {}, addEventListener() {},
  };
}
globalThis.document = {
  getElementById: (id) => (elements[id] ??= element()), createElement: element, querySelectorAll: () => [],
};
const index = JSON.parse(require("fs").readFileSync(process.argv[2]));
globalThis.fetch = async () => ({ ok: true, json: async () => index });
require(process.argv[3]);
setTimeout(() => console.log(JSON.stringify({
  found: elements.found.textContent,
  rows: elements.rows.children.map((tr) => tr.children.map((td) => td.textContent ?? td.children[0].textContent)),
})), 50);
"""


def shown(tmp_path: Path, index: Path) -> dict[str, list[list[str]]]:
    (tmp_path / "document.cjs").write_text(DOCUMENT)
    shutil.copyfile(PAGE / "browse.js", tmp_path / "browse.cjs")
    command = [str(NODE), "document.cjs", index, tmp_path / "browse.cjs"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=300).stdout
    page: dict[str, list[list[str]]] = json.loads(printed)
    return page


@pytest.mark.parametrize(
    "odd",
    [1.0e20, 1414668000.0 * 1e6, -1e20, 8.64e12, 2**70, float("nan"), "soon", [1], {"a": 1}, None, True, "9" * 5000],
)
def test_a_report_with_an_odd_time_is_shown_and_so_are_the_others(
    state: MeasurementState, tmp_path: Path, odd: object
) -> None:
    state.stage_report("north/b1/good", state="imported")
    state.stage_report("north/b1/odd", state="imported", start_time=odd, probe_asn=odd, test_start_time=odd)
    state.publish()
    page = shown(tmp_path, state.folders.public / "index.json")
    rows = {row[-1]: row for row in page["rows"]}
    assert set(rows) == {"north/b1/good", "north/b1/odd"}
    assert rows["north/b1/good"][0] == "2014-10-30 11:20:00"


@pytest.mark.parametrize(
    "row", [None, 7, "x", [], {}, {"path": 1, "report_file": "odd"}, {"path": "odd.gz", "report_file": "odd"}]
)
def test_a_row_that_is_not_as_it_should_be_costs_no_other(state: MeasurementState, tmp_path: Path, row: object) -> None:
    state.stage_report("north/b1/good", state="imported")
    state.publish()
    index = state.folders.public / "index.json"
    index.write_text(json.dumps([row, *json.loads(index.read_text()), row]))
    assert "north/b1/good" in {shown_row[-1] for shown_row in shown(tmp_path, index)["rows"]}
