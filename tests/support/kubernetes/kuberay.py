"""What KubeRay's objects may hold, as JSON schemas: the fields of ray.io/v1 in KubeRay 1.6, and no others.

Written from the types of KubeRay's API, and equal to the CRDs of KubeRay 1.6.2 in names, types, choices and what is
required, but for `onSuccess` and `onFailure`, which are deprecated and refused here. Pod templates are Kubernetes' own.
Fields that 1.7 added, such as `timeZone` of a RayCronJob, are refused too: a cluster with 1.6 does not know them.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
STRINGS: Schema = {"type": "object", "additionalProperties": STRING}
FLAG: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
INT32: Schema = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}


def core(name: str) -> Schema:
    """Refer to one of Kubernetes' own definitions, such as v1.PodTemplateSpec."""
    return {"$ref": f"/api/_definitions.json#/$defs/io.k8s.api.core.{name}"}


def one_of(*values: str) -> Schema:
    """Return the schema of a string that is one of `values`."""
    return {"type": "string", "enum": list(values)}


def many(item: Schema, least: int = 0) -> Schema:
    """Return the schema of an array of at least `least` items."""
    return {"type": "array", "items": item, "minItems": least}


def fields(required: tuple[str, ...] = (), /, **known: Schema) -> Schema:
    """Return the schema of an object with these fields and no others."""
    return {"type": "object", "properties": known, "required": list(required), "additionalProperties": False}


_MANAGED_BY = one_of("ray.io/kuberay-operator", "kueue.x-k8s.io/multikueue")
_CREDENTIAL = fields(value=STRING, valueFrom=core("v1.EnvVarSource"))
_DELETION = one_of("DeleteCluster", "DeleteWorkers", "DeleteSelf", "DeleteNone")

AUTOSCALER = fields(
    version=one_of("v1", "v2"),
    upscalingMode=one_of("Default", "Aggressive", "Conservative"),
    idleTimeoutSeconds=INT32,
    image=STRING,
    imagePullPolicy=STRING,
    env=many(core("v1.EnvVar")),
    envFrom=many(core("v1.EnvFromSource")),
    resources=core("v1.ResourceRequirements"),
    securityContext=core("v1.SecurityContext"),
    volumeMounts=many(core("v1.VolumeMount")),
)
HEAD = fields(
    ("template",),
    template=core("v1.PodTemplateSpec"),
    rayStartParams=STRINGS,
    resources=STRINGS,
    labels=STRINGS,
    serviceType=STRING,
    headService=core("v1.Service"),
    enableIngress=FLAG,
)
WORKERS = fields(
    ("groupName", "template", "minReplicas", "maxReplicas"),
    groupName=STRING,
    template=core("v1.PodTemplateSpec"),
    replicas=INT32,
    minReplicas=INT32,
    maxReplicas=INT32,
    numOfHosts=INT32,
    idleTimeoutSeconds=INT32,
    rayStartParams=STRINGS,
    resources=STRINGS,
    labels=STRINGS,
    scaleStrategy=fields(workersToDelete=many(STRING)),
    suspend=FLAG,
)
CLUSTER = fields(
    ("headGroupSpec",),
    rayVersion=STRING,
    headGroupSpec=HEAD,
    workerGroupSpecs=many(WORKERS),
    enableInTreeAutoscaling=FLAG,
    autoscalerOptions=AUTOSCALER,
    authOptions=fields(mode=one_of("disabled", "token"), secretName=STRING, enableK8sTokenAuth=FLAG),
    gcsFaultToleranceOptions=fields(
        ("redisAddress",),
        redisAddress=STRING,
        redisUsername=_CREDENTIAL,
        redisPassword=_CREDENTIAL,
        externalStorageNamespace=STRING,
    ),
    headServiceAnnotations=STRINGS,
    managedBy=_MANAGED_BY,
    suspend=FLAG,
    upgradeStrategy=fields(type=one_of("Recreate", "None")),
)
JOB = fields(
    entrypoint=STRING,
    entrypointNumCpus=NUMBER,
    entrypointNumGpus=NUMBER,
    entrypointResources=STRING,
    runtimeEnvYAML=STRING,
    metadata=STRINGS,
    jobId=STRING,
    submissionMode=one_of("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    submitterPodTemplate=core("v1.PodTemplateSpec"),
    submitterConfig=fields(backoffLimit=INT32),
    rayClusterSpec=CLUSTER,
    clusterSelector=STRINGS,
    activeDeadlineSeconds=INT32 | {"minimum": 1},
    preRunningDeadlineSeconds=INT32 | {"minimum": 1},
    backoffLimit=INT32 | {"minimum": 0},
    shutdownAfterJobFinishes=FLAG,
    ttlSecondsAfterFinished=INT32 | {"minimum": 0},
    deletionStrategy=fields(
        ("deletionRules",),
        deletionRules=many(
            fields(
                ("policy", "condition"),
                policy=_DELETION,
                condition=fields(
                    jobStatus=one_of("SUCCEEDED", "FAILED"), jobDeploymentStatus=one_of("Failed"), ttlSeconds=INT32
                ),
            ),
            least=1,
        ),
    ),
    managedBy=_MANAGED_BY,
    suspend=FLAG,
)
CRON_JOB = fields(("jobTemplate", "schedule"), jobTemplate=JOB, schedule=STRING, suspend=FLAG)

SPECS: dict[str, Schema] = {"RayCluster": CLUSTER, "RayJob": JOB, "RayCronJob": CRON_JOB}
