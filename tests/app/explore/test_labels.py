import numpy as np
import pytest

from app.explore.labels import MAX_LABEL_CHARACTERS, find_label, label_of
from app.models import Model
from app.store import scan
from tests.app.explore.asking import faults
from tests.fakes import MIXTURE, FakeRuntime, write_version


def of_names(folder, names, component_class=(0, 1)):
    """The fake model with these classes; the components of ``MIXTURE`` belong to the classes of these numbers."""
    mixture = MIXTURE | {"component_class": np.array(component_class)}
    prior = {"name": "gaussian_mixture", "path": "prior.npz", "classes": names}
    write_version(folder, mixture=mixture, prior=prior)
    return Model(scan(folder).find("fake"), FakeRuntime())


@pytest.mark.parametrize(
    "typed",
    [
        "\u00c9t\u00e9",
        "E\u0301te\u0301",
        "\u00e9t\u00e9",
        "e\u0301TE\u0301",
        "\u200f\u00c9t\u00e9",
        " \u00c9t\u00e9\u00a0",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("written", ["\u00c9t\u00e9", "E\u0301te\u0301"], ids=["NFC", "NFD"])
def test_a_class_is_found_in_whatever_form_its_name_is_typed_and_was_written(tmp_path, typed, written):
    assert find_label(of_names(tmp_path, ("hiver", written)), typed) == 1


def test_a_name_of_digits_comes_before_a_number(tmp_path):
    model = of_names(tmp_path, ("2", "1", "0"), component_class=(0, 2))
    assert find_label(model, "0") == 2
    assert find_label(model, "2") == 0


@pytest.mark.parametrize("label", ["\u0661", "\uff11", "\u0967", "1\u0661", "\u00b9", "+1", "1_0"], ids=ascii)
def test_a_number_has_digits_of_ascii_alone(tmp_path, label):
    model = of_names(tmp_path, ("a", "b"), component_class=(0, 1))
    assert find_label(model, "1") == find_label(model, "01") == 1
    assert faults(find_label, model=model, label=label).code == "unknown_class"


def test_names_that_differ_in_case_alone_are_found_as_they_are_written_and_in_no_other_case(tmp_path):
    model = of_names(tmp_path, ("Straße A", "straße a", "b"), component_class=(0, 1))
    assert [find_label(model, label) for label in ("Straße A", "straße a")] == [0, 1]
    assert faults(find_label, model=model, label="STRASSE A").code == "unknown_class"
    assert find_label(of_names(tmp_path / "one", ("Straße", "b")), "STRASSE") == 0


def test_two_classes_whose_names_read_alike_are_found_to_the_letter(tmp_path):
    model = of_names(tmp_path, ("E\u0301", "\u00c9"))  # as a version may hold that was published elsewhere
    assert [find_label(model, label) for label in ("E\u0301", "\u00c9", " \u00c9")] == [0, 1, 1]


@pytest.mark.parametrize("label", ["rare", "1", "RARE"])
def test_a_class_without_a_component_is_refused_and_not_offered(tmp_path, label):
    model = of_names(tmp_path, ("common", "rare", "other"), component_class=(0, 2))
    fault = faults(find_label, model=model, label=label)
    assert fault.code == "unknown_class"
    assert "one of common, other" in fault.expected
    assert "never trained on" in fault.remedy


def test_of_a_thousand_classes_a_refusal_names_a_few(tmp_path):
    names = tuple(f"class {number}" for number in range(1000))
    mixture = {name: np.concatenate([MIXTURE[name]] * 500) for name in ("means", "cholesky")}
    mixture |= {"weights": np.full(1000, 0.001), "component_class": np.arange(1000)}
    prior = {"name": "gaussian_mixture", "path": "prior.npz", "classes": names}
    write_version(tmp_path, mixture=mixture, prior=prior)
    expected = faults(find_label, model=Model(scan(tmp_path).find("fake"), FakeRuntime()), label="x").expected
    assert expected.endswith("class 19, ..., or 0..999")


def test_a_refusal_names_the_parameter_in_which_the_class_stood(tmp_path):
    fault = faults(find_label, model=of_names(tmp_path, ("a", "b")), label="c", parameter="of")
    assert (fault.parameter, fault.received) == ("of", "c")


@pytest.mark.parametrize(
    ("typed", "written"), [("HIVER", "hiver"), ("0", "hiver"), ("e\u0301te\u0301", "\u00c9t\u00e9")]
)
def test_a_permanent_address_has_the_name_as_the_manifest_writes_it(tmp_path, typed, written):
    assert label_of(of_names(tmp_path, ("hiver", "\u00c9t\u00e9")), typed) == written


@pytest.mark.parametrize(
    ("length", "is_label"), [(MAX_LABEL_CHARACTERS, True), (MAX_LABEL_CHARACTERS + 1, False)]
)
def test_a_permanent_address_has_the_number_of_a_class_whose_name_is_no_label(tmp_path, length, is_label):
    name = "b" * length
    assert label_of(of_names(tmp_path, ("a", name)), "1") == (name if is_label else "1")


@pytest.mark.parametrize(("name", "written"), [("a~b", "1"), ("a;b", "1"), ("a-b", "a-b")])
def test_an_address_that_cannot_have_every_character_has_the_number(tmp_path, name, written):
    assert label_of(of_names(tmp_path, ("a", name)), "1", without="~;") == written


def test_a_number_that_is_another_class_name_gets_zeros_in_front(tmp_path):
    """A reader of the address would find the other class by its name."""
    model = of_names(tmp_path, ("1", "b" * 101, "01"), component_class=(0, 1))
    written = label_of(model, "001")
    assert written == "001"
    assert find_label(model, written) == 1
