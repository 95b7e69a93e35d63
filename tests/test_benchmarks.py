"""The instrument behind the speed claims: its arithmetic, its table and its JSON. Nothing here judges a time."""

import importlib.util
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import cores, cost, machine, paired, peers, registry, report, roof, stats, table
from benchmarks.common import CONVOLUTIONS, Conv
from benchmarks.workers import ImportWorker, Worker, WorkerError


@pytest.fixture
def document():
    """What a run of two rows leaves, one measured and one not there yet."""
    measured = {
        "name": "lenet", "family": "foundation", "threads": 2, "target": 2.0, "status": "measured", "noisy": False,
        "ours": 1e-3, "theirs": 4e-3, "ratio": 4.0, "spread": 0.05, "roof": 5e-4, "our_share": 0.5, "their_share": 0.125, "others": 0.0,
    }  # fmt: skip
    absent = {"name": "attention", "family": "later", "threads": 2, "target": 1.0, "status": "not there yet", "message": "minidl: nothing"}
    return {
        "machine": machine.describe(), "rounds": 3, "sides": ["minidl", "torch"], "rows": [measured, absent],
        "versions": {"minidl": {"version": "0"}, "torch": {"version": "1"}}, "roofs": {"2": {"flops": 2e11, "bandwidth": 3e10}},
    }  # fmt: skip


def test_ratio_is_the_ratio_of_medians():
    result = stats.compare([1.0, 2.0, 9.0], [4.0, 6.0, 8.0])
    assert result["ours"] == 2.0 and result["theirs"] == 6.0 and result["ratio"] == 3.0


def test_spread_is_the_interquartile_range_over_the_median():
    assert stats.spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2.0 / 3.0)
    assert stats.spread([2.0, 2.0, 2.0]) == 0.0


def test_sides_of_different_length_are_refused():
    with pytest.raises(ValueError, match="same number of rounds, got 1 and 2"):
        stats.compare([1.0], [1.0, 2.0])


def test_conv_cost_counts_multiplications_and_additions():
    layer = Conv(2, 3, (8, 8), 4, 3, padding=1)
    (forward,) = cost.conv(layer, backward=False)
    assert forward.flops == 2 * (2 * 8 * 8) * 4 * (3 * 3 * 3)
    assert forward.bytes == 4 * (2 * 3 * 64 + 4 * 27 + 2 * 4 * 64)
    assert len(cost.conv(layer)) == 3 and len(cost.conv(layer, input_grad=False)) == 2


def test_transposed_conv_costs_what_its_forward_twin_costs():
    transposed = Conv(2, 5, (7, 7), 4, 4, stride=2, padding=1, transposed=True)
    twin = Conv(2, 4, transposed.output, 5, 4, stride=2, padding=1)
    assert twin.output == (7, 7)
    assert cost.conv(transposed)[0].flops == cost.conv(twin)[0].flops


def test_roof_takes_the_slower_of_arithmetic_and_memory():
    parts = (cost.Part(flops=100.0, bytes=10.0), cost.Part(flops=1.0, bytes=40.0))
    assert cost.roof_seconds(parts, peak=10.0, bandwidth=4.0) == 10.0 + 10.0


def test_course_volumes_of_the_named_layers():
    assert CONVOLUTIONS["alexnet.conv1"].output == (55, 55)
    assert CONVOLUTIONS["resnet50.stem"].output == (112, 112)
    assert str(CONVOLUTIONS["alexnet.conv1"]) == "8x3x227x227 -> 96 k11 s4"


def test_rows_have_unique_names_targets_and_a_family():
    rows = registry.select()
    assert [*dict.fromkeys(r.family for r in rows), registry.ON_REQUEST] == list(registry.FAMILIES)
    assert {r.family for r in registry.select("layers: resnet50")} == {"layers"}
    assert all(r.target > 0 for r in rows)
    assert [r.name for r in registry.select("matmul")] == ["matmul 256", "matmul 1024"]
    with pytest.raises(ValueError, match="two rows named 'matmul 256'"):
        registry.add(registry.select("matmul 256")[0])


def test_table_lines_are_aligned_and_absent_rows_say_why(document):
    header = report.header(10, "minidl", "torch")
    measured, absent = (report.line(row, 10, "minidl", "torch") for row in document["rows"])
    assert len(header) == len(measured)
    assert measured.split() == ["lenet", "2", "1.00", "4.00", "4.00", "5%", "2.00", "ok", "0.500", "0.50", "0.12"]
    assert absent.endswith("not there yet: minidl: nothing")
    assert report.summary(document["rows"]) == "1 of 1 measured rows reach their target; 1 not there yet"


def test_a_draw_depends_on_its_seed_alone_and_keeps_the_order():
    words = ["--rows", "layers: ", "--draw", "20"]
    first, again, other = (peers.chosen(peers.arguments([*words, "--seed", seed])) for seed in "445")
    assert first == again != other and len(first) == 20
    everything = registry.select("layers: ")
    assert [r for r in everything if r in first] == first


def test_several_rows_are_summed_up_by_their_geometric_mean(document):
    row = document["rows"][0]
    assert "geometric mean of the ratios 2.00, least 1.00 (slow)" in report.summary([row, row | {"ratio": 1.0, "name": "slow"}])


def test_a_busy_machine_is_named(document):
    row = document["rows"][0] | {"others": 0.5}
    assert "do not quote" in report.summary([row])
    assert report.verdict(row | {"noisy": True, "ratio": 1.0}) == "below~"


def test_markdown_table_names_machine_versions_and_rows(document, tmp_path):
    text = table.markdown(document)
    assert document["machine"]["cpu"] in text and "torch 1" in text and "200 GFLOP/s" in text
    assert "| lenet | 2 | 1.00 | 4.00 | 4.00 | 5% | 0.50 | 0.12 |" in text and "attention" not in text
    results, page = tmp_path / "results.json", tmp_path / "page.md"
    results.write_text(json.dumps(document))
    page.write_text(f"before\n{table.MARKS[0]}\nold\n{table.MARKS[1]}\nafter\n")
    assert table.main([str(results), "--write", str(page)]) == 0
    assert page.read_text() == f"before\n{table.MARKS[0]}\n{text}\n{table.MARKS[1]}\nafter\n"


def test_a_page_without_marks_is_left_alone(document, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no marks")
    with pytest.raises(SystemExit, match="must hold the marks"):
        table.write_between_marks(str(page), "text")
    assert page.read_text() == "no marks"


def test_roof_of_one_thread_is_measured_in_its_own_process():
    limit = roof.in_own_process(1)
    assert limit["threads"] == 1 and limit["flops"] > 1e8 and limit["bandwidth"] > 1e8


def test_paired_run_of_minidl_with_itself(tmp_path, capsys):
    path = tmp_path / "results.json"
    words = ["--peer", "minidl", "--rows", "chain|matmul 256", "--rounds", "2", "--seconds", "0.002", "--threads", "1", "--json", str(path)]
    assert peers.main(words) == 0
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith("chain of 100 multiplications") for line in printed)
    results = json.loads(path.read_text())
    assert [row["status"] for row in results["rows"]] == ["measured", "measured"]
    for row in results["rows"]:
        assert [len(side) for side in row["samples"]] == [2, 2]
        assert row["ratio"] == pytest.approx(row["theirs"] / row["ours"])
    assert results["rows"][1]["our_share"] > 0 and results["versions"]["minidl"]["version"]


def test_worker_reports_an_error_and_survives_it():
    worker = Worker("minidl", 1)
    try:
        with pytest.raises(WorkerError, match="KeyError"):
            worker.ask("build", row="no such row")
        assert worker.alive and worker.ask("drop") == {}
    finally:
        worker.close()
    assert not worker.alive


def test_worker_for_an_unknown_library_says_so():
    with pytest.raises(WorkerError, match="nosuchlibrary cannot be imported"):
        Worker("nosuchlibrary", 1)


def test_results_that_differ_fail_the_row():
    row = registry.select("matmul 256")[0]
    assert paired.disagreement(row, [{"checksums": [1.0]}, {"checksums": [1.001]}]) == ""
    assert "the results differ" in paired.disagreement(row, [{"checksums": [1.0]}, {"checksums": [1.1]}])
    assert "the results differ" in paired.disagreement(row, [{"checksums": [1.0]}, {"checksums": [1.0, 1.0]}])


class Scripted:
    """A worker whose samples last as long as a list says, and a watch on the cores that says what a list says."""

    def __init__(self, answers):
        self.answers, self.busy = iter(answers), 0.0

    def ask(self, do, **arguments):
        return {"seconds": next(self.answers), "busy": 0.0}

    def whole(self):
        return next(self.answers)


def test_rounds_on_shared_cores_are_taken_again():
    ours, theirs = [1.0, 7.0, 8.0, 2.0, 3.0], [2.0, 7.0, 8.0, 4.0, 6.0]
    found = paired.rounds_of((Scripted(ours), Scripted(theirs)), [1, 1], 3, Scripted([True, True, False, True, True, True]))
    assert found["samples"] == [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]
    assert found["whole"] == 1.0 and found["taken_again"] == 2 and found["ratio"] == 2.0


def test_rounds_on_shared_cores_count_when_there_are_no_others():
    found = paired.rounds_of((Scripted([1.0] * 9), Scripted([3.0] * 9)), [1, 1], 3, Scripted([False] * 10))
    assert found["samples"] == [[1.0] * 3, [3.0] * 3] and found["whole"] == 0.0


def test_cores_are_watched_in_a_process_of_their_own():
    watch = cores.Cores(2)
    try:
        assert 0.0 < watch.worker.ask("scaling")["share"] < 2.0
        assert watch.whole() in (True, False) and watch.busy > 0
        watch.worker.process.kill()
        watch.worker.process.wait()
        assert watch.whole() and watch.worker is None  # a watch that died stops no run
    finally:
        watch.close()
    assert cores.Cores(1).whole()


def test_machines_without_whole_cores_are_measured_as_they_are(monkeypatch):
    watch = cores.Cores(2)
    monkeypatch.setattr(watch.worker, "ask", lambda do: {"share": 0.5, "busy": 0.0})
    assert not any(watch.whole() for _ in range(cores.PROBES)) and watch.whole()


def test_import_is_timed_in_fresh_processes():
    worker = ImportWorker("json")
    assert worker.ask("build", row="import") == {"checksums": []}
    assert 0 < worker.ask("sample", calls=1)["seconds"] < 60


def test_machine_is_described_without_its_name():
    described = machine.describe()
    assert described["cpu"] and described["processors"] >= 1 and "hostname" not in described
    busy = machine.busy_seconds()
    assert busy is None or (math.isfinite(busy) and busy >= 0)


def test_short_stress_finds_nothing_wrong():
    command = [sys.executable, "-m", "benchmarks.stress", "--seconds", "1"]
    done = subprocess.run(command, cwd=machine.REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing went wrong" in done.stdout


@pytest.mark.parametrize("module", ["bench_gemm", "bench_conv", "bench_group_conv", "bench_elementwise"])
def test_asv_ops_agree_with_their_oracles(module):
    names = vars(importlib.import_module(f"benchmarks.{module}"))
    for name in {"Matmul", "Linear", "Conv2d", "GroupConv2d", "ReLU", "MaxPool2d", "CrossEntropy"} & names.keys():
        benchmark = names[name]()
        case = benchmark.params[0][0]
        benchmark.setup(case, 1)
        assert benchmark.track_relative_error(case, 1) < 1e-5
        benchmark.time_forward(case, 1)
        assert np.isfinite(benchmark.output.detach().numpy()).all()


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="the instrument measures PyTorch against itself here")
def test_null_run_of_the_peer(capsys):
    assert peers.main(["--library", "torch", "--rows", "mlp", "--rounds", "2", "--seconds", "0.005", "--threads", "1"]) == 0
    assert "mlp sgd" in capsys.readouterr().out
