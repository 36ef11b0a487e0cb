"""`snakemake golden`: a pack for every variant that is an ONNX file, and not part of `all`."""

from snake import run_snakemake


def test_golden_packs_are_of_files_and_not_of_all(project):
    assert "golden_pack" not in run_snakemake(project, "--dry-run").jobs
    result = run_snakemake(project, "golden", "--dry-run")
    assert result.code == 0, result.text
    assert result.jobs["golden"] == 1
    # the config's variants on each of its data sets, without pytorch
    assert result.jobs["golden_pack"] == 3
    assert "time_variants" not in result.jobs


def test_without_an_onnx_file_there_is_no_pack(project):
    config = project / "config/config.yaml"
    text = config.read_text()
    config.write_text(text.replace(", raw, raw_thr]", "]").replace(", raw]", "]"))
    assert config.read_text().count("[pytorch]") == 2
    result = run_snakemake(project, "golden", "--dry-run")
    assert result.code == 1
    assert "cutpoint: golden: no variant is an ONNX file" in result.err
    assert "Traceback" not in result.text
