#!/usr/bin/env bash
# Django's own tests, with Trailkeeper installed and watching all models.
#
#     scripts/django_suite.sh [MODULE...]     a sample, or these modules
#     scripts/django_suite.sh --all           all of them: half an hour on SQLite
#
# The tests are those of the Django that .venv has: its sdist carries them. On the
# database that TRAILKEEPER_TEST_DATABASE_URL names (scripts/postgres.sh), or on SQLite.
# A test that fails fails the script, and so does an event that was dropped.
# docs/guide/writes.md tells what is known of the whole.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/say.sh
source scripts/say.sh

root=$PWD
python=$root/.venv/bin/python
sample=(basic bulk_create update update_only_fields delete delete_regress many_to_many m2m_through m2m_recursive
    model_inheritance transactions transaction_hooks composite_pk async get_or_create force_insert_update
    expressions one_to_one proxy_models many_to_one custom_pk foreign_object)

version=$("$python" -c 'import django; print(django.__version__)')
folder=$root/.venv/django-$version
if [[ ! -d $folder/tests ]]; then
    step "the tests of Django $version"
    rm -rf "$folder.part" && mkdir -p "$folder.part"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
        --dest "$folder.part" "django==$version"
    tar -xzf "$folder.part"/*.tar.gz -C "$folder.part" --strip-components=1
    rm "$folder.part"/*.tar.gz
    mv "$folder.part" "$folder"
fi

modules=("$@")
(($#)) || modules=("${sample[@]}")
[[ ${1:-} == --all ]] && modules=()
step "Django $version's own tests (${#modules[@]} modules; 0 is all of them)"
cd "$folder/tests"
PYTHONPATH=$root/scripts/django_suite "$python" runtests.py \
    --settings=suite_settings --parallel=1 "${modules[@]}"
