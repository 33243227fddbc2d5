"""Settings: precedence, refusal of unknown names, the key outside the data."""

import json
import re
from pathlib import Path

import pytest
import yaml

from pipelines.settings import PROJECT, Settings, SettingsError


def test_arguments_win_over_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EQM_HOME", str(tmp_path / "env"))
    assert Settings.load().home == tmp_path / "env"
    assert Settings.load(home=tmp_path / "given", raw=None).home == tmp_path / "given"


def test_an_unknown_name_is_refused_and_the_valid_ones_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EQM_HOOME", "x")
    with pytest.raises(SettingsError, match=r"EQM_HOOME; valid names: .*home"):
        Settings.load()


def test_the_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eqm.toml").write_text('unit_code = "990000"\n')
    assert Settings.load().unit_code == "990000"
    (tmp_path / "eqm.toml").write_text("unit_cod = 1\n")
    with pytest.raises(SettingsError, match="unit_cod"):
        Settings.load()


def test_the_key_never_lies_in_a_data_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="outside"):
        Settings.load(home=tmp_path, pseudonym_key_file=tmp_path / "key")


def test_home_and_raw_lie_beside_each_other(tmp_path: Path) -> None:
    key = tmp_path / "key" / "k"
    for raw, home in (("a", "a/b"), ("a/b", "a"), ("a", "a")):
        with pytest.raises(SettingsError, match="neither"):
            Settings.load(raw=tmp_path / raw, home=tmp_path / home, pseudonym_key_file=key)
    with pytest.raises(SettingsError, match="stand for other things"):
        Settings.load(home=tmp_path / "home [1]", pseudonym_key_file=key)


def test_a_value_that_is_no_json_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQM_STAGES", "{x")
    with pytest.raises(SettingsError, match="stages"):
        Settings.load()


@pytest.mark.parametrize(
    ("models", "why"),
    [
        ({"it's": []}, "pattern"),
        ({"{{ x }}": []}, "pattern"),
        ({"": []}, "pattern"),
        ({"a": ["female", "female"]}, "a term twice"),
        ({"a": ["shoe_size"]}, "shoe_size"),
        ({}, "at least 1"),
    ],
)
def test_a_model_of_value_added_that_cannot_be(
    monkeypatch: pytest.MonkeyPatch, models: dict[str, list[str]], why: str
) -> None:
    monkeypatch.setenv("EQM_VALUE_ADDED_MODELS", json.dumps(models))
    with pytest.raises(SettingsError, match=why):
        Settings.load()


def test_a_model_may_be_named_in_any_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EQM_VALUE_ADDED_MODELS", '{"标准 1": [], "with-girls": ["female"]}')
    assert list(Settings.load().value_added_models) == ["标准 1", "with-girls"]


@pytest.mark.parametrize("months", ['{"least": 0, "most": 60}', '{"least": 24, "most": 12}'])
def test_a_prior_score_is_older_than_the_wave(monkeypatch: pytest.MonkeyPatch, months: str) -> None:
    """Of no months before, a wave would be its own prior, and every score foretold."""
    monkeypatch.setenv("EQM_PRIOR_MONTHS", months)
    with pytest.raises(SettingsError, match="prior_months"):
        Settings.load()


def test_every_setting_is_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_the_documentation_names_every_setting_as_it_is() -> None:
    text = (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)`( \*)? \|", text, re.MULTILINE))
    assert list(rows) == list(Settings.model_fields)
    assert {name for name, star in rows.items() if star} == set(Settings.load().figures())
    for name, field in Settings.model_fields.items():
        (row,) = re.findall(rf"^\| `{name}`.*$", text, re.MULTILINE)
        assert row.endswith(f"| {field.description} |")
        default = field.default
        if isinstance(default, dict):
            default = json.dumps(default)
        if name not in ("raw", "home") and default != "":
            assert f"| `{default}` |" in row


def test_dbts_defaults_are_those_of_the_settings(tmp_path: Path) -> None:
    """Whoever runs dbt by hand gets the figures of a build without settings of its own."""
    given = yaml.safe_load((PROJECT / "dbt_project" / "dbt_project.yml").read_text("utf-8"))["vars"]
    figures = Settings(raw=tmp_path / "raw", home=tmp_path / "home").figures()
    own = figures.keys() & given.keys()
    assert {name: given[name] for name in own} == {name: figures[name] for name in own}
    assert figures.keys() - own == {"unit_name_en", "plan_targets"}
