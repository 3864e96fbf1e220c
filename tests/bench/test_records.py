"""Records of a benchmark: whole lines only, none twice, and none of other data or another version."""

from __future__ import annotations

import errno
import json

import pytest

from mmip_gpu.bench.records import RECORDS, RecordFile, as_stored, differing, read_records, record_key, steady
from mmip_gpu.errors import StoreError, UnsupportedVersion


def record(name="a", checksum="01", codec="PNG", version="1", **more):
    image = {"name": name, "checksum": checksum}
    key = record_key(name + checksum, codec, "gray", {"target": "lossless", "value": None}, [])
    return {"version": 1, "key": key, "image": image, "codec": {"name": codec, "version": version}} | more


def test_written_at_once_and_read_back(tmp_path):
    with RecordFile(tmp_path / "new" / "folder") as file:
        file.add(record(psnr=float("inf"), time={"wall": 1.0}))
        (found,) = read_records(tmp_path / "new" / "folder")
        assert found["psnr"] == "inf"
        assert found["key"] in file.keys
    assert "time" not in steady(found)
    assert steady(found)["psnr"] == "inf"


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_torn_last_line_is_dropped(kept, tmp_path):
    with RecordFile(tmp_path) as file:
        file.add(record("a"))
        file.add(record("b"))
    path = tmp_path / RECORDS
    first, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + last[:kept])
    assert [r["image"]["name"] for r in read_records(tmp_path)] == ["a"]
    with RecordFile(tmp_path) as file:
        assert len(file.records) == 1
        file.add(record("c"))
    assert [r["image"]["name"] for r in read_records(tmp_path)] == ["a", "c"]


@pytest.mark.parametrize("line", [b"torn {\n", b"[1]\n", b'{"image": 1}\n', b"\n"])
def test_what_is_no_record_is_named_by_its_line(line, tmp_path):
    with RecordFile(tmp_path) as file:
        file.add(record())
    path = tmp_path / RECORDS
    path.write_bytes(path.read_bytes() + line + path.read_bytes())
    with pytest.raises(StoreError, match="line 2: expected a record"):
        read_records(tmp_path)


def test_other_versions_and_other_data_are_refused(tmp_path):
    with RecordFile(tmp_path) as file:
        file.add(record("ct", "aaaa", "PNG", "1.6"))
    before = (tmp_path / RECORDS).read_bytes()
    with pytest.raises(StoreError, match=r"ct with checksum aaaa, this run has ct with checksum bbbb"):
        RecordFile(tmp_path, [{"name": "ct", "checksum": "bbbb"}])
    with pytest.raises(StoreError, match=r"PNG with version 1.6, this run has PNG with version 1.7"):
        RecordFile(tmp_path, codecs=[{"name": "PNG", "version": "1.7"}])
    RecordFile(tmp_path, [{"name": "mr", "checksum": "bbbb"}], [{"name": "JXL", "version": "1.7"}])
    assert (tmp_path / RECORDS).read_bytes() == before
    (tmp_path / RECORDS).write_text(json.dumps(record() | {"version": 2}) + "\n")
    with pytest.raises(UnsupportedVersion, match="version 2, expected 1"):
        read_records(tmp_path)


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    with RecordFile(tmp_path) as file:
        with pytest.raises(StoreError, match="another run writes into it"):
            RecordFile(tmp_path)
        file.add(record("a"))
    with RecordFile(tmp_path) as file:
        assert len(file.records) == 1


def test_no_results(tmp_path):
    with pytest.raises(StoreError, match=r"holds no records.jsonl"):
        read_records(tmp_path)


def full(_descriptor):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_on_a_full_disk_records_wait_and_no_part_of_a_line_stays(tmp_path, monkeypatch):
    with RecordFile(tmp_path) as file:
        file.add(record("a"))
        before = (tmp_path / RECORDS).read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr("mmip_gpu.bench.records.os.fsync", full)
            file.add(record("b"))
            assert (tmp_path / RECORDS).read_bytes() == before
        file.add(record("c"))
    assert [r["image"]["name"] for r in read_records(tmp_path)] == ["a", "b", "c"]


def test_a_disk_that_stays_full_is_an_error_in_the_end(tmp_path, monkeypatch):
    file = RecordFile(tmp_path)
    file.add(record("a"))
    monkeypatch.setattr("mmip_gpu.bench.records.os.fsync", full)
    file.add(record("b"))
    with pytest.raises(StoreError, match=r"1 records could not be written .No space left on device.: make room"):
        file.close()
    assert [r["image"]["name"] for r in read_records(tmp_path)] == ["a"]


def test_numbers_that_json_has_not():
    values = {"a": float("-inf"), "b": [float("nan"), 1.5], 3: (True, None, "x")}
    assert as_stored(values) == {"a": "-inf", "b": [None, 1.5], "3": [True, None, "x"]}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"time": {"wall": 2.0}}, []),
        ({"machine": {"commit": "b"}}, []),
        ({"bytes": 13}, ["bytes"]),
        ({"metrics": {"psnr_range": 41.0}, "status": "failed"}, ["metrics, status"]),
        ({"reason": "only here"}, ["reason"]),
    ],
)
def test_runs_differ_by_all_but_times(changed, said):
    one = record(bytes=12, metrics={"psnr_range": 40.0}, status="ok", time={"wall": 1.0}, machine={"commit": "a"})
    assert differing([one], [one | changed]) == [f"{one['key']}: {names}" for names in said]
    assert differing([one, record("b")], [one]) == differing([one], [one, record("b")])
    assert len(differing([one, record("b")], [one])) == 1
