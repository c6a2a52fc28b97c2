"""Whether the signatures of a version's programs have the shapes that its manifest says."""

from app.manifest import Manifest
from app.programs.program import Program, RefusedProgram, Shape

ENCODERS = ("encoder/saved_model.pb", "encoder/assets.extra/encoder.tflite")
DECODERS = ("decoder/saved_model.pb", "decoder/assets.extra/decoder.tflite")

_ANY = -1
_Arrays = dict[str, Shape]  # by name, without the axis of the batch


def check(path: str, program: Program, manifest: Manifest) -> None:
    """Compare what a program tells of its shapes; a size that it leaves open is found out when it is opened.

    Args:
        path: of the program's file inside its version's folder; others than the encoder and decoder pass.
        program: what was read of it.
        manifest: the version's.

    Raises:
        RefusedProgram: a signature is missing, or a shape is another; names the file, the array and both.
    """
    codes: Shape = (manifest.latent_dim,)
    image, noise = manifest.image.shape, manifest.likelihood.noise_shape
    expected: dict[str, tuple[_Arrays, _Arrays]] = {}
    needed: set[str] = set()
    if path in ENCODERS:
        expected = {"encode": ({"images": image}, {"z_mean": codes, "z_log_var": codes})}
        needed = {"encode"}
    elif path in DECODERS:
        expected = {
            "decode": ({"z": codes}, {"image": image}),
            "draw": ({"z": codes, "noise": noise}, {"image": image}),
            "parameters": ({"z": codes}, {"parameters": (*image, _ANY)}),
            "log_prob": ({"z": codes, "images": image}, {"log_prob_per_pixel": image}),
        }
        needed = {"decode", "parameters" if manifest.likelihood.path is not None else "draw"}
    for name in sorted(needed - program.signatures.keys()):
        raise RefusedProgram(f"{path}: no signature {name}")
    for name in sorted(expected.keys() & program.signatures.keys()):
        found = program.signatures[name]
        inputs, outputs = expected[name]
        if odd := sorted(found.inputs.keys() ^ inputs.keys()):
            raise RefusedProgram(f"{path}: {name}: expected {' and '.join(inputs)}; not {odd[0]}")
        for array, shape in {**inputs, **outputs}.items():
            arrays = found.inputs if array in inputs else found.outputs
            if array not in arrays:
                raise RefusedProgram(f"{path}: {name}: gives no {array}")
            _check(f"{path}: {name}: {array}", arrays[array], shape)


def _check(what: str, found: Shape | None, expected: Shape) -> None:
    if found is None:
        return
    agrees = len(found) == 1 + len(expected) and all(
        one == other or _ANY in (one, other) for one, other in zip(found[1:], expected, strict=True)
    )
    if not agrees:
        shown = "(" + ", ".join(["rows", *(str(size) for size in expected)]).replace("-1", "any") + ")"
        raise RefusedProgram(f"{what} is {found}; expected {shown}, as the manifest says")
