"""What every command of ``mmip`` runs, does, and looks like.

Values: names of commands in, a Command out: the function to run ("module:function"), a line of help, an example, and
what an interrupted user can do.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMMANDS", "Command"]

_AGAIN = "nothing was finished; run the same command again"
_RESUME = "run the same command again, without --overwrite, to resume: finished chunks are kept"


@dataclass(frozen=True)
class Command:
    """What a command runs, does, and looks like."""

    run: str
    text: str
    example: str
    again: str = _AGAIN


COMMANDS = {
    "phantom": Command("files:phantom", "make a seeded test image or volume", "mmip phantom -o phantom_512.npy"),
    "encode": Command(
        "files:encode",
        "compress an image into one .mmip file",
        "mmip encode phantom_512.npy -o q10.mmip --quality 10 --roi threshold:9000",
    ),
    "decode": Command(
        "files:decode",
        "decompress an .mmip file, or a part of it",
        "mmip decode q10.mmip -o stage2.npy --stages 2",
    ),
    "compress": Command(
        "stores:compress",
        "compress a volume into a progressive Zarr store",
        "mmip compress phantom3d:64x256x256 volume.zarr --quality 10 --roi threshold:9000",
        _RESUME,
    ),
    "append": Command(
        "stores:append",
        "append time points, or slices in whole chunks, to a store",
        "mmip append phantom3d:64x256x256 volume.zarr",
        "nothing was appended; run the same command again",
    ),
    "extract": Command(
        "stores:extract",
        "decompress a Zarr store, or a part of it",
        "mmip extract volume.zarr -o coarse.npy --stages 1 --scale 8",
    ),
    "fetch": Command(
        "views:fetch",
        "copy the first stages of a store from a folder or a URL",
        "mmip fetch s3://bucket/volume.zarr volume.zarr --stages 1",
        "run the same command again: fetched chunks are kept",
    ),
    "upgrade": Command(
        "views:upgrade",
        "fetch the stages that a copy lacks",
        "mmip upgrade volume.zarr",
        "run the same command again: fetched chunks are kept",
    ),
    "export": Command(
        "views:export",
        "write a store as an OME-Zarr pyramid for any viewer",
        "mmip export volume.zarr volume.ome.zarr",
        "run the same command again: finished chunks are kept",
    ),
    "serve": Command(
        "views:serve",
        "serve a store as OME-Zarr over HTTP, decoded when it is looked at",
        "mmip serve volume.zarr --port 8000",
    ),
    "verify": Command(
        "checks:verify", "say what of a store or an .mmip file is missing or damaged", "mmip verify volume.zarr --json"
    ),
    "repair": Command(
        "checks:repair",
        "code again what is missing or damaged in a store",
        "mmip repair volume.zarr --source phantom3d:64x256x256",
        "run the same command again: repaired chunks are kept",
    ),
    "info": Command("files:info", "show what an .mmip file or a store holds", "mmip info q10.mmip --json"),
    "evaluate": Command(
        "evaluation:evaluate",
        "measure the error of a decoded image, stage by stage",
        "mmip evaluate phantom_512.npy q10.mmip --roi threshold:9000",
    ),
    "plot": Command("", "draw a figure", "mmip plot progressive phantom_512.npy q10.mmip -o stages.png"),
    "progressive": Command(
        "figures:progressive",
        "draw the original, its stages and their errors",
        "mmip plot progressive phantom_512.npy q10.mmip -o stages.png --roi threshold:9000",
    ),
    "roi": Command(
        "figures:roi",
        "draw an image with and without its region at the same bytes, and the errors",
        "mmip plot roi phantom_512.npy q10.mmip --roi threshold:9000 -o roi.png",
    ),
    "error": Command(
        "figures:error",
        "draw decoded images and their errors on one scale",
        "mmip plot error phantom_512.npy q10.mmip plain.mmip -o error.svg",
    ),
    "downstream": Command(
        "figures:downstream",
        "draw what the loss does to segmentation, over bits per sample",
        "mmip plot downstream results --task nuclei -o downstream.png",
    ),
    "throughput": Command(
        "figures:throughput",
        "draw rates of encoding and decoding",
        "mmip plot throughput bench.json -o throughput.png",
    ),
    "rate": Command(
        "figures:rate",
        "draw PSNR against bits per sample of evaluations",
        "mmip plot rate roi_on.json roi_off.json -o rate.png",
    ),
    "bench": Command(
        "bench_command:bench", "measure how fast this machine codes, on CPU and GPU", "mmip bench --device gpu"
    ),
    "run": Command(
        "comparison:run",
        "compare codecs on images: one record for each image, codec and setting",
        "mmip bench run --images phantoms --codecs mmip* jpeg* --targets bits:0.5,1,2,4 --out results",
        "run the same command again: finished records are kept",
    ),
    "report": Command("comparison:report", "write the tables and the page of a run", "mmip bench report results"),
    "stages": Command(
        "comparison:stages",
        "run the four stages of the benchmark: standard images, EM, histology, unseen types",
        "mmip bench stages --out stages",
        "run the same command again: finished records are kept",
    ),
    "seed": Command(
        "comparison:seed", "repeat the study of regions of interest with its figures", "mmip bench seed --out seed"
    ),
    "soft": Command(
        "", "code images of one kind by a codebook that was mined from others", "mmip soft train a -o b.mmsc"
    ),
    "soft prepare": Command(
        "soft_commands:prepare",
        "divide a set into images to train with and images to test with",
        "mmip soft prepare 200/60 bccd prepared",
        "remove what was copied, and run the same command again",
    ),
    "soft train": Command(
        "soft_commands:train", "mine a codebook out of images", "mmip soft train prepared/train -o cells.mmsc"
    ),
    "soft encode": Command(
        "soft_commands:encode",
        "compress an image exactly, by a codebook",
        "mmip soft encode cell.png --codebook cells.mmsc -o cell.mmip",
    ),
    "soft decode": Command(
        "soft_commands:decode",
        "decompress an image that was coded by a codebook",
        "mmip soft decode cell.mmip --codebook cells.mmsc -o cell.npy",
    ),
    "soft evaluate": Command(
        "soft_commands:evaluate", "say what a codebook reaches on test images", "mmip soft evaluate prepared"
    ),
    "migrate": Command(
        "views:migrate", "make arrays of Zarr v2 with a codec of ours arrays of Zarr v3", "mmip migrate old.zarr"
    ),
    "doctor": Command(
        "doctor:doctor", "say what this machine has: device, driver, CuPy, compiler, codecs", "mmip doctor --json"
    ),
    "completion": Command(
        "completion:completion", "print what completes commands and options in a shell", "mmip completion bash"
    ),
    "demo": Command(
        "demo:demo",
        "store a volume, read it back stage by stage, measure and draw it",
        "mmip demo",
    ),
}
