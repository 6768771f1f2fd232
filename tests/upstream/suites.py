"""Which upstream tests are run, and which of our classes stand in for which of theirs."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The tests of one host.

    Attributes
    ----------
    name : str
        Import name of the host.
    distribution : str
        Name of its source distribution, which holds the tests; empty if the installed wheel does.
    substitutes : dict
        Genuine class to ours, each "module:Class".
    files : tuple of str
        Test files, relative to the folder that holds the package or its ``tests``.
    quick_files, quick_options : tuple of str
        What ``--quick`` runs: which of the files, and further options of pytest.
    """

    name: str
    distribution: str = ""
    substitutes: dict[str, str]
    files: tuple[str, ...]
    quick_files: tuple[str, ...]
    quick_options: tuple[str, ...] = field(default=())


SKLEARN = Suite(
    name="sklearn",
    substitutes={
        "sklearn.svm:SVC": "tests.upstream.adapters:SVC",
        "sklearn.linear_model:LogisticRegression": "tests.upstream.adapters:LogisticRegression",
        "sklearn.ensemble:AdaBoostClassifier": "skextras:AdaBoostClassifier",
        "sklearn.ensemble:AdaBoostRegressor": "skextras:AdaBoostRegressor",
        "sklearn.ensemble:HistGradientBoostingClassifier": "skextras:GradientBoostingClassifier",
        "sklearn.ensemble:HistGradientBoostingRegressor": "skextras:GradientBoostingRegressor",
        "sklearn.ensemble:RandomForestClassifier": "skextras:RandomForestClassifier",
        "sklearn.ensemble:RandomForestRegressor": "skextras:RandomForestRegressor",
        "sklearn.mixture:GaussianMixture": "skextras:GaussianMixture",
    },
    files=(
        "sklearn/tests/test_calibration.py",
        "sklearn/tests/test_metaestimators.py",
        "sklearn/tests/test_multiclass.py",
        "sklearn/tests/test_multioutput.py",
        "sklearn/tests/test_pipeline.py",
        "sklearn/ensemble/_hist_gradient_boosting/tests/test_gradient_boosting.py",
        "sklearn/ensemble/_hist_gradient_boosting/tests/test_monotonic_constraints.py",
        "sklearn/ensemble/_hist_gradient_boosting/tests/test_warm_start.py",
        "sklearn/ensemble/tests/test_bagging.py",
        "sklearn/ensemble/tests/test_forest.py",
        "sklearn/ensemble/tests/test_stacking.py",
        "sklearn/ensemble/tests/test_voting.py",
        "sklearn/ensemble/tests/test_weight_boosting.py",
        "sklearn/feature_selection/tests/test_from_model.py",
        "sklearn/feature_selection/tests/test_rfe.py",
        "sklearn/inspection/tests/test_partial_dependence.py",
        "sklearn/inspection/tests/test_permutation_importance.py",
        "sklearn/inspection/_plot/tests/test_plot_partial_dependence.py",
        "sklearn/inspection/_plot/tests/test_boundary_decision_display.py",
        "sklearn/metrics/tests/test_score_objects.py",
        "sklearn/mixture/tests/test_gaussian_mixture.py",
        "sklearn/mixture/tests/test_mixture.py",
        "sklearn/metrics/_plot/tests/test_roc_curve_display.py",
        "sklearn/model_selection/tests/test_classification_threshold.py",
        "sklearn/model_selection/tests/test_search.py",
        "sklearn/model_selection/tests/test_successive_halving.py",
        "sklearn/model_selection/tests/test_validation.py",
        "sklearn/semi_supervised/tests/test_self_training.py",
    ),
    quick_files=(
        "sklearn/tests/test_multiclass.py",
        "sklearn/tests/test_multioutput.py",
        "sklearn/tests/test_pipeline.py",
        "sklearn/ensemble/_hist_gradient_boosting/tests/test_monotonic_constraints.py",
        "sklearn/ensemble/_hist_gradient_boosting/tests/test_warm_start.py",
        "sklearn/ensemble/tests/test_stacking.py",
        "sklearn/ensemble/tests/test_voting.py",
        "sklearn/ensemble/tests/test_weight_boosting.py",
        "sklearn/mixture/tests/test_mixture.py",
    ),
)

SB3_ALGORITHMS = {
    "stable_baselines3.ppo.ppo:PPO": "rlextras.ppo:PPO",
    "stable_baselines3.ddpg.ddpg:DDPG": "rlextras.ddpg:DDPG",
}

STABLE_BASELINES3 = Suite(
    name="stable_baselines3",
    distribution="stable-baselines3",
    substitutes=SB3_ALGORITHMS,
    files=(
        "tests/test_buffers.py",
        "tests/test_callbacks.py",
        "tests/test_cnn.py",
        "tests/test_custom_policy.py",
        "tests/test_deterministic.py",
        "tests/test_dict_env.py",
        "tests/test_distributions.py",
        "tests/test_gae.py",
        "tests/test_her.py",
        "tests/test_identity.py",
        "tests/test_logger.py",
        "tests/test_n_step_replay.py",
        "tests/test_predict.py",
        "tests/test_run.py",
        "tests/test_save_load.py",
        "tests/test_sde.py",
        "tests/test_spaces.py",
        "tests/test_tensorboard.py",
        "tests/test_train_eval_mode.py",
        "tests/test_vec_envs.py",
        "tests/test_vec_extract_dict_obs.py",
        "tests/test_vec_monitor.py",
        "tests/test_vec_normalize.py",
    ),
    quick_files=(
        "tests/test_callbacks.py",
        "tests/test_custom_policy.py",
        "tests/test_deterministic.py",
        "tests/test_gae.py",
        "tests/test_her.py",
        "tests/test_predict.py",
        "tests/test_run.py",
        "tests/test_save_load.py",
        "tests/test_spaces.py",
    ),
    quick_options=("-k", "PPO or ppo or DDPG or ddpg"),
)

SB3_CONTRIB = Suite(
    name="sb3_contrib",
    distribution="sb3-contrib",
    substitutes={"sb3_contrib.trpo.trpo:TRPO": "rlextras.trpo:TRPO"},
    files=(
        "tests/test_cnn.py",
        "tests/test_dict_env.py",
        "tests/test_identity.py",
        "tests/test_run.py",
        "tests/test_save_load.py",
        "tests/test_utils.py",
    ),
    quick_files=(
        "tests/test_cnn.py",
        "tests/test_dict_env.py",
        "tests/test_run.py",
        "tests/test_save_load.py",
        "tests/test_utils.py",
    ),
    quick_options=("-k", "TRPO or trpo"),
)

SUITES = {suite.name: suite for suite in (SKLEARN, STABLE_BASELINES3, SB3_CONTRIB)}
