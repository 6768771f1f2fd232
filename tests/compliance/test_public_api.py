"""Names and files of public classes are written into users' files: they change here or nowhere."""

import inspect

import pytest

import genextras.denoisers
import genextras.evaluation
import rlextras
import skextras

# Add a line with a new class; never change one: pickles, SB3 zips and model_index.json hold them.
FROZEN = {
    "skextras.AdaBoostClassifier": "skextras.adaboost",
    "skextras.AdaBoostRegressor": "skextras.adaboost",
    "skextras.GradientBoostingClassifier": "skextras.gradient_boosting",
    "skextras.GradientBoostingRegressor": "skextras.gradient_boosting",
    "skextras.KernelLogisticRegression": "skextras.kernel.logistic",
    "skextras.KernelLogisticRegressionCV": "skextras.kernel.logistic_cv",
    "skextras.ProbabilisticSVC": "skextras.kernel.two_stage",
    "rlextras.DDPG": "rlextras.ddpg",
    "rlextras.GRPO": "rlextras.grpo",
    "skextras.RandomForestClassifier": "skextras.random_forest",
    "skextras.RandomForestRegressor": "skextras.random_forest",
    "skextras.GaussianMixture": "skextras.mixture.gaussian",
    "skextras.SelfOrganizingMap": "skextras.som.self_organizing_map",
    "skextras.SOMClassifier": "skextras.som.som_classifier",
    "skextras.SOMRegressor": "skextras.som.som_regressor",
    "skextras.BernoulliMixture": "skextras.mixture.bernoulli",
    "skextras.CategoricalHMM": "skextras.mixture.categorical_hmm",
    "skextras.GaussianHMM": "skextras.mixture.gaussian_hmm",
    "skextras.CategoricalMixture": "skextras.mixture.categorical",
    "skextras.MixedMixture": "skextras.mixture.mixed",
    "skextras.PoissonMixture": "skextras.mixture.poisson",
    "skextras.StudentMixture": "skextras.mixture.student",
    "skextras.BorutaSelector": "skextras.features.selection.boruta",
    "skextras.L1L2Selector": "skextras.features.selection.l1l2",
    "skextras.MRMRSelector": "skextras.features.selection.mrmr",
    "skextras.StabilitySelector": "skextras.features.selection.stability",
    "rlextras.PPO": "rlextras.ppo",
    "rlextras.TRPO": "rlextras.trpo",
    "genextras.AnnealedLangevinScheduler": "genextras.schedulers.langevin",
    "genextras.DDIMInverseScheduler": "genextras.schedulers.ddim_inverse",
    "genextras.DDIMScheduler": "genextras.schedulers.ddim",
    "genextras.DDPMScheduler": "genextras.schedulers.ddpm",
    "genextras.EDMScheduler": "genextras.schedulers.edm",
    "genextras.FlowMatchScheduler": "genextras.schedulers.flow",
    "genextras.MultistepScheduler": "genextras.schedulers.multistep",
    "genextras.SDEScheduler": "genextras.schedulers.sde",
    "genextras.denoisers.DiT": "genextras.denoisers.dit",
    "genextras.denoisers.SSMDenoiser": "genextras.denoisers.ssm",
    "genextras.denoisers.EDMPreconditioned": "genextras.denoisers.preconditioned",
    "genextras.denoisers.MLPDenoiser": "genextras.denoisers.mlp",
    "genextras.evaluation.SamplerComparison": "genextras.evaluation.comparison",
    "genextras.evaluation.bits_per_dim": "genextras.evaluation.bits",
    "genextras.evaluation.compare_samplers": "genextras.evaluation.comparison",
    "genextras.evaluation.energy_distance": "genextras.evaluation.distances",
    "genextras.evaluation.frechet_distance": "genextras.evaluation.features",
    "genextras.evaluation.mmd": "genextras.evaluation.distances",
    "genextras.evaluation.precision_recall": "genextras.evaluation.features",
    "genextras.evaluation.sliced_wasserstein": "genextras.evaluation.distances",
    "genextras.check_finite": "genextras.recording",
    "genextras.guidance_interval": "genextras.guidance",
    "genextras.guidance_rescale": "genextras.guidance",
    "genextras.guided": "genextras.guidance",
    "genextras.invert": "genextras.inversion",
    "genextras.likelihood": "genextras.density",
    "genextras.optimise_grid": "genextras.optimised_grid",
    "genextras.trajectory": "genextras.recording",
}
PACKAGES = (skextras, rlextras, genextras, genextras.denoisers, genextras.evaluation)
PUBLIC = {f"{p.__name__}.{name}": getattr(p, name) for p in PACKAGES for name in p.__all__}


def test_public_names_and_their_files_are_frozen():
    assert {name: found.__module__ for name, found in PUBLIC.items()} == FROZEN


@pytest.mark.parametrize("name", PUBLIC)
def test_class_is_named_as_it_is_published(name):
    assert PUBLIC[name].__name__ == name.rpartition(".")[2]


@pytest.mark.parametrize("name", PUBLIC)
@pytest.mark.parametrize("section", ["Parameters", "References", "Examples"])
def test_docstring_has_the_section(name, section):
    doc = inspect.cleandoc(PUBLIC[name].__doc__)
    assert f"\n{section}\n{'-' * len(section)}\n" in doc


@pytest.mark.parametrize("name", PUBLIC)
def test_every_constructor_parameter_is_documented(name):
    doc = PUBLIC[name].__doc__
    parameters = inspect.signature(PUBLIC[name]).parameters.values()
    named = [p.name for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD]
    assert [p for p in named if f"\n    {p} :" not in doc] == []
