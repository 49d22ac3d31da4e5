"""Checks docker/: compose.yaml and the manifests against their schemas, and that names lead somewhere.

Usage: deployment.py FOLDER. Prints each problem in a line of its own, and exits with 1 if there is one.
"""

import functools
import importlib.resources
import json
import re
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml
from cloudcoil.models.keda import v1alpha1 as keda

KUBERNETES = "1.37.0"
# Secrets and the like that are made by hand, so that no kustomization lists them.
BY_HAND = {"secret.example.yaml"}
UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(text):
    """Seconds of a time as `30s` or `1m30s`."""
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([smh])", text))


# Compose


@functools.cache
def compose_schema():
    name = "builtin_schemas/vendor/compose-spec.json"
    return json.loads(importlib.resources.files("check_jsonschema").joinpath(name).read_text())


def against(schema, document):
    """What `schema` says against `document`."""
    validator = jsonschema.validators.validator_for(schema)(schema)
    for error in validator.iter_errors(document):
        error = jsonschema.exceptions.best_match([error])
        yield f"{'/'.join(map(str, error.absolute_path)) or '.'}: {error.message}"


def compose(document, text, example):
    """The problems of a compose file, and of the `.env.example` that goes with it."""
    found = list(against(compose_schema(), document))
    if found:
        return found
    services = document["services"]
    default = [name for name, service in services.items() if "profiles" not in service]
    if default != ["cadmill"]:
        found.append(f"without a profile, one container shall run, not {default}")
    for name, service in services.items():
        ours = "build" in service
        for needed, how in service.get("depends_on", {}).items():
            if needed not in services:
                found.append(f"{name}: depends on {needed}, which is not there")
            elif how["condition"] == "service_healthy" and "healthcheck" not in services[needed]:
                found.append(f"{name}: waits for {needed}, which has no health check")
        if ours and seconds(service.get("stop_grace_period", "10s")) <= 30:
            found.append(f"{name}: is killed before its grace of 30 s is over")
        if ours and not service.get("read_only"):
            found.append(f"{name}: may write into its image")
        for network in service.get("networks", []):
            if network not in document["networks"]:
                found.append(f"{name}: is on {network}, which is not there")
    known = set(re.findall(r"^([A-Z0-9_]+)=", example, re.MULTILINE))
    for variable in sorted(set(re.findall(r"(?<!\$)\$\{([A-Z0-9_]+)", text)) - known):
        found.append(f"{variable} is not in .env.example")
    return found


# Kubernetes


def closed(schema):
    """`schema`, but unknown fields are errors where the fields are known."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result["additionalProperties"] = False
    return result


@functools.cache
def keda_schema(kind):
    schema = closed(getattr(keda, kind).model_json_schema(by_alias=True))
    # Metadata is described as the library keeps it, not as one writes it.
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    return schema


@functools.cache
def schema_problems(text):
    """What the schema of its kind says against a manifest, given as JSON so that it is asked once."""
    document = json.loads(text)
    version, kind = document.get("apiVersion", ""), document.get("kind", "")
    if version.startswith("keda.sh/"):
        return list(against(keda_schema(kind), document)) if hasattr(keda, kind) else [f"KEDA has no {kind}"]
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{'/'.join(map(str, error.path)) or '.'}: {error.message}"]
    except Exception as error:  # A kind or version that Kubernetes does not have.
        return [f"{version} {kind}: {error}"]
    return []


def pod_of(document):
    """The pod that a manifest describes, if it describes one."""
    return document.get("spec", {}).get("template", {}).get("spec") if document["kind"] != "Secret" else None


def pod_problems(pod, names):
    """What a pod of ours must have: a user, confinement, a grace, and sources for its variables."""
    if pod.get("enableServiceLinks") is not False:
        yield "enableServiceLinks must be false, or Kubernetes sets CADMILL_… variables that are no keys"
    if not pod.get("securityContext", {}).get("runAsNonRoot"):
        yield "may run as root"
    for container in pod["containers"]:
        confined = container.get("securityContext", {})
        if not confined.get("readOnlyRootFilesystem") or confined.get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']} is not confined"
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield f"{container['name']} has no limit on its memory"
        for source in container.get("envFrom", []):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source and (kind, source[field]["name"]) not in names:
                    yield f"{container['name']} reads {kind} {source[field]['name']}, which is not there"
        variables = {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        grace = seconds(variables.get("CADMILL_GRACE", "30s")) + pause
        if pod.get("restartPolicy", "Always") == "Always" and pod.get("terminationGracePeriodSeconds", 30) <= grace:
            yield f"{container['name']} is killed before its grace of {grace} s is over"
        ports = {port["name"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            if port is not None and port not in ports:
                yield f"{container['name']}: {probe} asks port {port}, which is not there"


def manifests(kustomization, documents):
    """The problems of manifests, which come as a map from file to its documents."""
    every = [(file, document) for file, docs in documents.items() for document in docs]
    invalid = [f"{file}: {problem}" for file, document in every for problem in schema_problems(json.dumps(document))]
    if invalid:
        return invalid
    found = list(kustomization_problems(kustomization, documents))
    names = {(document["kind"], document["metadata"]["name"]) for _, document in every}
    labels = [
        document["spec"]["template"]["metadata"]["labels"] for _, document in every if document["kind"] == "Deployment"
    ]
    for file, document in every:
        where = f"{file}: {document['kind']} {document['metadata']['name']}"
        spec = document.get("spec", {})
        if pod := pod_of(document):
            found += [f"{where}: {problem}" for problem in pod_problems(pod, names)]
        if document["kind"] in ("Service", "PodDisruptionBudget", "Deployment"):
            selector = spec["selector"]
            selector = selector.get("matchLabels", selector)
            if not any(selector.items() <= label.items() for label in labels):
                found.append(f"{where}: selects no pod")
        if document["kind"] == "ScaledObject":
            found += [f"{where}: {problem}" for problem in scaling_problems(spec, every, names)]
        if document["kind"] == "TriggerAuthentication":
            keys = {key for _, it in every if it["kind"] == "Secret" for key in it["stringData"]}
            for target in spec["secretTargetRef"]:
                if ("Secret", target["name"]) not in names or target["key"] not in keys:
                    found.append(f"{where}: reads {target['name']}/{target['key']}, which is not there")
    return found


def kustomization_problems(kustomization, documents):
    """Whether a kustomization names just the files that are there."""
    listed = set(kustomization["resources"])
    for file in sorted(listed ^ (set(documents) - BY_HAND)):
        yield f"kustomization.yaml: {file} is {'listed, but not there' if file in listed else 'not listed'}"
    images = {image["name"] for image in kustomization["images"]}
    for file, docs in documents.items():
        for document in docs:
            for container in (pod_of(document) or {}).get("containers", []):
                if container["image"] not in images:
                    yield f"{file}: kustomization.yaml does not name the image {container['image']}"


def scaling_problems(spec, every, names):
    target = ("Deployment", spec["scaleTargetRef"]["name"])
    if target not in names:
        return [f"scales {target[1]}, which is not there"]
    found = []
    deployment = next(it for _, it in every if (it["kind"], it["metadata"]["name"]) == target)
    if "replicas" in deployment["spec"]:
        found.append("who applies the deployment again undoes the scaling, as it has `replicas`")
    variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    slots = next(variable["value"] for variable in variables if variable["name"] == "CADMILL_SLOTS")
    for trigger in spec["triggers"]:
        if ("TriggerAuthentication", trigger["authenticationRef"]["name"]) not in names:
            found.append(f"asks as {trigger['authenticationRef']['name']}, which is not there")
        if trigger["metadata"]["targetQueryValue"] != slots:
            found.append(f"a worker has {slots} slots, not {trigger['metadata']['targetQueryValue']}")
    return found


def read(folder):
    """The kustomization, and the other manifests by file."""
    documents = {
        path.name: list(yaml.safe_load_all(path.read_text())) for path in sorted(folder.glob("*.yaml"))
    }
    # A filled-in secret is nobody else's business.
    documents.pop("secret.yaml", None)
    return documents.pop("kustomization.yaml")[0], documents


def main(folder):
    text = (folder / "compose.yaml").read_text()
    example = (folder / ".env.example").read_text()
    found = [f"compose.yaml: {problem}" for problem in compose(yaml.safe_load(text), text, example)]
    found += [f"kubernetes/{problem}" for problem in manifests(*read(folder / "kubernetes"))]
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
