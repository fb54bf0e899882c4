"""What the pages point at exists, and README keeps its size."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    *ROOT.glob("spool/**/*.md"),
    *ROOT.glob("include/**/*.md"),
    *ROOT.glob("stack/*.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_local_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def anchors(text: str) -> set[str]:
    """As GitHub names the headings of a page, and the anchors that it sets itself."""
    headings = re.findall(r"^#+ +(.+)$", text, re.MULTILINE)
    named = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return named | set(re.findall(r'<a id="([^"]+)"', text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_section_finds_it(page):
    for target, anchor in re.findall(r"\]\(([^)#\s:]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        linked = page.parent / target if target else page
        assert anchor in anchors(linked.read_text(encoding="utf-8")), f"{page.name} links to {target}#{anchor}"


def paths_named(text: str) -> set[str]:
    """Files and folders of the repository that stand in code marks; patterns and templates (`*`, `<name>`) are not."""
    made = re.findall(r"^# new file: (\S+)$", text, re.MULTILINE)  # by the reader, who follows the page
    rooms = r"(?:spool|include|plugins|dags|stack|config|tests|benchmarks)"
    named = re.findall(rf"`({rooms}/[\w./-]+\.(?:py|md|yml|yaml|json|txt|toml|sh)|{rooms}/[\w./-]*/)`", text)
    return set(named) - set(made)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_that_a_page_names_exists(page):
    absent = {path for path in paths_named(page.read_text(encoding="utf-8")) if not (ROOT / path).exists()}
    assert absent == set()


def test_the_readme_shows_a_picture():
    assert "![" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_a_page_that_everybody_reads_is_short(name):
    assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) < 150


def test_every_page_and_picture_of_docs_is_linked_from_another():
    linked = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target
    }
    kept = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("docs/**/*.png"), *ROOT.glob("docs/**/*.svg")]
    alone = [path for path in kept if path not in linked and path.parent not in linked]
    assert [path.relative_to(ROOT).as_posix() for path in alone] == []


def test_every_runbook_is_found_by_what_a_person_sees():
    folder = ROOT / "docs" / "runbooks"
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    assert listed == {path.name for path in folder.glob("*.md")} - {"README.md"}


def test_every_decision_has_a_number_of_its_own():
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")]
    assert sorted(numbers) == [f"{number:04d}" for number in range(1, len(numbers) + 1)]


def test_every_make_target_that_a_page_names_exists():
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text(encoding="utf-8")))
        assert named <= known, f"{page.name} names {named - known}"
