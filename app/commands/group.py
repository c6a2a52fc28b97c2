"""The commands by their names: what ``vitrine --help`` says of them, without what they need to run."""

from typing import Any

import click

# A command asks at the path of its name, by GET, or with files by POST; render takes the address itself.
SUMMARIES = {
    "samples": "Draw images from the prior, or around a point.",
    "interpolate": "Walk along a latent axis, between points, or between two images.",
    "decode": "Draw points of the latent space, codes, or what images encode to.",
    "reconstruct": "Encode and decode images; those of the model itself without any.",
    "axes": "Draw every latent axis, a strip each.",
    "manifold": "Draw a plane of the latent space.",
    "map": "Draw held-out images at the places of their codes.",
    "directions": "Walk along what some points have that others lack.",
    "encode": "Say what images encode to: their codes, and examples near them; of a folder, a table.",
    "score": "Say how unusual images are; those of the model itself without any; of a folder, a table.",
    "complete": "Draw what may stand where pixels of images are missing.",
    "compare": "Draw the same points by two models.",
    "inspect": "Say how a picture was made, and whether that is true.",
    "render": "Get what any address of the service gives; with --seeds A..B, a data set of images.",
}


class PictureCommand(click.Command):
    """A command whose options are made of what the service takes, when somebody looks at them."""

    def __init__(self, name: str) -> None:
        summary = SUMMARIES[name]
        super().__init__(name, callback=self._run, help=summary, short_help=summary)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options and arguments, made the first time."""
        if not self.params:
            from app.commands.options import parameters_of

            self.params = parameters_of(str(self.name))
        return super().get_params(ctx)

    def _run(self, **given: Any) -> None:
        from app.commands.asking import run

        run(str(self.name), given)


class JobCommand(PictureCommand):
    """A command that does a job in shards as well, which has options of its own."""

    help_of_job = ""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Say where the other help is."""
        formatter.write_paragraph()
        formatter.write_text(self.help_of_job)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Return the context of the one or the other."""
        meant = self.meant_by(args)
        if meant is self:
            return super().make_context(info_name, args, parent, **extra)
        return meant.make_context(info_name, args, parent, **extra)

    def meant_by(self, args: list[str]) -> click.Command:
        """Return the command that these arguments are for."""
        raise NotImplementedError


class RenderCommand(JobCommand):
    """``vitrine render``: what an address gives, or with ``--seeds`` a data set."""

    help_of_job = "vitrine render --seeds A..B --help: drawing a data set."

    def meant_by(self, args: list[str]) -> click.Command:
        """Return the command that these arguments are for."""
        if not any(each == "--seeds" or each.startswith("--seeds=") for each in args):
            return self
        from app.commands.render import render_seeds

        return render_seeds


class TableCommand(JobCommand):
    """``vitrine score`` and ``encode``: of files that are sent, or of all images of a folder or a table."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.help_of_job = f"vitrine {name} FOLDER --help: a table of all images of a folder or a table."

    def meant_by(self, args: list[str]) -> click.Command:
        """Return the command that these arguments are for."""
        from app.commands import tables

        if not tables.is_meant(args):
            return self
        return tables.score_images if self.name == "score" else tables.encode_images


OF_JOBS: dict[str, type[JobCommand]] = {
    "render": RenderCommand,
    "score": TableCommand,
    "encode": TableCommand,
}


def add_to(group: click.Group) -> None:
    """Add every command to a group."""
    for name in SUMMARIES:
        group.add_command(OF_JOBS.get(name, PictureCommand)(name))
