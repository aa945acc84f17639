"""What pages state is what the results say; the parts that find this out."""

import numpy as np
import pytest

from benchmarks.verify import claims as module
from benchmarks.verify.claims import ClaimError, Claims, all_claims
from benchmarks.verify.numbers import numbers, plain
from benchmarks.verify.results import Results, UnknownReferenceError
from benchmarks.verify.sources import read_sources

PAGES = {claims.page: claims for claims in all_claims()}

TABLES = """# Losses (seeds = 3)

| method | N = 10 | N = 100 | ms |
| --- | --- | --- | --- |
| ours | 0.52 [0.50, 0.54] | 0.21 | 12 |
| ours, wide | 0.61 | **0.30** | 14 |
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Writes a page, a table of results and claims about the page; returns the claims and the results."""

    def write(text, toml):
        monkeypatch.setattr(module, "ROOT", tmp_path)
        (tmp_path / "page.md").write_text(text)
        (tmp_path / "losses.md").write_text(TABLES)
        (tmp_path / "claims.toml").write_text('page = "page.md"\n' + toml)
        return Claims(tmp_path / "claims.toml"), {"losses": Results(tmp_path / "losses.md")}

    return write


@pytest.mark.parametrize("page", PAGES)
def test_the_figures_of_a_page_are_those_of_the_committed_results(page):
    results = {name: source.committed() for name, source in read_sources().items()}
    found = [(figure.text, figure.expression, figure.value(results), figure) for figure in PAGES[page].figures]
    assert found
    assert [entry[:3] for entry in found if not entry[3].agrees(entry[2])] == []


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/speed.md", "docs/peers.md"])
def test_every_figure_of_a_page_is_known(page):
    """Write its claim in benchmarks/verify/claims: the text with the figure in braces, and where its value stands."""
    assert PAGES[page].unknown == []


def test_a_figure_that_no_claim_quotes_is_unknown(page):
    claims, _ = page(
        "A loss of .52 at N = 10, and 7 more.",
        '[[claim]]\ntext = "loss of {.52} at N = 10"\nfound = ["losses[ours | N = 10]"]',
    )
    assert claims.number == 3
    assert len(claims.unknown) == 1
    assert claims.unknown[0].endswith("[7]")


@pytest.mark.parametrize(
    ("said", "agrees"), [(".5", True), (".52", True), (".53", False), (".520", True), (".525", False)]
)
def test_a_figure_agrees_to_the_digits_it_is_given_to(page, said, agrees):
    claims, results = page(f"loss {said}", f'[[claim]]\ntext = "loss {{{said}}}"\nfound = ["losses[ours | N = 10]"]')
    (figure,) = claims.figures
    assert figure.agrees(figure.value(results)) == agrees


def test_times_are_compared_in_seconds_and_expressions_computed(page):
    toml = """[[claim]]
text = "{12 ms}, {.014 s}, ratio {.70}"
found = [
  "losses[ours | ms]",
  "losses[ours, wide | ms]",
  "losses[ours | N = 100] / losses[ours, wide | N = 100]",
]"""
    claims, results = page("12 ms, .014 s, ratio .70", toml)
    assert all(figure.agrees(figure.value(results)) for figure in claims.figures)


def test_a_table_is_compared_cell_by_cell(page):
    text = "| | N = 10 | 100 |\n|---|---|---|\n| mine | .52 | .21 |\n| wide | .61 | .31 |"
    toml = """[[table]]
header = "| | N = 10 | 100 |"
rows = { mine = "ours", wide = "ours, wide" }
found = ["losses[{row} | N = 10]", "losses[{row} | N = 100]"]"""
    claims, results = page(text, toml)
    assert claims.unknown == []
    assert [figure.agrees(figure.value(results)) for figure in claims.figures] == [True, True, True, False]


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('text = "loss of {.53}"\nfound = ["losses[ours | N = 10]"]', "does not say"),
        ('text = "loss of {.52}"\nfound = []', "1 figures in braces and 0 expressions"),
        ('text = "loss of {.52} at N = 10"\nfound = ["losses[ours | N = 100]"]', "in no reference"),
    ],
)
def test_a_claim_that_does_not_fit_its_page_is_refused(page, toml, message):
    with pytest.raises(ClaimError, match=message):
        page("A loss of .52 at N = 10.", f"[[claim]]\n{toml}")


@pytest.mark.parametrize(
    "reference", ["theirs | N = 10", "ours | N = 1000", "Gains | ours | N = 10", "ours | N = 10 | #9"]
)
def test_a_reference_without_a_number_is_refused(tmp_path, reference):
    (tmp_path / "losses.md").write_text(TABLES)
    with pytest.raises(UnknownReferenceError, match=r"losses\.md has no number"):
        Results(tmp_path / "losses.md").find(reference)


def test_references_in_markdown(tmp_path):
    (tmp_path / "losses.md").write_text(TABLES)
    results = Results(tmp_path / "losses.md")
    assert results.find("Losses | ours | N = 10 | #3") == 0.54
    assert results.find("# Losses | #1") == 3
    np.testing.assert_array_equal(results.find("* | N = 100"), [0.21, 0.30])


@pytest.mark.parametrize(
    "rows",
    [
        '[{"name": "a", "n": 1, "l1": 0.5}, {"name": "b", "n": 2, "l1": 0.25}]',
        '{"name": ["a", "b"], "n": [1, 2], "l1": [0.5, 0.25]}',
    ],
)
def test_references_in_json_take_records_and_columns(tmp_path, rows):
    (tmp_path / "losses.json").write_text(f'{{"rows": {rows}, "seed": 7}}')
    results = Results(tmp_path / "losses.json")
    assert results.find("seed") == 7
    assert results.find("rows | name=b | n=2 | l1") == 0.25
    np.testing.assert_array_equal(results.find("rows | l1"), [0.5, 0.25])


def test_names_versions_years_and_code_are_no_figures():
    text = """Table 1, Figures 8–10 and Algorithm 2 (Lu 2023; Ding and Wu 2019), jax 0.10.2, 2 CPU cores, 3r, `n=200`,
    [here](page-7.md), float32.

```python
x = 5
```
−1.5 and 10^6 and 20,000 and .41 %"""
    found = list(numbers(plain(text)))
    assert [number.value for number in found] == [-1.5, 1e6, 20_000, 0.41]
    assert [number.half_digit for number in found] == [0.05, 0, 0.5, 0.005]
