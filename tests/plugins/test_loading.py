"""Plugins are loaded one by one: a broken one is skipped with its reason, and the others work."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

HOOKIMPL = "from vocos_plugins.plugins import hookimpl\n"
GOOD = (
    HOOKIMPL
    + """
from vocos_plugins.mel.known import HIFIGAN_22KHZ
import dataclasses

@hookimpl
def vocos_mel_conventions():
    return [dataclasses.replace(HIFIGAN_22KHZ, name="good-16khz", sample_rate=16000)]
"""
)
BROKEN = {
    "absent": "import a_package_that_nobody_has",
    "syntax": "def (:",
    "leaves": "raise SystemExit('not today')",
    "misspelt": HOOKIMPL + "@hookimpl\ndef vocos_mel_convention(): return []",
    "greedy": HOOKIMPL + "@hookimpl\ndef vocos_mel_conventions(toolkit): return []",
    "unmarked": "def vocos_mel_conventions(): return []",
    "fails": HOOKIMPL + "@hookimpl\ndef vocos_checkpoints(): return 1 / 0",
    "lazy": HOOKIMPL + "@hookimpl\ndef vocos_mel_conventions():\n    yield 1 / 0",
    "wrong": HOOKIMPL + "@hookimpl\ndef vocos_mel_conventions(): return ['hifigan-22khz']",
    "nameless": HOOKIMPL
    + """
import dataclasses
from vocos_plugins.mel.known import HIFIGAN_22KHZ
@hookimpl
def vocos_mel_conventions(): return [dataclasses.replace(HIFIGAN_22KHZ, name="")]
""",
    "shapeless": HOOKIMPL + "@hookimpl\ndef vocos_toolkit_adapter(): return object()",
    "partial": HOOKIMPL
    + """
from vocos_plugins.mel.known import HIFIGAN_22KHZ
class Adapter:
    name, toolkit_module, distribution, features = "partial", "json", "json", HIFIGAN_22KHZ
    def wrap(self, vocos, *, source=None, strict=False): return vocos
    def read_convention(self, path): return None
@hookimpl
def vocos_toolkit_adapter(): return Adapter()
""",
}
REASONS = {
    "absent": "No module named 'a_package_that_nobody_has'",
    "syntax": "SyntaxError",
    "leaves": "SystemExit: not today",
    "misspelt": "unknown hook 'vocos_mel_convention'",
    "greedy": "toolkit",
    "unmarked": "mark its functions with @hookimpl",
    "fails": "vocos_checkpoints: ZeroDivisionError",
    "lazy": "vocos_mel_conventions: ZeroDivisionError",
    "wrong": "expected MelConvention values, got 'hifigan-22khz'",
    "nameless": "expected a name, got MelConvention(name=''",
    "shapeless": "lacks name, toolkit_module, distribution, features, wrap, read_convention, export, set_enabled",
    "partial": "lacks export, set_enabled",
}
SURVEY = """
import dataclasses, sys
from vocos_plugins import plugins
conventions = plugins.mel_conventions()
plugins.checkpoint_cards()
states = {each.name: dataclasses.asdict(each) for each in plugins.plugin_states()}
again = plugins.plugin_states()
result = {"states": states, "conventions": sorted(conventions), "modules": sorted(sys.modules)}
"""


@pytest.fixture(scope="module")
def survey(write_distribution, run_python, tmp_path_factory) -> dict[str, Any]:
    """What a process sees if all of these are installed, and two that work, before and after them by name."""
    folder = tmp_path_factory.mktemp("site")
    write_distribution(folder, "many", {"aaa": GOOD, **BROKEN, "zzz": GOOD.replace("good-16khz", "last-16khz")})
    return run_python(SURVEY, folder)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_is_remembered_with_its_reason(survey, name) -> None:
    """The reason is kept whether it fails on import, on registration or when its hook is called."""
    state = survey["result"]["states"][name]
    assert state["state"] == "broken"
    assert REASONS[name] in state["reason"]
    assert (state["entry_point"], state["distribution"]) == (f"many_{name}", "many")
    assert state["hooks"] == []


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_warned_about_once(survey, name) -> None:
    """One warning has its module, its distribution and the reason, however often the hooks are called."""
    (warning,) = [message for message in survey["warnings"] if f"plugin {name!r}" in message]
    assert f"many_{name} of many" in warning
    assert REASONS[name] in warning


def test_the_others_go_on(survey) -> None:
    """The plugins before and after a broken one are loaded, and so is the core."""
    states = survey["result"]["states"]
    assert states["aaa"]["state"] == states["zzz"]["state"] == states["core"]["state"] == "loaded"
    assert {"good-16khz", "last-16khz", "hifigan-22khz"} <= set(survey["result"]["conventions"])
    assert len(survey["warnings"]) == len(BROKEN)


def test_a_misspelt_hook_is_answered_with_the_right_ones(survey) -> None:
    """Its error lists the hooks; pluggy alone would ignore it in silence."""
    assert "vocos_mel_conventions, vocos_checkpoints" in survey["result"]["states"]["misspelt"]["reason"]


def test_nothing_is_loaded_on_import(write_distribution, run_python, tmp_path) -> None:
    """``import vocos_plugins`` looks for no plugin; the first call of a hook does."""
    write_distribution(tmp_path, "early", {"early": GOOD})
    outcome = run_python(
        "import sys, vocos_plugins, vocos_plugins.plugins, vocos_plugins.apps.cli\n"
        "before = 'early_early' in sys.modules\n"
        "vocos_plugins.plugins.mel_conventions()\n"
        "result = [before, 'early_early' in sys.modules]",
        tmp_path,
    )
    assert outcome["result"] == [False, True]


def test_disabled_plugins_are_not_imported(write_distribution, run_python, tmp_path) -> None:
    """They are listed as disabled, whatever is wrong with them, and an unknown name is pointed out."""
    write_distribution(tmp_path, "off", {"off": "raise RuntimeError('imported')", "on": GOOD})
    outcome = run_python(SURVEY, tmp_path, disable=" off, oof,")
    states = outcome["result"]["states"]
    assert states["off"]["state"] == "disabled"
    assert states["off"]["reason"] is None
    assert states["on"]["state"] == "loaded"
    assert "off_off" not in outcome["result"]["modules"]
    (warning,) = outcome["warnings"]
    assert warning.startswith("VOCOS_PLUGINS_DISABLE: unknown plugin 'oof'; did you mean 'off'?")


def test_two_plugins_of_one_name(write_distribution, run_python, tmp_path) -> None:
    """The second is skipped, and the reason names the first: nothing says which of them is meant."""
    write_distribution(tmp_path, "first", {"same": GOOD})
    write_distribution(tmp_path, "second", {"same": GOOD})
    outcome = run_python(
        "from vocos_plugins import plugins\n"
        "result = [[s.distribution, s.state, s.reason] for s in plugins.plugin_states() if s.name == 'same']",
        tmp_path,
    )
    (_, state, reason), (other, other_state, other_reason) = outcome["result"]
    assert (state, reason, other_state) == ("loaded", None, "broken")
    assert "its name is already used by 'same' (" in other_reason
    assert f"'same' ({other}_same of {other})" in outcome["warnings"][0]


def test_reset_looks_again(write_distribution, run_python, tmp_path) -> None:
    """A plugin that was installed meanwhile is found after a reset, not before."""
    write_distribution(tmp_path / "later", "later", {"later": GOOD})
    outcome = run_python(
        "import sys\n"
        "from vocos_plugins import plugins\n"
        "names = lambda: [state.name for state in plugins.plugin_states()]\n"
        "names()\n"
        f"sys.path.insert(0, {str(tmp_path / 'later')!r})\n"
        "before = 'later' in names()\n"
        "plugins.reset()\n"
        "result = [before, 'later' in names()]",
    )
    assert outcome["result"] == [False, True]


def test_states_are_plain_data() -> None:
    """States are frozen."""
    from vocos_plugins.plugins import plugin_states

    states = plugin_states()
    assert states
    with pytest.raises(dataclasses.FrozenInstanceError):
        states[0].name = "other"
