"""The commands that are verbs of Python too: their examples. Options, types and help are those of `jobs/verbs/`."""

from __future__ import annotations

from tilepress.jobs.cli.command import command_of
from tilepress.jobs.verbs.audit import audit
from tilepress.jobs.verbs.compress import compress
from tilepress.jobs.verbs.doctor import doctor
from tilepress.jobs.verbs.estimate import estimate
from tilepress.jobs.verbs.evaluate import evaluate
from tilepress.jobs.verbs.fit_lossless import fit_lossless
from tilepress.jobs.verbs.import_arrays import import_arrays
from tilepress.jobs.verbs.recover import recover
from tilepress.jobs.verbs.report import report
from tilepress.jobs.verbs.reproduce import reproduce
from tilepress.jobs.verbs.restore import restore
from tilepress.jobs.verbs.submit import submit
from tilepress.jobs.verbs.train import train
from tilepress.jobs.verbs.upkeep.abandon import abandon
from tilepress.jobs.verbs.upkeep.certify import certify
from tilepress.jobs.verbs.upkeep.compact import compact
from tilepress.jobs.verbs.upkeep.delete_source import delete_source
from tilepress.jobs.verbs.upkeep.forget import forget
from tilepress.jobs.verbs.upkeep.protect import protect
from tilepress.jobs.verbs.upkeep.repair import repair
from tilepress.jobs.verbs.upkeep.retry import retry
from tilepress.jobs.verbs.verify import verify
from tilepress.jobs.verbs.view import view

COMPRESS = command_of(
    compress,
    """
    Examples:
      tilepress compress scans/ scans.tp
      tilepress compress s3://raw/2024 s3://archive/2024 --engine ray
      tilepress compress photos/ photos.tp --codec block-dnn-16       a learned preview and an exact residual
      tilepress compress photos/ small.tp --codec jpeg --fidelity lossy --quality 80
      tilepress compress ct/ ct.tp --codec jpegls --max-error 2               every sample within 2 levels
      tilepress compress photos/ photos.tp --include '*.tif' --dry-run
    """,
)
ESTIMATE = command_of(
    estimate,
    """
    Examples:
      tilepress estimate photos/
      tilepress estimate s3://raw/2024 --codec auto --codec lossless -j 64 --price-storage 23 --price-core-hour 0.04
      tilepress estimate photos/ --codec jpeg --fidelity lossy --quality 80 --sample 100
      tilepress estimate photos/ --report estimate.html
      tilepress estimate scans/ --minutes 10 --out estimate          the sample's figures stay, and it goes on if killed
    """,
)
RESTORE = command_of(
    restore,
    """
    Examples:
      tilepress restore photos.tp restored/
      tilepress restore photos.tp restored/ --include '2024/*.png'
      tilepress restore photos.tp crops/ --region 0,0,512,512
      tilepress restore photos.tp previews/ --preview
      tilepress restore photos.tp scratch/ --pixels          equal pixels, in less time than the same bytes
      tilepress restore photos.tp before/ --as-of 2026-11-27 --include-deleted
    """,
)
VERIFY = command_of(
    verify,
    """
    Examples:
      tilepress verify photos.tp
      tilepress verify photos.tp --subset 3/30          a thirtieth a day makes the whole in a month
      tilepress verify photos.tp --against photos/      and every source file is the one that was stored
      tilepress verify photos.tp --against photos/ --exclude raw/
    """,
)
CERTIFY = command_of(
    certify,
    """
    Examples:
      tilepress certify photos.tp                                  in photos.tp/certificates/
      tilepress certify s3://archive/2024 --out s3://certificates/2024 --key key.pem --require-independent
      tilepress certify photos.tp --check photos.tp/certificates/2026-11-28-0003-5e2c91ab --public-key public.pem
    """,
)
DELETE_SOURCE = command_of(
    delete_source,
    """
    Examples:
      tilepress delete-source photos.tp --source photos/ --certificate photos.tp/certificates/2026-11-28-0003-5e2c91ab
      tilepress delete-source s3://archive/2024 --source s3://raw/2024 --certificate s3://certificates/2024 \\
          --public-key public.pem --require-independent --yes
    """,
)
AUDIT = command_of(
    audit,
    """
    Examples:
      tilepress audit photos.tp                                    everything decoded, proven and looked at
      tilepress audit photos.tp --against photos/ --out audits/may
      tilepress audit photos.tp --out audits/june --since audits/may
      tilepress audit photos.tp --rotate 30                        a part a day: in cron
      tilepress audit small.tp --against photos/ --fail-under psnr=35,ssim=0.97 --fail-over max_error=40
      tilepress audit photos/ --sample 1% --group-by exif:LensModel --group-by '{year}/*/'
    """,
)
ABANDON = command_of(
    abandon,
    """
    Examples:
      tilepress abandon photos.tp
      tilepress abandon photos.tp --yes
    """,
)
FORGET = command_of(
    forget,
    """
    Examples:
      tilepress forget photos.tp --include 'patients/4711/**'
      tilepress forget photos.tp --deleted --dry-run
    """,
)
COMPACT = command_of(
    compact,
    """
    Examples:
      tilepress compact photos.tp                       how much room there is to be had
      tilepress compact photos.tp --write               what is needed, written anew as a run
      tilepress compact photos.tp --remove              the old parts removed
    """,
)
REPAIR = command_of(
    repair,
    """
    Examples:
      tilepress repair photos.tp
      tilepress repair photos.tp --source photos/ --dry-run
    """,
)
PROTECT = command_of(
    protect,
    """
    Examples:
      tilepress protect photos.tp --parity 3%           damage of up to 3 % of a run is repaired without the source
      tilepress protect s3://archive/2024 --days 365    nobody removes or replaces an object for a year
    """,
)
RETRY = command_of(
    retry,
    """
    Examples:
      tilepress retry photos.tp --failed
      tilepress retry photos.tp --source photos/ --dry-run
    """,
)
RECOVER = command_of(
    recover,
    """
    Examples:
      tilepress recover scan.png --out jpegs/              jpegs/scan.png.jpg, which decodes to the very same pixels
      tilepress recover scans/ --out jpegs/ --include '*.tif'
    """,
)
IMPORT = command_of(
    import_arrays,
    """
    Examples:
      tilepress import mnist/ digits/                        digits/train/7/00012.png, by their labels
      tilepress import cifar10.npz pictures/ --limit 1000
      tilepress import s3://raw/cifar-10-batches-bin s3://sets/cifar10
    """,
)
TRAIN = command_of(
    train,
    """
    Examples:
      tilepress train block-dnn --data photos/ --out my-model ratio=8 minutes=5
      tilepress train gdn-factorized --data photos.tp --out s3://models/aerial -j 4      4 workers on Ray
      tilepress train cnn-ae-ft --from cnn-ae-ft --data xrays/ --out my-xrays freeze=encoder minutes=5
      tilepress compress photos/ photos.tp --codec my-model
    """,
)
FIT_LOSSLESS = command_of(
    fit_lossless,
    """
    Examples:
      tilepress fit-lossless xrays/ --out my-xrays
      tilepress compress xrays/ xrays.tp --codec my-xrays
      tilepress fit-lossless s3://raw/ct --out s3://models/ct --images 100 --levels max
    """,
)
EVALUATE = command_of(
    evaluate,
    """
    Examples:
      tilepress evaluate photos/ --codec jpeg --codec block-dnn-16 --out comparison
      tilepress evaluate photos/ --codec jpeg:20,40,60,80 --codec jpegxl --codec models/mine --out comparison
      tilepress evaluate photos.tp --codec jpeg --codec gdn-factorized --quality 10,30,50 --anchor jpeg --out comparison
      tilepress evaluate photos/ --codec jpeg --codec avif --codec webp --codec jpegxl-lossy --codec cnn-ae --out today
      tilepress evaluate photos/ --codec jpegxl --codec block-dnn-16 --fidelity pixels --out lossless
      tilepress evaluate ct/ --codec jpegls --codec lossless --max-error 2 --out near
      tilepress evaluate photos/ --codec lossless --codec jpegxl --effort 9 --out smallest
    """,
)
REPORT = command_of(
    report,
    """
    Examples:
      tilepress report photos.tp                                photos.tp.html, in the working folder
      tilepress report photos.tp --include '2024/**' --out 2024.html
      tilepress report s3://bucket/photos.tp --out s3://bucket/photos.html --overwrite
    """,
)
REPRODUCE = command_of(
    reproduce,
    """
    Examples:
      tilepress reproduce --list
      tilepress reproduce high-resolution --data photos/eval=photos/ --out tables
      tilepress reproduce block-dnn minutes=1 --data sets/        sets/standard and sets/photos/train
    """,
)
VIEW = command_of(
    view,
    """
    Examples:
      tilepress view photos.tp --open
      tilepress view s3://archive/2024 --port 0
    """,
)
DOCTOR = command_of(
    doctor,
    """
    Examples:
      tilepress doctor                                   this machine
      tilepress doctor s3://bucket/archives              before an archive is put there
      tilepress doctor s3://bucket/archives --ray-address auto
    """,
)
SUBMIT = command_of(
    submit,
    """
    Examples:
      tilepress submit nightly.yaml --wait                          on the Ray cluster of $RAY_API_SERVER_ADDRESS
      tilepress submit nightly.yaml --at 2026-11-28T02:00Z --wait   that night: the job that was, or a new one
      tilepress submit nightly.yaml --again --wait                  another attempt, if the job failed or was stopped
      tilepress submit nightly.yaml --on kuberay --dry-run          the manifest
      tilepress submit nightly.yaml --on cron                       a crontab line, a timer and a service

    \b
    nightly.yaml:
      name: photos
      verb: compress
      arguments: {source: "s3://raw/${YEAR:-2026}", archive: s3://archive/2026, if_busy: skip}
      schedule: "0 2 * * *"
      timeouts: {start: 30m, run: 20h}
      secrets: {AWS_SECRET_ACCESS_KEY: {env: AWS_SECRET_ACCESS_KEY}}
    """,
)
