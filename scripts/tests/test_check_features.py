"""A feature that only the tests switch on must be found before it costs a build."""

from check_features import built_twice

HEAVY = {"digest v0.10.7", "datafusion v55.2.0"}
WHEEL = {"digest v0.10.7 default", "datafusion v55.2.0 sql", "hex v0.4.3 std"}


def test_heavy_package_with_other_features_is_named() -> None:
    tests = WHEEL - {"digest v0.10.7 default"} | {"digest v0.10.7 default,std"}
    assert built_twice(WHEEL, tests, HEAVY) == ["digest v0.10.7 default"]


def test_light_package_may_differ() -> None:
    tests = WHEEL - {"hex v0.4.3 std"} | {"hex v0.4.3 alloc"}
    assert built_twice(WHEEL, tests, HEAVY) == []


def test_tests_may_build_more() -> None:
    assert built_twice(WHEEL, WHEEL | {"proptest v1.0.0 std"}, HEAVY) == []


def test_another_version_of_a_heavy_package_is_another_package() -> None:
    tests = WHEEL | {"digest v0.11.3 oid"}
    assert built_twice(WHEEL | {"digest v0.11.3 default"}, tests, HEAVY) == []
