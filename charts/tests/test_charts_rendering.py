"""What Helm makes of the charts: valid resources, the same each time, as kept in the repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from charts.budget import Request, mebibytes, millicores, requests, total
from charts.render import (
    CHART,
    JOBS,
    OPERATORS,
    OTHER_JOBS,
    ROOT,
    TRAININGS,
    VARIANTS,
    documents,
    drifted,
    helm_template,
    minimal_budget,
    training,
)
from charts.schemas import default_folder, file_name
from charts.tests.renderings import encrypted

from saran.spark.commands import app, train

NODE_MILLICORES, NODE_MEBIBYTES = 2000, 8192


def test_what_is_made_from_the_charts_is_as_they_say() -> None:
    assert [str(path.relative_to(ROOT)) for path in drifted()] == []


def test_a_rendering_holds_no_secret_and_is_the_same_twice() -> None:
    for path in VARIANTS.values():
        first = helm_template(values=(path,))
        helm_template.cache_clear()
        assert helm_template(values=(path,)) == first
        assert not [each for each in documents(first) if each["kind"] == "Secret"]


@pytest.mark.parametrize("chart", [CHART, OPERATORS], ids=lambda path: path.name)
def test_charts_pass_lint(chart: Path) -> None:
    subprocess.run(["helm", "lint", str(chart)], check=True, capture_output=True, timeout=60)


def _against_schemas(found: list[dict[str, Any]]) -> set[str]:
    """Check with kubeconform; kinds for which there is no schema. Skips where nothing can be checked."""
    if shutil.which("kubeconform") is None:
        pytest.skip("no kubeconform in PATH (https://github.com/yannh/kubeconform)")
    folder = default_folder()
    if not (folder / "deployment-apps-v1.json").exists():
        pytest.skip(f"no schemas in {folder}: make them with `python -m charts.schemas --cluster`")
    missing = {each["kind"] for each in found if not (folder / _schema_of(each)).exists()}
    location = f"{folder}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    done = subprocess.run(
        ["kubeconform", "-strict", "-schema-location", location, "-skip", ",".join(sorted(missing)), "-"],
        input=yaml.safe_dump_all(found),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return missing


def _schema_of(document: dict[str, Any]) -> str:
    group, _, version = document["apiVersion"].rpartition("/")
    return file_name(group, version, document["kind"])


def _checked(found: list[dict[str, Any]]) -> None:
    if missing := _against_schemas(found):
        pytest.skip(f"checked, but for kinds without a schema here: {', '.join(sorted(missing))}")


def test_resources_are_what_the_apis_take(variant: list[dict[str, Any]]) -> None:
    _checked(variant)


def test_resources_with_everything_on_are_what_the_apis_take() -> None:
    _checked(encrypted())


@pytest.mark.parametrize("model", TRAININGS)
def test_manifests_to_apply_by_hand_are_what_the_apis_take(model: str) -> None:
    made = training("other", model=model)
    assert made["metadata"]["generateName"] == f"other-train-{model}-"
    assert made["spec"]["arguments"] == [model]
    _checked([{**made, "metadata": {"name": "other"}}])


def test_every_model_that_can_be_trained_is_a_job_of_the_chart() -> None:
    assert set(TRAININGS) == {command.name or command.callback.__name__ for command in train.registered_commands}  # type: ignore[union-attr]


def test_only_the_recommender_is_trained_unasked_and_every_list_model_can_be_submitted() -> None:
    assert _schedules() == {
        "shop-train-recommender": (False, ["recommender"]),
        "shop-train-neighbours": (True, ["neighbours"]),
        "shop-train-content": (True, ["content"]),
        "shop-train-popularity": (True, ["popularity"]),
        "shop-train-blend": (True, ["blend"]),
        "shop-train-classifier": (True, ["classifier"]),
        **_BESIDE,
    }
    wanted = _schedules(
        "visitors.enabled=true",
        "visitors.purchase.arguments={--since,2015-06-01}",
        "lists.enabled=false",
        "training.arguments={--no-evaluate}",
    )
    assert wanted == {
        "shop-train-recommender": (False, ["recommender", "--no-evaluate"]),
        "shop-train-purchase": (False, ["purchase", "--since", "2015-06-01"]),
        "shop-train-segments": (False, ["segments"]),
        **_BESIDE,
    }


_BESIDE: Final = {
    "shop-maintain": (True, ["maintain", "--json"]),
    "shop-features": (True, ["features", "--json"]),
    "shop-evaluate": (True, ["evaluate", "--days", "7", "--models", "als", "--trials", "3", "--store"]),
}


@pytest.mark.parametrize(("job", "part"), OTHER_JOBS.items())
def test_a_job_beside_trainings_is_a_command_that_there_is_and_can_be_switched(job: str, part: str) -> None:
    assert job in {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]
    set_so = _schedules(f"{part}.suspend=false", f"{part}.arguments={{--timeout,1m}}")
    assert set_so[f"shop-{job}"] == (False, [job, "--timeout", "1m"])
    assert f"shop-{job}" not in _schedules(f"{part}.enabled=false")
    found = documents(helm_template(sets=(f"{part}.enabled=false",)))
    assert part not in {each["metadata"].get("labels", {}).get("app.kubernetes.io/component") for each in found}, (
        "policies and users go with the job"
    )
    made = JOBS[job]("other", ())
    assert made["metadata"]["generateName"] == f"other-{job}-"
    assert made["spec"]["mainApplicationFile"] == "local:///opt/saran/jobs/command.py"
    _checked([{**made, "metadata": {"name": "other"}}])


def test_list_models_get_the_key_of_pseudonyms_and_models_of_visitors_do_not() -> None:
    found = documents(helm_template(sets=("visitors.enabled=true",)))
    with_key = {
        each["metadata"]["name"].removeprefix("shop-train-")
        for each in found
        if each["kind"] == "ScheduledSparkApplication"
        and "pseudonyms" in {volume["name"] for volume in each["spec"]["template"]["volumes"]}
    }
    assert with_key == {"recommender", "neighbours", "content", "popularity", "blend", "classifier"}


def _schedules(*sets: str) -> dict[str, tuple[bool, list[str]]]:
    """Whether each schedule is suspended, and the arguments of its job."""
    return {
        each["metadata"]["name"]: (each["spec"]["suspend"], each["spec"]["template"]["arguments"])
        for each in documents(helm_template(sets=sets))
        if each["kind"] == "ScheduledSparkApplication"
    }


def test_a_job_is_named_by_all_that_it_does() -> None:
    def names(*sets: str) -> set[str]:
        return {each["metadata"]["name"] for each in documents(helm_template(sets=sets)) if each["kind"] == "Job"}

    usual = names()
    assert len(usual) == 3
    assert names("api.replicas=2") == usual
    assert len(names("producer.rate=100") & usual) == 2
    assert not names("image.tag=other") & usual


def test_the_minimal_profile_fits_two_cores_and_eight_gibibytes() -> None:
    cpu, memory = total(row for rows in minimal_budget() for row in rows)
    assert cpu <= NODE_MILLICORES
    assert memory <= NODE_MEBIBYTES


def test_requests_are_summed_over_pods_and_containers() -> None:
    asked = {"requests": {"cpu": "250m", "memory": "1Gi"}}
    less = {"requests": {"cpu": 1, "memory": "64Mi"}}
    deployment = {
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{"resources": asked}], "initContainers": [{"resources": less}]}},
        },
    }
    assert requests([deployment]) == [Request("a", 2000, 2048)]
    assert (millicores("0.5"), mebibytes("2g")) == (500, 2048)
