"""deployment.py finds what it is there for: each test breaks a copy of the real files in one place."""

import copy
import sys
import unittest
from pathlib import Path

import yaml

import deployment

DOCKER = Path(__file__).parents[2] / "docker"


class Compose(unittest.TestCase):
    def setUp(self):
        self.text = (DOCKER / "compose.yaml").read_text()
        self.example = (DOCKER / ".env.example").read_text()
        self.document = yaml.safe_load(self.text)
        # What a merge key brings in is shared, so a change would reach other services too.
        self.services = copy.deepcopy(self.document["services"])
        self.document["services"] = self.services

    def assert_found(self, problem):
        found = deployment.compose(self.document, self.text, self.example)
        self.assertTrue(any(problem in line for line in found), found)

    def test_the_file_is_right(self):
        self.assertEqual(deployment.compose(self.document, self.text, self.example), [])

    def test_an_unknown_key(self):
        self.services["api"]["imagee"] = "x"
        self.assert_found("'imagee' was unexpected")

    def test_a_second_service_without_a_profile(self):
        del self.services["redis"]["profiles"]
        self.assert_found("one container shall run, not ['cadmill', 'redis']")

    def test_a_dependency_that_is_not_there(self):
        del self.services["s3"]
        self.assert_found("api: depends on s3, which is not there")

    def test_waiting_for_health_that_nobody_checks(self):
        del self.services["redis"]["healthcheck"]
        self.assert_found("worker: waits for redis, which has no health check")

    def test_too_short_a_grace(self):
        self.services["worker"]["stop_grace_period"] = "30s"
        self.assert_found("worker: is killed before its grace")

    def test_an_image_that_can_be_written_to(self):
        del self.services["worker"]["read_only"]
        self.assert_found("worker: may write into its image")

    def test_an_unknown_network(self):
        del self.document["networks"]["backend"]
        self.assert_found("redis: is on backend, which is not there")

    def test_a_variable_that_the_example_lacks(self):
        self.example = self.example.replace("\nREDIS_PASSWORD=", "\n#")
        self.assert_found("REDIS_PASSWORD is not in .env.example")


class Manifests(unittest.TestCase):
    def setUp(self):
        self.kustomization, self.documents = deployment.read(DOCKER / "kubernetes")
        self.api = self.documents["api.yaml"][0]["spec"]
        self.worker = self.documents["worker.yaml"][0]["spec"]
        self.pod = self.worker["template"]["spec"]
        self.container = self.pod["containers"][0]
        self.scaled = self.documents["scaling.yaml"][1]["spec"]

    def assert_found(self, problem):
        found = deployment.manifests(self.kustomization, self.documents)
        self.assertTrue(any(problem in line for line in found), found)

    def test_the_files_are_right(self):
        self.assertEqual(deployment.manifests(self.kustomization, self.documents), [])

    def test_an_unknown_field(self):
        self.pod["terminationGracePeriod"] = 5
        self.assert_found("worker.yaml: spec/template/spec: Additional properties are not allowed")

    def test_a_kind_that_does_not_exist(self):
        self.documents["api.yaml"][0]["kind"] = "Deploymant"
        self.assert_found("apps/v1 Deploymant")

    def test_an_unknown_field_of_keda(self):
        self.scaled["minReplicas"] = 1
        self.assert_found("scaling.yaml: spec: Additional properties are not allowed ('minReplicas' was unexpected)")

    def test_a_wrong_type_in_keda(self):
        self.scaled["pollingInterval"] = "often"
        self.assert_found("scaling.yaml: spec/pollingInterval")

    def test_a_kind_that_keda_does_not_have(self):
        self.documents["scaling.yaml"][1]["kind"] = "ScaledThing"
        self.assert_found("KEDA has no ScaledThing")

    def test_variables_of_services(self):
        del self.pod["enableServiceLinks"]
        self.assert_found("enableServiceLinks must be false")

    def test_root(self):
        del self.pod["securityContext"]["runAsNonRoot"]
        self.assert_found("may run as root")

    def test_too_short_a_grace(self):
        self.pod["terminationGracePeriodSeconds"] = 300
        self.assert_found("worker is killed before its grace of 300 s is over")

    def test_the_pause_before_the_stop_counts(self):
        self.api["template"]["spec"]["terminationGracePeriodSeconds"] = 35
        self.assert_found("api is killed before its grace of 35 s is over")

    def test_no_limit(self):
        del self.container["resources"]["limits"]
        self.assert_found("worker has no limit on its memory")

    def test_no_confinement(self):
        self.container["securityContext"]["readOnlyRootFilesystem"] = False
        self.assert_found("worker is not confined")

    def test_a_secret_that_is_not_there(self):
        self.documents["secret.example.yaml"][0]["metadata"]["name"] = "other"
        self.assert_found("worker reads Secret cadmill, which is not there")
        self.assert_found("reads cadmill/CADMILL_DATABASE_URL, which is not there")

    def test_a_probe_of_no_port(self):
        self.container["livenessProbe"]["httpGet"]["port"] = "http"
        self.assert_found("livenessProbe asks port http")

    def test_a_service_of_no_pod(self):
        self.documents["api.yaml"][1]["spec"]["selector"] = {"app.kubernetes.io/name": "api"}
        self.assert_found("Service cadmill-api: selects no pod")

    def test_a_file_that_is_not_listed(self):
        self.kustomization["resources"].remove("scaling.yaml")
        self.assert_found("scaling.yaml is not listed")

    def test_a_file_that_is_not_there(self):
        self.kustomization["resources"].append("ingress.yaml")
        self.assert_found("ingress.yaml is listed, but not there")

    def test_an_image_that_is_not_named(self):
        self.container["image"] = "cadmil"
        self.assert_found("does not name the image cadmil")

    def test_scaling_what_is_not_there(self):
        self.scaled["scaleTargetRef"]["name"] = "worker"
        self.assert_found("scales worker, which is not there")

    def test_replicas_beside_scaling(self):
        self.worker["replicas"] = 3
        self.assert_found("undoes the scaling")

    def test_slots_that_differ(self):
        self.scaled["triggers"][0]["metadata"]["targetQueryValue"] = "4"
        self.assert_found("a worker has 2 slots, not 4")


if __name__ == "__main__":
    sys.exit(unittest.main())
