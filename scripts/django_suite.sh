#!/usr/bin/env bash
# Django's own tests, with Trailkeeper installed and watching all models.
#
#     scripts/django_suite.sh [MODULE...]     a sample, or these modules
#     scripts/django_suite.sh --all           all of them: half an hour on SQLite
#
# The tests are those of the Django that .venv has: its sdist carries them. On the
# database that TRAILKEEPER_TEST_DATABASE_URL names (scripts/postgres.sh), or on SQLite.
# A test that fails fails the script, unless docs/guide/suites.md names it and says why.
# So does an event that was dropped; of the whole, where tests break their own tables on
# purpose, what was dropped is only told.
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
if [[ ${1:-} == --all ]]; then
    modules=()
    export SUITE_MAY_DROP=1
fi
step "Django $version's own tests (${#modules[@]} modules; 0 is all of them)"
SUITE_FAILED=$(mktemp)
export SUITE_FAILED
trap 'rm -f "$SUITE_FAILED"' EXIT
status=0
(
    cd "$folder/tests"
    PYTHONPATH=$root/scripts/suites:$root/python/src "$python" runtests.py \
        --settings=suite_django --parallel=1 "${modules[@]}"
) || status=$?
# Failed for another reason than a test: the code of suite_report is 3.
if ((status == 3)) || [[ ! -s $SUITE_FAILED ]]; then exit "$status"; fi

# shellcheck disable=SC2016 # the backquotes are those of Markdown
unknown=$(comm -23 "$SUITE_FAILED" <(sed -nE 's/^\| `([A-Za-z0-9_.]+)`.*/\1/p' docs/guide/suites.md | sort))
[[ -z $unknown ]] || die "failed, and docs/guide/suites.md does not say why:" "$unknown"
step "those that failed are named in docs/guide/suites.md"
