"""Shards as Parquet, with an image column as Hugging Face's ``datasets`` reads it."""

import io
import json
from collections.abc import Sequence


def table(
    images: Sequence[tuple[bytes, str]],
    labels: Sequence[int | None],
    seeds: Sequence[int],
    classes: Sequence[str],
) -> bytes:
    """Return a Parquet file with the columns image, seed, and label if there are labels.

    Args:
        images: the file and the name of each.
        labels: number of each class; all None: there are none.
        seeds: of each.
        classes: names of the classes.
    """
    import pyarrow  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import pyarrow.parquet  # type: ignore[import-not-found,import-untyped,unused-ignore]

    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    columns = {"image": pyarrow.array([{"bytes": file, "path": name} for file, name in images], image)}
    columns["seed"] = pyarrow.array(seeds, pyarrow.int64())
    features: dict[str, object] = {"image": {"_type": "Image"}, "seed": {"dtype": "int64", "_type": "Value"}}
    if any(label is not None for label in labels):
        columns["label"] = pyarrow.array(labels, pyarrow.int64())
        features["label"] = {"names": [*classes], "_type": "ClassLabel"}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    # Images are compressed already; a compressor would only take time.
    written = io.BytesIO()
    whole = pyarrow.table(columns).replace_schema_metadata(told)
    pyarrow.parquet.write_table(whole, written, compression="none", use_dictionary=False)
    return written.getvalue()
