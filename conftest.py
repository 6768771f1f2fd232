"""What every test shares."""

import os

import pytest

# Set before torch, numba and BLAS start: small problems on two cores run fastest on one thread a
# worker, and pictures need no screen. Nothing here may reach the network.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("SCIPY_ARRAY_API", "1")  # or scikit-learn skips its check of array API input


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Run each test in an empty folder: what it leaves behind never reaches the checkout."""
    monkeypatch.chdir(tmp_path)
