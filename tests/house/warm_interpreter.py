"""Scripts run by an interpreter that has imported the hosts already.

Importing torch, diffusers and scikit-learn takes longer than many an example. One process a test
worker does it once and forks a child for each script. Our own packages are not among them: each
child imports them anew, as the script does for a user. (A worker has one server of forks, which
serves Stable-Baselines3's environments in processes, too: they start sooner for it.)
"""

import multiprocessing
import os
import runpy
import sys
import warnings

HOSTS = [
    "diffusers.models.unets.unet_2d",
    "diffusers.schedulers.scheduling_ddim",
    "diffusers.training_utils",
    "matplotlib.figure",
    "sklearn.ensemble",
    "stable_baselines3",
]
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(HOSTS)  # now: it takes no more once the server runs


def _be_the_script(path, folder, printed):
    with printed.open("w") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    os.chdir(folder)
    warnings.simplefilter("ignore")
    sys.argv, sys.path[0] = [str(path)], str(path.parent)
    runpy.run_path(str(path), run_name="__main__")


def run_script(path, folder, printed):
    """Do as ``python -W ignore path`` in a folder, print into a file, return the exit status."""
    child = _SERVER.Process(target=_be_the_script, args=(path, folder, printed))
    child.start()
    child.join()
    return child.exitcode
