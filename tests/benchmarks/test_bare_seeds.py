import io
import tarfile

from app.jobs.storage import Folder
from app.rendering.job import Job
from app.rendering.shards import draw_shard
from benchmarks import bare_seeds


def test_the_bare_loop_makes_the_images_that_a_shard_holds(tmp_path):
    maker = bare_seeds.opened("fashion-dense@7")
    version = maker.model.version
    job = Job(
        model=version.pinned, digest=version.manifest.digest, first_seed=5, count=4, render=maker.render
    )
    draw_shard(job, 0, maker, Folder(tmp_path))
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "00000.tar").read_bytes())) as file:
        drawn = [file.extractfile(each).read() for each in file if each.name.endswith(".png")]
    assert bare_seeds.draw(maker, range(5, 9)) == drawn
