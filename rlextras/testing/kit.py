"""Run the checks: one by one, all at once, or as parameters of a pytest test."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm

from rlextras.testing import construction, environments, files, life_cycle, prediction
from rlextras.testing.subject import CheckFailedError, Subject

Check = Callable[[type[BaseAlgorithm]], None]
ROOMS = (construction, prediction, life_cycle, files, environments)


def algorithm_checks(
    algorithm: type[BaseAlgorithm], *, options: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the checks of an algorithm.

    Parameters
    ----------
    algorithm : type of BaseAlgorithm
        The class.
    options : mapping of str to object, optional
        Options that its models need beyond policy and environment.

    Yields
    ------
    name : str
        The check's name.
    check : callable
        Runs it; raises `CheckFailedError` if the algorithm does not keep the rule.
    """
    _check_class(algorithm)
    subject = Subject(algorithm, options)
    for check in (each for room in ROOMS for each in room.CHECKS):
        yield check.__name__, _named(check, subject)


def check_algorithm(
    algorithm: type[BaseAlgorithm],
    *,
    options: Mapping[str, Any] | None = None,
    expected_failed_checks: Mapping[str, str] | None = None,
) -> None:
    """Check that a class is a good algorithm of Stable-Baselines3.

    The counterpart of scikit-learn's ``check_estimator`` [1]_ for reinforcement learning:
    constructor and options, ``learn`` on all spaces, ``predict``, seeds, files with optimisers,
    callbacks, logs, ``VecNormalize``, time limits, and nothing written that was handed in. It
    trains some fifty tiny models, in a few seconds.

    Parameters
    ----------
    algorithm : type of BaseAlgorithm
        The class.
    options : mapping of str to object, optional
        Options that its models need beyond policy and environment.
    expected_failed_checks : mapping of str to str, optional
        Reasons by the names of the checks that are known to fail. One that passes is an error too,
        so that the list stays true.

    Raises
    ------
    CheckFailedError
        If a check fails that is not expected to; names all of them.
    TypeError
        If it is not an algorithm class.
    ValueError
        If a check is expected to fail that does not exist.

    References
    ----------
    .. [1] "Developing scikit-learn estimators", the scikit-learn developers,
       https://scikit-learn.org/stable/developers/develop.html.

    Examples
    --------
    >>> from stable_baselines3 import PPO
    >>> from rlextras.testing import check_algorithm
    >>> known = {
    ...     "check_impossible_options_are_refused": "gamma=1.7 trains without a word",
    ...     "check_what_environments_gave_is_not_written": "bootstraps are added to rewards",
    ... }
    >>> check_algorithm(PPO, expected_failed_checks=known)
    """
    _check_class(algorithm)
    reasons = dict(expected_failed_checks or {})
    _check_names(reasons)
    failures: list[tuple[str, Exception]] = []
    for name, check in algorithm_checks(algorithm, options=options):
        try:
            check()
        except Exception as error:  # any error at all is a failure of the check
            if name not in reasons:
                failures.append((name, error))
        else:
            if name in reasons:
                passed = CheckFailedError("expected to fail, and passed. Take it off the list.")
                failures.append((name, passed))
    if failures:
        lines = [f"  {name}: {type(error).__name__}: {error}" for name, error in failures]
        message = f"{algorithm.__name__} fails {len(lines)} checks:\n" + "\n".join(lines)
        raise CheckFailedError(message) from failures[0][1]


def parametrize_with_checks(
    algorithms: Iterable[type[BaseAlgorithm]],
    *,
    expected_failed_checks: Callable[[type[BaseAlgorithm]], Mapping[str, str]] | None = None,
) -> Any:
    """Decorate a pytest test so that it runs once for each algorithm and check.

    Parameters
    ----------
    algorithms : iterable of type of BaseAlgorithm
        The classes.
    expected_failed_checks : callable, optional
        Reasons by check, for each class; those tests are marked as expected to fail.

    Returns
    -------
    MarkDecorator
        For a test whose one parameter is ``check``, which it calls.
    """
    import pytest  # a package for tests is needed here only

    parameters = []
    for algorithm in algorithms:
        reasons = dict(expected_failed_checks(algorithm)) if expected_failed_checks else {}
        _check_names(reasons)
        for name, check in algorithm_checks(algorithm):
            reason = reasons.get(name)
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            parameters.append(pytest.param(check, id=f"{algorithm.__name__}-{name}", marks=marks))
    return pytest.mark.parametrize("check", parameters)


def _named(check: Callable[[Subject], None], subject: Subject) -> Callable[[], None]:
    """The check of one subject, which names itself when it fails."""

    def run() -> None:
        try:
            check(subject)
        except CheckFailedError as error:
            raise CheckFailedError(f"{subject.name}: {check.__name__}: {error}.") from None

    return run


def _check_class(algorithm: object) -> None:
    """Refuse what is no algorithm class."""
    if not (isinstance(algorithm, type) and issubclass(algorithm, BaseAlgorithm)):
        raise TypeError(
            f"check_algorithm: algorithm must be a subclass of BaseAlgorithm, got {algorithm!r}. "
            "Hand in the class, not a model."
        )


def _check_names(reasons: Mapping[str, str]) -> None:
    """Refuse names of checks that do not exist."""
    known = [each.__name__ for room in ROOMS for each in room.CHECKS]
    unknown = [name for name in reasons if name not in known]
    if unknown:
        raise ValueError(
            f"check_algorithm: expected_failed_checks must name checks, got {unknown[0]!r}. "
            f"There are {', '.join(known)}."
        )
