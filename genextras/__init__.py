"""Schedulers for diffusers.

``pipe.scheduler = genextras.DDIMScheduler.from_config(pipe.scheduler.config)``

A pipeline saved with one of these schedulers names its module; diffusers loads it again only if
that module has been imported, so ``import genextras`` imports every scheduler.
"""

from importlib.metadata import version

try:
    from genextras.density import likelihood
    from genextras.guidance import guidance_interval, guidance_rescale, guided
    from genextras.inversion import invert
    from genextras.optimised_grid import optimise_grid
    from genextras.recording import check_finite, trajectory
    from genextras.schedulers.ddim import DDIMScheduler
    from genextras.schedulers.ddim_inverse import DDIMInverseScheduler
    from genextras.schedulers.ddpm import DDPMScheduler
    from genextras.schedulers.edm import EDMScheduler
    from genextras.schedulers.flow import FlowMatchScheduler
    from genextras.schedulers.langevin import AnnealedLangevinScheduler
    from genextras.schedulers.multistep import MultistepScheduler
    from genextras.schedulers.sde import SDEScheduler
except ModuleNotFoundError as error:
    package = (error.name or "genextras").partition(".")[0]
    if package == "genextras":
        raise
    raise ModuleNotFoundError(
        f'genextras: {package} is not installed. Run: pip install "mlextras[gen]".',
        name=error.name,
    ) from error

__all__ = [
    "AnnealedLangevinScheduler",
    "DDIMInverseScheduler",
    "DDIMScheduler",
    "DDPMScheduler",
    "EDMScheduler",
    "FlowMatchScheduler",
    "MultistepScheduler",
    "SDEScheduler",
    "check_finite",
    "guidance_interval",
    "guidance_rescale",
    "guided",
    "invert",
    "likelihood",
    "optimise_grid",
    "trajectory",
]
__version__ = version("mlextras")
