"""``vitrine models``: what the store holds, and changes to it. The bare command lists."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from app.commands.columns import aligned, size_in_words
from app.commands.exits import EXIT_FAILURE, EXIT_NO_MODEL, EXIT_UNREACHABLE, EXIT_USAGE, errors_leave, leave

if TYPE_CHECKING:
    from app.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])

STORE_OPTION = click.option("--model-store", type=click.Path(), help="Folder with the models, or an address.")
JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
MEMORY_OPTION = click.option("--memory", is_flag=True, help="Open each, and say how much memory that takes.")


@click.group(invoke_without_command=True)
@STORE_OPTION
@JSON_OPTION
@MEMORY_OPTION
@click.pass_context
def models(context: click.Context, model_store: str | None, as_json: bool, memory: bool) -> None:
    """List the models of the store, or change what is in it.

    \b
    vitrine models                      every version, checked against its checksums
    vitrine models show fashion
    vitrine models verify               every check of a start; exit code 1 if one fails
    vitrine models import faces --encoder encoder.keras --decoder decoder.keras --images pictures
    vitrine models promote fashion@8 --canary --share 0.1
    vitrine models promote fashion@8
    vitrine models rollback fashion
    vitrine models remove fashion@6
    vitrine models push fashion@8 https://models.example/store
    vitrine models pull hf://owner/repo fashion@8
    """  # noqa: D301  \b is click's mark for "keep these lines"
    context.obj = {"model_store": model_store, "as_json": as_json}
    if context.invoked_subcommand is None:
        context.invoke(list_models, model_store=model_store, as_json=as_json, memory=memory)
    elif memory:
        raise click.UsageError("--memory goes with the list alone.")


def with_store(command: Function) -> Function:
    """Give a command the options that all of them have, which may also stand before its name."""
    return STORE_OPTION(JSON_OPTION(command))


def settings_for(model_store: str | None) -> "Settings":
    """Return the settings, with the store that this command or the group was given."""
    from app.settings import load_settings

    folder = model_store or (click.get_current_context().find_object(dict) or {}).get("model_store")
    return load_settings(**({} if folder is None else {"model_store": folder}))


def read_from(settings: "Settings") -> Path:
    """Return the store's folder, for a command that reads it; a store elsewhere is brought up to date."""
    from app.mirror import stores

    return stores.folder_of(settings)


def changed_in(settings: "Settings") -> Path:
    """Return the store's folder, for a command that changes it; ends where the store is elsewhere."""
    if isinstance(settings.model_store, Path):
        return settings.model_store
    return leave(
        EXIT_USAGE, f"{settings.model_store}: only a folder is changed; vitrine models push goes there"
    )


def tell(found: dict[str, Any], lines: list[str], as_json: bool) -> None:
    """Print what a command found: as JSON, or in lines for people."""
    if as_json or (click.get_current_context().find_object(dict) or {}).get("as_json"):
        click.echo(json.dumps(found, indent=2))
    else:
        for line in lines:
            click.echo(line)


@contextmanager
def refusals_leave() -> Iterator[None]:
    """Turn what is wrong with settings, store, labels or another store into a message and an exit code."""
    from app.labels import InvalidLabels
    from app.registry.refusals import NotAllowed, NotThere, Refused, Unreachable
    from app.store import InvalidVersion

    try:
        with errors_leave():
            yield
    except NotAllowed as error:
        leave(EXIT_USAGE, str(error))
    except NotThere as error:
        leave(EXIT_NO_MODEL, str(error))
    except Unreachable as error:
        leave(EXIT_UNREACHABLE, str(error))
    except (Refused, InvalidLabels, InvalidVersion) as error:
        leave(EXIT_FAILURE, str(error))


@models.command("list")
@with_store
@MEMORY_OPTION
@refusals_leave()
def list_models(model_store: str | None, as_json: bool, memory: bool) -> None:
    """List the store's models, every file checked against its checksum, and what was deleted."""
    from app import store
    from app.registry import catalogue

    settings = settings_for(model_store)
    folder = read_from(settings)
    found = store.scan(folder, trusted=settings.trusted)
    known = {name: catalogue.labels_of(folder / name) for name in found.versions}
    listed = []
    for version in found.all:
        entry = catalogue.entry_of(version, settings.runtime, known[version.name][0])
        if memory:
            entry["memory_bytes"] = _memory_of(settings, version.reference, entry["runtime"])
        listed.append(entry)
    for warning in (found.warning, *(warning for _, warning in known.values())):
        if warning:
            click.echo(warning, err=True)
    deleted = [{"model": pinned, "digest": digest} for pinned, digest in found.deleted.items()]
    lines = aligned([_cells(entry) for entry in listed])
    lines += [f"{each['model']}  deleted" for each in deleted]
    tell({"models": listed, "rejected": found.rejected, "deleted": deleted}, lines, as_json)
    if not as_json:
        for rejected, reason in found.rejected.items():
            click.echo(f"{rejected}  not served: {reason}", err=True)


def _cells(entry: dict[str, Any]) -> list[str]:
    """Return what is said of a version to people, cell by cell."""
    cells = [
        entry["model"],
        " x ".join(map(str, entry["image_shape"])),
        f"{entry['latent_dim']} axes",
        f"digest {entry['digest'][:12]}",
    ]
    if "memory_bytes" in entry:
        taken = entry["memory_bytes"]
        cells.append("" if taken is None else f"memory {taken / 1e6:.0f} MB")
    return [*cells, ", ".join([*entry["labels"], entry["runtime"] or entry["reason"]])]


def _memory_of(settings: "Settings", reference: str, runtime: str | None) -> int | None:
    """Return the bytes that opening a version takes, measured in a process of its own; None if nobody can."""
    from app import bench

    return None if runtime is None else bench.memory_of(settings, reference)


@models.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@with_store
@refusals_leave()
def show(reference: str, model_store: str | None, as_json: bool) -> None:
    """Say all that is known of a version; of a bare name, of the one that answers to it."""
    from app import store
    from app.registry import catalogue

    settings = settings_for(model_store)
    folder = read_from(settings)
    found = store.scan(folder, trusted=settings.trusted)
    name = reference.partition("@")[0]
    known, warning = catalogue.labels_of(folder / name)
    stable = catalogue.stable_number(found, name, known)
    version = found.find(f"{name}@{stable}" if reference == name and stable else reference)
    details = catalogue.details_of(version, settings.runtime, known)
    details["answers_to_name"] = version.number == stable
    details["memory_bytes"] = _memory_of(settings, version.reference, details["runtime"])
    if warning:
        click.echo(warning, err=True)
    tell(details, aligned(list(_rows(details))), as_json)


def _rows(details: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is said of a version to people: what, and how much or which."""
    labels = details["labels"] + (["answers to the bare name"] if details["answers_to_name"] else [])
    likelihood, prior, data = details["likelihood"], details["prior"], details["data"]
    numbers = "".join(f", {key} {value}" for key, value in likelihood["parameters"].items())
    classes = f", classes {', '.join(prior['classes'])}" if prior["classes"] else ""
    memory = details["memory_bytes"]
    parts = ", ".join(f"{part} {size_in_words(size)}" for part, size in details["bytes_by_part"].items())
    carries = [
        f"{details['examples']} examples",
        *(what for what in ("scores", "map", "selftest") if details[what]),
    ]
    yield "model", details["pinned"]
    yield "labels", ", ".join(labels) or "none"
    yield "images", f"{' x '.join(map(str, details['image_shape']))}, ground {details['ground']}"
    yield "axes", f"{details['latent_dim']}, KL {' '.join(f'{kl:.2f}' for kl in details['axes_kl'])} nats"
    yield "p(x given z)", f"{likelihood['name']}{numbers}"
    yield "p(z)", f"{prior['name']}{classes}"
    yield "samples", f"show the {details['samples_render']} unless asked otherwise"
    yield "carries", ", ".join(carries)
    if isinstance(data, dict):
        yield "data", str(data.get("name"))
    yield "runtime", details["runtime"] or details["reason"]
    yield "memory", "unknown" if memory is None else f"{memory / 1e6:.0f} MB once opened"
    yield "size", f"{size_in_words(details['bytes'])} in {details['files']} files: {parts}"
    yield "digest", details["digest"]
    yield "signed by", details["signed_by"] or "nobody"
    yield "card", details["card"] or "none"
    yield "folder", details["folder"]


@models.command()
@click.argument("reference", metavar="[NAME[@VERSION]]", required=False)
@with_store
@refusals_leave()
def verify(reference: str | None, model_store: str | None, as_json: bool) -> None:
    """Check versions as a start of the service does: manifest, every checksum, digest, number, labels.

    Exit code 0 if everything is as it was published, 1 with the reasons if not.
    """
    from app import store
    from app.registry import catalogue

    settings = settings_for(model_store)
    folder = read_from(settings)
    found = store.survey(folder, trusted=settings.trusted)
    right = [version.reference for version in found.all]
    wrong = {path.replace("/", "@"): reason for path, reason in found.rejected.items()}
    for name in sorted(found.names):
        if warning := catalogue.labels_of(folder / name)[1]:
            wrong[f"{name}@labels"] = warning
    if found.warning:
        wrong["published.jsonl"] = found.warning
    if reference is not None:
        right = [each for each in right if _belongs(each, reference)]
        wrong = {each: reason for each, reason in wrong.items() if _belongs(each, reference)}
        if not right and not wrong:
            right = [found.find(reference).reference]  # by its digest; or says why not
    if not right and not wrong:
        leave(EXIT_NO_MODEL, f"{folder}: no version to verify")
    lines = aligned([*((each, "ok") for each in right), *wrong.items()])
    tell({"verified": right, "rejected": wrong}, lines, as_json)
    if wrong:
        sys.exit(EXIT_FAILURE)


def _belongs(version: str, reference: str) -> bool:
    """Whether a finding, as NAME@VERSION, is about what a reference without a digest means."""
    return version == reference or version.partition("@")[0] == reference


@models.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option("--canary", is_flag=True, help="Give it a share of the requests for the bare name alone.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    help="Of the requests for the bare name, with --canary; 0.1 if not given.",
)
@with_store
@refusals_leave()
def promote(
    reference: str, canary: bool, share: float | None, model_store: str | None, as_json: bool
) -> None:
    """Make a version the one that the bare name means; of a bare name, its newest.

    The former one is kept as previous, for vitrine models rollback.
    """
    from app import store
    from app.registry import catalogue, labelling

    if share is not None and not canary:
        raise click.UsageError("--share goes with --canary.")
    settings = settings_for(model_store)
    folder = changed_in(settings)
    found = store.scan(folder, trusted=settings.trusted)
    version = catalogue.newest_or_named(found, reference)
    wanted = (0.1 if share is None else share) if canary else None
    _tell_labels(version.folder.parent, labelling.promote(version, found, wanted), as_json)


@models.command()
@click.argument("name")
@with_store
@refusals_leave()
def rollback(name: str, model_store: str | None, as_json: bool) -> None:
    """Make the version that was stable before stable again; a canary ends."""
    from app import store
    from app.registry import labelling

    settings = settings_for(model_store)
    folder = changed_in(settings)
    found = store.scan(folder, trusted=settings.trusted)
    model = found.find(name).folder.parent
    _tell_labels(model, labelling.rollback(model, found), as_json)


def _tell_labels(model: Path, known: Any, as_json: bool) -> None:
    """Print the labels of a model."""
    canary = f", canary {known.canary} for {known.canary_share:.0%} of its requests" if known.canary else ""
    previous = f", previous {' '.join(map(str, known.previous))}" if known.previous else ""
    tell(
        {"model": model.name} | known.model_dump(),
        [f"{model.name}: stable {known.stable}{canary}{previous}"],
        as_json,
    )


@models.command()
@click.argument("reference", metavar="NAME@VERSION")
@click.option("--force", is_flag=True, help="Even the version that answers to the bare name, or by default.")
@with_store
@refusals_leave()
def remove(reference: str, force: bool, model_store: str | None, as_json: bool) -> None:
    """Delete a version. Its number stays taken, and its addresses answer 410."""
    from app import store
    from app.registry import removing

    settings = settings_for(model_store)
    folder = changed_in(settings)
    found = store.survey(folder, trusted=settings.trusted)
    done = removing.remove(folder, reference, found, settings.default_model, force)
    tell(
        done._asdict(), [f"removed {done.model}, digest {done.digest}, {size_in_words(done.bytes)}"], as_json
    )
