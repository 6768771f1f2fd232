"""Run the checks: one by one, all at once, or as parameters of a pytest test."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from diffusers.configuration_utils import ConfigMixin
from diffusers.schedulers.scheduling_utils import SchedulerMixin

from genextras.testing import configuration, levels, refusals, runs, steps
from genextras.testing.subject import CheckFailedError, Subject

ROOMS = (configuration, levels, steps, runs, refusals)


def scheduler_checks(
    scheduler: type, *, options: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the checks of a scheduler.

    Parameters
    ----------
    scheduler : type of SchedulerMixin
        The class.
    options : mapping of str to object, optional
        Options of its config that all checks start from.

    Yields
    ------
    name : str
        The check's name.
    check : callable
        Runs it; raises `CheckFailedError` if the scheduler does not keep the rule.
    """
    _check_class(scheduler)
    subject = Subject(scheduler, options)
    for check in (each for room in ROOMS for each in room.CHECKS):
        yield check.__name__, BoundCheck(check, subject)


def check_scheduler(
    scheduler: type,
    *,
    options: Mapping[str, Any] | None = None,
    expected_failed_checks: Mapping[str, str] | None = None,
) -> None:
    """Check that a class is a good scheduler of diffusers.

    The counterpart of scikit-learn's ``check_estimator`` [1]_ for samplers: config and files, all
    pairs of options, timesteps and noise levels, the law of ``add_noise`` and of a step, dtypes,
    generators, runs that start in the middle, and bad input. It takes a second or two.

    Parameters
    ----------
    scheduler : type of SchedulerMixin
        The class.
    options : mapping of str to object, optional
        Options of its config that all checks start from.
    expected_failed_checks : mapping of str to str, optional
        Reasons by the names of the checks that are known to fail. One that passes is an error too,
        so that the list stays true.

    Raises
    ------
    CheckFailedError
        If a check fails that is not expected to; names all of them.
    TypeError
        If it is not a scheduler class.
    ValueError
        If a check is expected to fail that does not exist.

    References
    ----------
    .. [1] "Developing scikit-learn estimators", the scikit-learn developers,
       https://scikit-learn.org/stable/developers/develop.html.

    Examples
    --------
    >>> from genextras import FlowMatchScheduler
    >>> from genextras.testing import check_scheduler
    >>> check_scheduler(FlowMatchScheduler)
    """
    _check_class(scheduler)
    reasons = dict(expected_failed_checks or {})
    _check_names(reasons)
    failures: list[tuple[str, Exception]] = []
    for name, check in scheduler_checks(scheduler, options=options):
        failure = _outcome(check, is_expected=name in reasons)
        if failure is not None:
            failures.append((name, failure))
    if failures:
        lines = [f"  {name}: {type(error).__name__}: {error}" for name, error in failures]
        text = f"{scheduler.__name__} fails {len(lines)} checks:\n" + "\n".join(lines)
        raise CheckFailedError(text) from failures[0][1]


def _outcome(check: Callable[[], None], *, is_expected: bool) -> Exception | None:
    """What is wrong with the outcome of a check, if anything."""
    try:
        check()
    except Exception as error:  # any error at all is a failure of the check
        return None if is_expected else error
    return CheckFailedError("expected to fail, and passed. Take it off.") if is_expected else None


def parametrize_with_checks(
    schedulers: Iterable[type],
    *,
    expected_failed_checks: Callable[[type], Mapping[str, str] | None] | None = None,
) -> Any:
    """Decorate a pytest test so that it runs once for each scheduler and check.

    Parameters
    ----------
    schedulers : iterable of type of SchedulerMixin
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
    for scheduler in schedulers:
        reasons = (expected_failed_checks(scheduler) if expected_failed_checks else None) or {}
        _check_names(reasons)
        for name, check in scheduler_checks(scheduler):
            is_known = name in reasons
            marks = [pytest.mark.xfail(reason=reasons[name], strict=True)] if is_known else []
            label = f"{scheduler.__name__}-{name}"
            parameters.append(pytest.param(check, id=label, marks=marks))
    return pytest.mark.parametrize("check", parameters)


@dataclass(frozen=True)
class BoundCheck:
    """The check of one subject, which names itself when it fails."""

    check: Callable[[Subject], None]
    subject: Subject

    def __call__(self) -> None:
        try:
            self.check(self.subject)
        except CheckFailedError as error:
            place = f"{self.subject.name}: {self.check.__name__}"
            raise CheckFailedError(f"{place}: {error}.") from None


def _check_class(scheduler: object) -> None:
    """Refuse what is no scheduler class."""
    bases = (SchedulerMixin, ConfigMixin)
    if not (isinstance(scheduler, type) and all(issubclass(scheduler, each) for each in bases)):
        raise TypeError(
            "check_scheduler: scheduler must be a subclass of SchedulerMixin and ConfigMixin, got "
            f"{scheduler!r}. Hand in the class, not an object."
        )


def _check_names(reasons: Mapping[str, str]) -> None:
    """Refuse names of checks that do not exist."""
    known = [each.__name__ for room in ROOMS for each in room.CHECKS]
    for name in reasons:
        if name not in known:
            raise ValueError(
                f"check_scheduler: expected_failed_checks must name checks, got {name!r}. "
                f"There are {', '.join(known)}."
            )
