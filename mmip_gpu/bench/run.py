"""A run of the benchmark: every image with every codec at every setting, each result a record that is written at once.

Values: a results folder, images, names of codecs, tasks and settings in; records out. Guarantees that what fails is a
record with its reason, that a run that was killed goes on where it was, and that a second one adds nothing.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from mmip_gpu.bench.adapters import Codec
from mmip_gpu.bench.codec_registry import codecs
from mmip_gpu.bench.datasets import ImageSet
from mmip_gpu.bench.images import BenchImage, UnusableImage
from mmip_gpu.bench.job import Job, failed
from mmip_gpu.bench.machine import machine_facts
from mmip_gpu.bench.pool import Pool
from mmip_gpu.bench.records import VERSION, Record, RecordFile, record_key
from mmip_gpu.bench.settings import Setting, parse_targets, settings_of
from mmip_gpu.errors import InvalidArgument

__all__ = ["COLOURS", "Run", "run", "tasks_by_labels"]

COLOURS = ("joint", "separate", "luma")
PICTURES = "pictures"


@dataclass(frozen=True)
class Run:
    """What a run measures.

    Parameters
    ----------
    codecs : sequence of str, optional
        Names, patterns and configurations; all that are installed when None.
    tasks : sequence of str, optional
        Scored where an image is for them; all when None.
    targets : sequence of str
        As `parse_targets` takes them.
    colours : sequence of str, optional
        How channels are coded: of "joint", "separate", "luma". When None jointly, separately by codecs that cannot.
    time_limit : float
        Seconds for one setting.
    threads : int
        So many for the times with all threads.
    seconds : float
        Budget for the repeats of one timing.
    workers : int
        So many jobs at a time.
    pictures : bool
        Whether windows of one image of a kind are kept as pictures/*.png for the report.
    similarity : bool
        Whether SSIM and its kin are measured.
    """

    codecs: Sequence[str] | None = None
    tasks: Sequence[str] | None = None
    targets: Sequence[str] = ("bits:0.25,0.5,1,2", "lossless")
    colours: Sequence[str] | None = None
    time_limit: float = 600.0
    threads: int = 1
    seconds: float = 1.0
    workers: int = 1
    pictures: bool = True
    similarity: bool = True

    def __post_init__(self) -> None:
        if not self.time_limit > 0 or min(self.threads, self.workers) < 1:
            given = f"time_limit={self.time_limit}, threads={self.threads}, workers={self.workers}"
            raise InvalidArgument(f"{given}: expected seconds above 0, and at least 1 of the others")


def run(folder: Path, images: ImageSet, wanted: Run) -> list[Record]:
    """Measure what is not measured yet.

    Parameters
    ----------
    folder : pathlib.Path
        For records.jsonl and pictures/; made where it is not there.
    images : ImageSet
        Read twice: the first time for their checksums.
    wanted : Run
        What is measured.

    Returns
    -------
    list of dict
        All records of the folder.

    Raises
    ------
    InvalidArgument
        For names that are not known.
    StoreError
        For a folder of other data, and where records could not be written.
    """
    from tqdm import tqdm

    plan = _Plan(wanted, codecs(wanted.codecs), parse_targets(wanted.targets), tasks_by_labels(wanted.tasks))
    survey = plan.survey(images)
    machine = _machine()
    facts = {codec.name: _codec_facts(codec) for codec in plan.codecs}
    with (
        RecordFile(folder, survey.facts, list(facts.values())) as file,
        Pool(wanted.workers) as pool,
        tqdm(total=len(survey.keys - file.keys), desc="records", disable=None, leave=False) as bar,
    ):
        for image in survey.unusable:
            file.add(_unusable(image) | {"machine": machine})
        pictures = {name: folder / PICTURES for name in survey.shown.values() if wanted.pictures}
        work = plan.work(images, file.keys, pictures)
        for found, job, results in pool.results(work):
            for setting, measured in zip(job.settings, results, strict=True):
                head = _head(_key(found, job, setting), found.facts, facts[job.codec], job.colour, setting)
                file.add(head | measured | {"machine": machine})
                bar.update(1)
    return file.records


@dataclass
class _Survey:
    """What a run is about: facts of images, those that cannot be used, keys of its records, which images are shown."""

    facts: list[Record] = field(default_factory=list)
    unusable: list[UnusableImage] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    shown: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Plan:
    """What is measured of an image."""

    wanted: Run
    codecs: Sequence[Codec]
    settings: Sequence[Setting]
    tasks: Mapping[str, Sequence[str]]

    def jobs(self, image: BenchImage) -> Iterator[Job]:
        """Yield what is done with an image, by every codec in every way to handle colour."""
        wanted, tasks = self.wanted, tuple(self.tasks.get(image.task or "", ()))
        names = None if wanted.codecs is None else tuple(wanted.codecs)
        for codec in self.codecs:
            settings = tuple(settings_of(codec, self.settings))
            for colour in self._colours(codec, image):
                times = (wanted.threads, wanted.seconds, wanted.time_limit)
                yield Job(codec.name, names, colour, settings, tasks, *times, similarity=wanted.similarity)

    def _colours(self, codec: Codec, image: BenchImage) -> Sequence[str]:
        if image.channels == 1:
            return ("gray",)
        if self.wanted.colours is None:
            return ("joint",) if "joint" in codec.colours else ("separate",)
        return [colour for colour in COLOURS if colour in self.wanted.colours and colour in codec.colours]

    def survey(self, images: ImageSet) -> _Survey:
        """Look at all images; of those that are alike, one is shown."""
        found = _Survey()
        for image in images:
            if isinstance(image, UnusableImage):
                found.unusable.append(image)
            else:
                found.facts.append(image.facts)
                found.keys |= {_key(image, job, setting) for job in self.jobs(image) for setting in job.settings}
                found.shown.setdefault((image.dataset, image.group), image.name)
        if not found.keys and not found.unusable:
            raise InvalidArgument("nothing to measure: no codec is for these targets, or there is no image")
        return found

    def work(self, images: ImageSet, done: set[str], pictures: Mapping[str, Path]) -> Iterator[tuple[BenchImage, Job]]:
        """Yield what is not done yet."""
        for image in images:
            if isinstance(image, BenchImage):
                for job in self.jobs(image):
                    todo = tuple(setting for setting in job.settings if _key(image, job, setting) not in done)
                    shown = None if job.colour == "luma" else pictures.get(image.name)
                    if todo:
                        yield image, replace(job, settings=todo, pictures=shown)


def _key(image: BenchImage, job: Job, setting: Setting) -> str:
    return record_key(image.checksum, job.codec, job.colour, setting.facts, job.tasks)


def _head(key: str, image: Record, codec: Record, colour: str, setting: Setting) -> Record:
    return {
        "version": VERSION, "key": key, "image": image, "codec": codec, "colour": colour, "setting": setting.facts
    }  # fmt: skip


def _unusable(image: UnusableImage) -> Record:
    facts = dict.fromkeys(("checksum", "shape", "dtype", "axes", "bits", "group", "licence", "stand_in"))
    facts |= {"name": image.name, "dataset": image.dataset, "jpeg_origin": "unknown"}
    setting = Setting("parameter")
    key = record_key(f"{image.dataset}/{image.name}", "", "gray", setting.facts, ())
    codec = {"name": "", "version": "", "lossless": False, "options": {}}
    return _head(key, facts, codec, "gray", setting) | failed(image.reason)


def _codec_facts(codec: Codec) -> Record:
    return {
        "name": codec.name,
        "version": codec.version,
        "lossless": codec.lossless,
        "options": dict(codec.options),
    }


def tasks_by_labels(names: Sequence[str] | None) -> dict[str, list[str]]:
    """Names of the tasks by what labels are for."""
    from mmip_gpu.bench.tasks import NETWORKS, tasks

    kinds = {name: name for name in tasks} | NETWORKS
    found: dict[str, list[str]] = {}
    for name in tasks if names is None else names:
        kind = kinds.get(name.partition(":")[0])
        if kind is None or (name not in tasks and ":" not in name):
            raise InvalidArgument(f"no task {name!r}: expected {', '.join(tasks)}, {':FOLDER, '.join(NETWORKS)}:FOLDER")
        found.setdefault(kind, []).append(name)
    return found


def _machine() -> Record:
    """What of this machine and its software belongs into every record."""
    facts: Record = dict(machine_facts(Path(__file__).parent))
    for package in ("numpy", "imagecodecs"):
        facts[package] = version(package)
    return facts | {"cores": os.cpu_count(), "python": platform.python_version()}
