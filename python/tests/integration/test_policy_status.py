"""`manage.py trailkeeper status --policy`: what holds for each model and field, and why."""

import io

import pytest
from django.core.management import CommandError, call_command


def lines_of(*args):
    out = io.StringIO()
    call_command("trailkeeper", "status", *args, stdout=out)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


@pytest.fixture
def setting(settings):
    def given(**more):
        settings.TRAILKEEPER = {**settings.TRAILKEEPER, **more}

    return given


def test_each_model_has_the_rule_that_decided(setting):
    setting(POLICY=[("shop.note", "metadata"), ("shop.order.*", "changed")])
    lines = lines_of("--policy")
    assert "shop.note metadata POLICY has ('shop.note', 'metadata')" in lines
    assert "shop.customer full INCLUDE has '*'" in lines
    assert "shop.ignored none EXCLUDE has 'shop.ignored'" in lines
    assert "ledger.scratch none Trail of ledger.scratch has level 'none'" in lines
    assert "trailkeeper.event none the trail does not record itself" in lines


def test_fields_that_differ_are_shown_below_their_model(setting):
    setting(POLICY=[("shop.order.notes", "none")], MASK=["shop.order.number"])
    lines = lines_of("--policy")
    place = lines.index("shop.order full INCLUDE has '*'")
    assert lines[place + 1 : place + 5] == [
        "number full, masked INCLUDE has '*'; MASK has 'shop.order.number'",
        "api_token full, masked INCLUDE has '*'; its name is that of a secret",
        "notes none POLICY has ('shop.order.notes', 'none')",
        "(13 more) full as the model",
    ]


def test_what_else_was_decided_is_shown(setting):
    setting(
        UNCHANGED={"shop.note": "record"},
        TENANT_FIELD={"shop.note": "slug"},
        VETO={"shop.note": "tests.ledger.models.keeps"},
    )
    lines = lines_of("--policy")
    place = lines.index("shop.note full INCLUDE has '*'")
    assert lines[place + 1 : place + 4] == [
        "saves that change nothing record UNCHANGED has 'shop.note'",
        "tenant slug TENANT_FIELD has 'shop.note'",
        "veto asked tests.ledger.models.keeps; VETO has 'shop.note'",
    ]


def test_named_models_show_every_field():
    lines = lines_of("shop.note", "ledger", "--policy")
    assert "slug full INCLUDE has '*'" in lines
    assert "labels none Trail of ledger.entry gives 'labels' 'none'" in lines
    assert not any(line.startswith("shop.order") for line in lines)


def test_a_hundred_models_take_little_more_than_a_line_each():
    from django.apps import apps

    assert len(lines_of("--policy")) < 2.5 * len(apps.get_models())


def test_what_is_not_there_is_told():
    with pytest.raises(CommandError, match="no model is called"):
        lines_of("shop.nothing", "--policy")
    with pytest.raises(CommandError, match="--policy"):
        lines_of("shop.note")
