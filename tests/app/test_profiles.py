import json

import pytest

from app import profiles
from app.profiles import Profile, ProfileError, Rate


def rate(worker_threads, threads, small=100.0, large=100.0):
    rates = {"64 x 21": small, "4 x 400": large}
    return Rate(worker_threads=worker_threads, inference_threads=threads, images_per_second=rates)


def profile(cores=4):
    return Profile(
        cores=cores,
        processor="a processor",
        model="fake@1",
        digest="0" * 64,
        runtime="fake",
        worker_threads=2,
        inference_threads=2,
        rates=(rate(1, 1), rate(2, 2, 200.0, 300.0)),
    )


@pytest.fixture(autouse=True)
def four_cores(monkeypatch):
    monkeypatch.setattr(profiles, "available_cores", lambda: 4)


def test_a_profile_is_read_as_it_was_written(tmp_path):
    profiles.write(tmp_path / "profile.json", profile())
    assert profiles.read(tmp_path / "profile.json") == profile()


def test_the_overall_rate_is_that_of_as_many_images_by_every_load():
    # 600 images at 200 a second and 600 at 300 a second take 3 and 2 seconds.
    assert rate(1, 1, 200.0, 300.0).overall == pytest.approx(1200 / 5)


@pytest.mark.parametrize("cores", [3, 8])
def test_a_profile_of_another_number_of_cores_is_refused_with_the_remedy(tmp_path, cores):
    profiles.write(tmp_path / "profile.json", profile(cores))
    with pytest.raises(ProfileError, match=f"made for {cores}, and this process may use 4.*bench --tune"):
        profiles.read(tmp_path / "profile.json")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"worker_threads": 0}, "worker_threads: "),
        ({"inference_threads": "many"}, "inference_threads: "),
        ({"format_version": 2}, "format_version: "),
        (
            {"rates": [{"worker_threads": 1, "inference_threads": 1, "images_per_second": {}}]},
            "rates.0.images_per_second",
        ),
        (
            {"rates": [{"worker_threads": 1, "inference_threads": 1, "images_per_second": {"64 x 21": 0}}]},
            "64 x 21",
        ),
    ],
)
def test_a_malformed_profile_is_refused_by_the_key_at_fault(tmp_path, changes, complaint):
    content = profile().model_dump(mode="json") | changes
    (tmp_path / "profile.json").write_text(json.dumps(content))
    with pytest.raises(ProfileError, match=f"{complaint}.*bench --tune"):
        profiles.read(tmp_path / "profile.json")


def test_what_is_no_json_or_no_file_is_refused(tmp_path):
    (tmp_path / "profile.json").write_text("worker_threads = 2")
    with pytest.raises(ProfileError, match=r"Invalid JSON.*bench --tune"):
        profiles.read(tmp_path / "profile.json")
    with pytest.raises(ProfileError, match=r"cannot be read \(No such file.*bench --tune"):
        profiles.read(tmp_path / "another.json")


def test_the_expectation_is_the_rate_of_the_combination_in_force():
    assert profile().expectation("0" * 64, "fake", 2, 2).startswith("expecting about 240 images/s")
    assert profile().expectation("0" * 64, "fake", 1, 1).startswith("expecting about 100 images/s")


def test_nothing_is_expected_of_what_was_not_measured():
    for digest, runtime, worker_threads in (
        ("1" * 64, "fake", 2),
        ("0" * 64, "other", 2),
        ("0" * 64, "fake", 3),
    ):
        assert profile().expectation(digest, runtime, worker_threads, 2).startswith("no rate is known")
