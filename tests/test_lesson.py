"""The lesson: its pictures are those of its commands, its links answer, its notebook runs and gives its numbers."""

import ast
import html
import itertools
import json
import math
import re
import statistics
from typing import Any, NamedTuple
from urllib.parse import urljoin

import httpx
import numpy as np
import pytest

from tests.conftest import FASHION, PROJECT
from tests.fakes import pixels_of
from tests.serving import serving
from tests.test_commands import commands_of
from vitrine_client import Picture

DOCS = PROJECT / "docs"
PAGE = (DOCS / "lesson.md").read_text()
NOTEBOOK = json.loads((DOCS / "lesson.ipynb").read_text())
PROSE = " ".join(PAGE.split())
HERE = "http://127.0.0.1:8000"
MODELS = ("fashion-dense@7", "fashion-map@5", FASHION)
SHOWN = dict(re.findall(rf"^\[!\[[^]]+\]\(images/([^)]+)\)\]\({HERE}([^)]+)\)$", PAGE, re.MULTILINE))
# Half of the last digit printed, and 0.01: on the same seeds LiteRT and TensorFlow differ by less than 0.001.
PRINTED = 0.06

# Fashion's 1000 draws for five images and eight seeds take some 15 s alone, and minutes beside other work.
pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]


class Ran(NamedTuple):
    """What the notebook left behind: its variables, and what its cells show."""

    names: dict[str, Any]
    shown: list[Any]


def sources(kind):
    return ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == kind]


def run(cells):
    """Run cells one after the other in one namespace, as a notebook does: a last expression is shown."""
    ran = Ran({}, [])
    for cell in cells:
        tree = ast.parse(cell)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "lesson.ipynb", "exec"), ran.names)  # noqa: S102  # our own notebook
        if last is not None:
            code = compile(ast.Expression(last.value), "lesson.ipynb", "eval")
            ran.shown.append(eval(code, ran.names))  # noqa: S307
    return ran


def row(first, part=PAGE):
    """The cells of the table's row that begins with these words, but for the first."""
    (line,) = re.findall(rf"^\| {re.escape(first)}.*? \| (.+) \|$", part, re.MULTILINE)
    return line.split(" | ")


def section(number):
    (text,) = re.findall(rf"^## {number}\. .*?(?=^## )", PAGE, re.MULTILINE | re.DOTALL)
    return text


def agrees(printed, values):
    """Whether text like ``-1.5 ± 0.2`` is the mean and the standard deviation of a value a seed."""
    mean, deviation = map(float, printed.split(" ± "))
    return (
        abs(statistics.mean(values) - mean) <= PRINTED
        and abs(statistics.stdev(values) - deviation) <= PRINTED
    )


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lesson")
    with serving(folder, VITRINE_DEFAULT_MODEL=FASHION, VITRINE_DEADLINE_SECONDS="60") as server:
        yield server.url


@pytest.fixture(scope="module")
def ran(url):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(DOCS)  # where a notebook is opened, it runs
        patch.setenv("MPLBACKEND", "Agg")
        done = run([cell.replace(HERE, url) for cell in sources("code")])
        done.names["plt"].close("all")
        yield done
        done.names["client"].close()


def test_each_picture_is_what_its_command_and_its_link_give(url):
    commands = dict(
        re.findall(rf"curl -o (\S+) +'{HERE}(\S+)'", "\n".join(commands_of("docs/lesson.md", PAGE)))
    )
    assert len(SHOWN) == 12
    for name, address in SHOWN.items():
        assert commands[name] == address
        drawn = pixels_of(httpx.get(url + address, timeout=60).content).astype(int)
        kept = pixels_of((DOCS / "images" / name).read_bytes()).astype(int)
        assert drawn.shape == kept.shape
        apart = np.abs(drawn - kept) > 1  # another processor may round a level differently
        if "render=draw" in address:  # and a draw then goes another way in the rest of its image
            apart = apart.reshape(len(apart), 7, -1).any(axis=(0, 2))
            assert apart.sum() <= 1, name
        else:
            assert not apart.any(), name


def test_the_textbooks_three_pictures_are_its_shapes_and_the_notebooks_too(ran):
    shapes = {"samples": (3, 7), "reconstructions": (2, 5), "interpolation": (1, 7)}
    files = ("lesson-samples.png", "lesson-reconstructions.png", "lesson-walk.png")
    for (name, (rows, columns)), file in zip(shapes.items(), files, strict=True):
        drawn = ran.names[name].array().astype(int)
        assert drawn.shape == (56 * rows, 56 * columns)
        kept = pixels_of((DOCS / "images" / file).read_bytes()).astype(int)
        assert np.abs(drawn - kept).max() <= 1  # as above


def test_every_link_and_picture_of_the_page_answers_on_the_service_that_shows_it(url):
    page = httpx.get(f"{url}/manual/docs/lesson")
    found = {html.unescape(each) for each in re.findall(r'(?:href|src)="([^"#]+)"', page.text)}
    addresses = {urljoin(str(page.url), each) for each in found}
    asked = {address for address in addresses if "model=" in address}
    assert len(asked) >= len(SHOWN) + 8
    for address in addresses:
        assert address.startswith(url)
        assert httpx.get(address, timeout=60, follow_redirects=True).status_code == 200, address


def test_the_lists_of_the_manual_lead_to_the_lesson(url):
    for path in ("/manual.md", "/llms.txt"):
        assert (
            "](manual/docs/lesson.md): Seven steps lead from one integral to a plane"
            in httpx.get(url + path).text
        )
    assert 'href="manual/docs/lesson"' in httpx.get(f"{url}/manual").text


def test_the_notebook_shows_pictures_and_keeps_no_outputs(ran):
    pictures = [shown for shown in ran.shown if isinstance(shown, Picture)]
    assert len(pictures) >= 12
    assert all("image/png" in picture._repr_mimebundle_() for picture in pictures)
    cells = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
    # Kept outputs would be pictures and numbers that no test compares; a run makes them in a minute.
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    assert len({cell["id"] for cell in NOTEBOOK["cells"]}) == len(NOTEBOOK["cells"])


def test_samples_miss_the_bag_that_the_encoder_finds(ran):
    printed = re.search(r"of this bag as (\S+ ± \S+) nats\..*? estimates (\S+ ± \S+)\.", PROSE)
    assert agrees(printed[1], ran.names["naive"])
    assert agrees(printed[2], ran.names["weighted"])


@pytest.mark.parametrize("model", MODELS)
def test_the_terms_of_the_elbo_are_those_measured(ran, model):
    measured = ran.names["terms"][model]
    for printed, field in zip(row(f"`{model}`", section(2)), ("elbo", "reconstruction", "kl"), strict=True):
        assert agrees(printed, measured[field])


def test_a_reconstruction_tells_the_same_elbo(ran):
    (facts,) = [shown for shown in ran.shown if isinstance(shown, dict)]
    for field, values in ran.names["terms"]["fashion-dense@7"].items():
        # Another 64 draws of the same estimate; 0.001 for the KL, which has a closed form and no spread.
        assert abs(float(facts[field]) - statistics.mean(values)) <= 4 * statistics.stdev(values) + 0.001


def test_the_bits_of_a_code_are_its_kl(ran):
    printed = re.search(
        r"at most so much about its image: (\d+) bits for `fashion-dense`, (\d+) for `fashion`", PROSE
    )
    for bits, model in zip(printed.groups(), ("fashion-dense@7", FASHION), strict=True):
        assert round(statistics.mean(ran.names["terms"][model]["kl"]) / math.log(2)) == int(bits)


@pytest.mark.parametrize("model", MODELS)
def test_the_bounds_rise_with_more_draws_as_the_table_says(ran, model):
    measured = [ran.names["bounds"][model, k] for k in (1, 10, 100, 1000)]
    for printed, k, values in zip(row(f"`{model}`", section(3)), (1, 10, 100, 1000), measured, strict=True):
        bound, size = re.fullmatch(r"(.+) \((.+)\)", printed).groups()
        assert agrees(bound, values)
        assert abs(ran.names["sizes"][model, k] - float(size)) <= PRINTED
    for fewer, more in itertools.pairwise(measured):
        error = math.sqrt((statistics.variance(fewer) + statistics.variance(more)) / len(fewer))
        # The theorem is about expectations: means over seeds may fall by their standard error, not by twice that.
        assert statistics.mean(more) >= statistics.mean(fewer) - 2 * error
    assert statistics.mean(measured[-1]) > statistics.mean(measured[0])


def test_one_seeds_estimates_fall_as_question_3_says(ran):
    printed = re.search(r"the bounds (\S+), (\S+), (\S+) and (\S+)\. They fall", PROSE).groups()
    assert [float(each) for each in printed] == pytest.approx(ran.names["falling"], abs=PRINTED)


def test_draws_are_noise_and_temperature_spreads_samples_as_printed(ran):
    assert agrees(re.search(r"too wide: (\S+ ± \S+) % of its pixels", PROSE)[1], ran.names["extreme"])
    printed = re.search(r"deviation of (\S+ ± \S+), (\S+ ± \S+) and (\S+ ± \S+) grey levels", PROSE).groups()
    for text, values in zip(printed, ran.names["deviations"].values(), strict=True):
        assert agrees(text, values)


def test_the_axes_that_have_collapsed_change_next_to_nothing(ran):
    axes, changes = ran.names["axes"], ran.names["changes"]
    dead = [axis["axis"] for axis in axes if axis["dead"]]
    assert dead == [1, 4, 8, 9]
    assert all(axes[number]["kl"] < 0.05 for number in dead)
    assert f"axis 5, with {axes[5]['kl']:.2f} nats" in PROSE
    printed = re.search(r"by more than (\d+) of 255 levels; axis 5, .*? changes one by (\d+)", PROSE).groups()
    # A change is between two levels, each of which another processor may round differently.
    assert abs(max(changes[number] for number in dead) - int(printed[0])) <= 2
    assert abs(changes[5] - int(printed[1])) <= 2


def test_neighbours_of_the_plane_are_of_one_class_as_often_as_printed(ran):
    printed = re.search(r"(\d+) % have one class\. If the cells were shuffled, (\d+) % would", PROSE).groups()
    # Half of the last digit, and one cell whose nearest image changes: 4 of 420 pairs, 1 %.
    assert abs(ran.names["same"] - int(printed[0])) <= 1.5
    assert abs(ran.names["shuffled"] - int(printed[1])) <= 1.5


@pytest.mark.parametrize("name", ["example 0", "shirt.jpg", "black.png"])
def test_the_scores_of_the_images_are_those_measured(ran, name):
    first = {"example 0": "[example 0]", "shirt.jpg": "[`shirt.jpg`]", "black.png": "[`black.png`]"}[name]
    for printed, values in zip(row(first, section(7)), ran.names["unusual"][name].values(), strict=True):
        assert agrees(printed, values)


def test_every_question_has_its_answer_and_a_class_has_three_more():
    asked = re.findall(r"^\*\*Question (\d+)\.\*\*", PAGE, re.MULTILINE)
    assert asked == re.findall(r"^## (\d+)\. ", PAGE, re.MULTILINE) == list("1234567")
    answers, rest = PAGE.split("\n## Answers\n")[1].split("\n## Three questions for a class\n")
    assert re.findall(r"^(\d+)\. ", answers, re.MULTILINE) == asked
    assert re.findall(r"^(\d+)\. \*\*.*?\*\*", rest, re.MULTILINE) == list("123")


def long_sentences(text):
    text = re.sub(r"^```.*?^```|^\|.*?$|^#.*?$|^ {4}.*?$", ".", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", text)
    sentences = re.split(r"(?<=[.:?!])\*{0,2}\s+|\n\n", text)
    return [sentence for sentence in sentences if len(re.findall(r"\w[\w'/.-]*", sentence)) >= 25]


def test_every_sentence_has_fewer_than_25_words():
    assert long_sentences("\n\n".join([PAGE, *sources("markdown")])) == []
    assert long_sentences("word " * 25 + ".\n\nShort. " + "word " * 24) == ["word " * 25 + "."]
