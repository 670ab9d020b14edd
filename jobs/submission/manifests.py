"""A job as objects of Kubernetes: a RayJob, a RayCronJob, or a CronJob of one pod.

They are the same in kind as what `infra/kubernetes` writes by hand: no rights, no root, read-only roots, a token for
Ray, the head on demand, workers on spot nodes. Accounts and the Secrets `tilepress-ray-token` and `tilepress-storage`
are those of its base.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tilepress.jobs.submission.entrypoint import entrypoint
from tilepress.jobs.submission.identity import Submission, reports_of
from tilepress.jobs.submission.pods import CONFINED, pod, resources, spot_placement
from tilepress.jobs.submission.schema import Job
from tilepress.pipeline.engine.memory import BASE_BYTES
from tilepress.pipeline.errors import UsageError

Manifest = dict[str, Any]

_TOKEN = {"mode": "token", "secretName": "tilepress-ray-token"}
_OBJECT_STORE = 512 << 20
_LENT = 0.7  # of a worker's memory, which Ray may promise to shards
_SHARD = 2 * BASE_BYTES  # bytes of memory for one of small files
_HEAD = {"cpu": "2", "memory": "8Gi"}
_AUTOSCALER = {"cpu": "500m", "memory": "1Gi"}
_KEEP_S = 600  # a finished cluster, to look at
_START_S = 3600  # how late a schedule may begin


def ray_job(submission: Submission) -> Manifest:
    """Return the RayJob of one submission, named by its id: created twice, it is there once."""
    job = submission.job
    spec = _ray_job_spec(job, submission.id, submission.report)
    return _object("ray.io/v1", "RayJob", submission.id, job, spec | {"jobId": submission.id})


def scheduled(job: Job) -> Manifest:
    """Return the object that starts a job by its schedule: a RayCronJob of KubeRay, or a CronJob of one pod."""
    if job.schedule is None:
        raise UsageError("`schedule` is missing: without one there is a RayJob, and nothing that repeats")
    report = f"{reports_of(job)}/{job.name}.json"
    if job.kubernetes.scheduler == "raycronjob":
        spec = {"schedule": job.schedule, "jobTemplate": _ray_job_spec(job, job.name, report)}
        return _object("ray.io/v1", "RayCronJob", job.name, job, spec)
    return _object("batch/v1", "CronJob", job.name, job, _cron_job_spec(job, report))


def _object(api: str, kind: str, name: str, job: Job, spec: Manifest) -> Manifest:
    names = {"app.kubernetes.io/part-of": "tilepress", "app.kubernetes.io/name": job.name}
    if job.kubernetes.queue is not None:
        names["kueue.x-k8s.io/queue-name"] = job.kubernetes.queue
    metadata = {"name": name, "namespace": job.kubernetes.namespace, "labels": names}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def _ray_job_spec(job: Job, name: str, report: str) -> Manifest:
    return {
        "entrypoint": entrypoint(job, "tilepress", name, report),
        "submissionMode": "HTTPMode",  # by which the line reaches its shell as it stands: others take it apart
        "backoffLimit": 1,  # a lost head: a new cluster goes on from what is committed
        "preRunningDeadlineSeconds": job.timeouts.start,
        "activeDeadlineSeconds": job.timeouts.start + job.timeouts.run,
        "shutdownAfterJobFinishes": True,
        "ttlSecondsAfterFinished": _KEEP_S,
        "rayClusterSpec": _cluster(job),
    }


def _cluster(job: Job) -> Manifest:
    where = job.kubernetes
    # Kueue counts a cluster's pods when it admits it, and takes none that changes its size: all workers, or none yet.
    least = where.workers.max if where.queue is not None else where.workers.min
    workers = [_worker_group(job, "cpu", _image(job), least, where.workers.max, gpus=0)]
    if where.gpu_workers:
        image = where.gpu_image or _image(job)
        workers.append(_worker_group(job, "gpu", image, where.gpu_workers, where.gpu_workers, gpus=1))
    autoscaler = {
        "version": "v2",
        "idleTimeoutSeconds": 120,
        "securityContext": CONFINED,
        "resources": resources(_AUTOSCALER),
    }
    return {
        "rayVersion": _ray_version(),
        "authOptions": dict(_TOKEN),
        "enableInTreeAutoscaling": least < where.workers.max,
        "autoscalerOptions": autoscaler,
        "headGroupSpec": {
            "rayStartParams": {"num-cpus": "0", "object-store-memory": str(_OBJECT_STORE)},
            "template": pod(job, "head", _image(job), _HEAD, account="tilepress-head", stays=True),
        },
        "workerGroupSpecs": workers,
    }


def _worker_group(job: Job, name: str, image: str, least: int, most: int, *, gpus: int) -> Manifest:
    where = job.kubernetes
    size = {"cpu": str(where.cpus), "memory": f"{where.memory}Gi"} | ({"nvidia.com/gpu": str(gpus)} if gpus else {})
    lent = int(_LENT * (where.memory << 30))
    template = pod(job, "worker", image, size)
    if where.spot:
        template["spec"] |= spot_placement(gpu=gpus > 0)
    return {
        "groupName": name,
        "replicas": least,
        "minReplicas": least,
        "maxReplicas": most,
        "rayStartParams": {
            "num-cpus": str(max(1, min(where.cpus, lent // _SHARD))),
            "memory": str(lent),
            "object-store-memory": str(_OBJECT_STORE),
        },
        "template": template,
    }


def _cron_job_spec(job: Job, report: str) -> Manifest:
    where = job.kubernetes
    size = {"cpu": str(where.cpus), "memory": f"{where.memory}Gi"}
    template = pod(job, "job", _image(job), size)
    line = entrypoint(job, "tilepress", job.name, report)
    template["spec"]["containers"][0]["command"] = ["sh", "-c", line]
    return {
        "schedule": job.schedule,
        "timeZone": "Etc/UTC",
        "concurrencyPolicy": "Forbid",
        "startingDeadlineSeconds": _START_S,
        "jobTemplate": {
            "spec": {"backoffLimit": 1, "activeDeadlineSeconds": job.timeouts.run, "template": template},
        },
    }


def _image(job: Job) -> str:
    if job.kubernetes.image is None:
        raise UsageError("`kubernetes.image` is missing: the image of tilepress (infra/docker) in your registry")
    return job.kubernetes.image


def _ray_version() -> str:
    try:
        return version("ray")
    except PackageNotFoundError:
        raise UsageError("the image is taken to have the Ray of this machine, which has none") from None
