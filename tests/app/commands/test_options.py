import click
import pytest

from app.cli import cli
from app.commands.group import SUMMARIES
from app.commands.options import ADDRESSES, asked_by, parameters_of
from app.http.queries import documented
from app.pictures.formats import FORMATS

OWN = {"out", "force", "as_json", "url", "local", "model_store", "files", "mask", "address"}


@pytest.mark.parametrize("name", sorted(SUMMARIES))
def test_a_command_has_an_option_for_every_parameter_and_its_words(name):
    made = {each.name: each for each in parameters_of(name)}
    taken = [field for each in asked_by(name) for field in documented(each.query)]
    assert set(made) - OWN == {field["name"] for field in taken}
    for field in taken:
        option = made[field["name"]]
        assert f"--{field['name']}" in option.opts
        assert field["description"].removeprefix("1: ") in option.help


def test_no_parameter_of_the_service_has_the_name_of_an_option_of_ours():
    for each in ADDRESSES:
        assert not OWN & {field["name"] for field in documented(each.query)}


def option(command, name):
    return next(each for each in parameters_of(command) if each.name == name)


def test_choices_are_those_of_the_query():
    assert list(option("samples", "render").type.choices) == ["mean", "draw"]
    assert list(option("reconstruct", "format").type.choices) == list(FORMATS)
    assert list(option("encode", "format").type.choices) == ["json", "csv", "npy", "npz"]
    assert list(option("complete", "hide").type.choices) == ["upper", "lower", "left", "right"]
    assert "gif" in option("samples", "format").type.choices


def test_options_of_animations_are_those_of_commands_that_make_some():
    for name in SUMMARIES:
        formats = {each for asked in asked_by(name) for each in asked.query.formats}
        assert ({"fps", "loop"} <= {each.name for each in parameters_of(name)}) == ("gif" in formats), name


@pytest.mark.parametrize(
    ("command", "formats"),
    [
        ("score", "json, csv, npy, npz, png, webp"),
        ("encode", "json, csv, npy, npz"),
        ("inspect", "json"),
        ("samples", ", ".join(FORMATS)),
        ("render", ", ".join(FORMATS)),
    ],
)
def test_the_help_of_out_names_the_formats_that_are_offered(command, formats):
    assert f"its end says the format: {formats}. -" in option(command, "out").help


def test_defaults_stand_in_the_help_and_are_not_sent():
    n = option("samples", "n")
    assert n.help.endswith("[default: 21]")
    assert {"-n", "--n"} == set(n.opts)
    context = cli.commands["samples"].make_context("samples", [])
    assert context.params["n"] is None
    assert "With files: Begin at this point.  [default: image:0]" in option("interpolate", "from").help


def test_a_value_is_said_to_be_what_it_may_be():
    context = click.Context(click.Command("samples"))
    kinds = {
        name: option("samples", name).make_metavar(context) for name in ("n", "temperature", "seed", "of")
    }
    assert kinds == {
        "n": "INTEGER",
        "temperature": "NUMBER",
        "seed": "TEXT",
        "of": "TEXT",
    }  # a seed may be a word


def test_commands_that_send_take_files_and_say_whether_they_need_one():
    def files(name):
        return next((each for each in parameters_of(name) if each.name == "files"), None)

    assert files("samples") is None
    assert not files("reconstruct").required
    assert files("inspect").required
    assert files("encode").required
    assert not files("score").required
    assert [each.name for each in parameters_of("complete")][:2] == ["files", "mask"]
    assert "white where pixels" in option("complete", "mask").help
    assert {name for name in SUMMARIES if "mask" in {each.name for each in parameters_of(name)}} == {
        "complete"
    }
