"""One step of trust region policy optimisation: maximise an objective within a divergence.

Everything here is a function of flat vectors over the P numbers of a list of parameters, and of a
closure that evaluates objective and divergence at the parameters as they stand.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Evaluate = Callable[[], tuple[Tensor, Tensor]]
"""Objective L(θ) and divergence D(θ_old, θ), both of shape (), of the parameters as they stand."""

Product = Callable[[Tensor], Tensor]
"""Of a matrix of shape (P, P) with a vector of shape (P,)."""


@dataclass(frozen=True, kw_only=True)
class TrustRegion:
    """How far a step may go, and how it is found.

    Attributes
    ----------
    max_divergence : float > 0, nats
        δ, the bound on the mean KL divergence.
    damping : float >= 0
        λ, added to the diagonal of the Fisher matrix.
    cg_max_steps : int
        Steps of the conjugate gradient method at most.
    shrinking_factor : float in (0, 1)
        By what a step that is refused is shortened.
    max_trials : int
        Lengths that are tried at most.
    """

    max_divergence: float
    damping: float
    cg_max_steps: int
    shrinking_factor: float
    max_trials: int


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a step.

    Attributes
    ----------
    accepted : bool
        Whether the parameters moved; they are those from before to the bit if not.
    objective : float
        L where the parameters stand now.
    divergence : float, nats
        D(θ_old, θ) where they stand now.
    reason : str
        Why no length was tried; empty if one was.
    """

    accepted: bool
    objective: float
    divergence: float
    reason: str = ""


def ascend(
    evaluate: Evaluate, candidates: Sequence[Tensor], region: TrustRegion
) -> tuple[Outcome, list[Tensor]]:
    """Take one trust region step up an objective.

    Solves max_θ gᵀ(θ - θ_old) subject to ½ (θ - θ_old)ᵀ F (θ - θ_old) ≤ δ and then searches along
    the solution for a point that keeps both promises without approximation ([1]_, appendix C).

    Parameters
    ----------
    evaluate : callable
        Returns L(θ) and D(θ_old, θ), both of shape (); D and its gradient are zero at θ_old.
    candidates : sequence of Tensor
        Leaves that may move. Those that L does not depend on stay.
    region : TrustRegion
        Bounds and numbers of steps.

    Returns
    -------
    outcome : Outcome
        What became of the step. Without a direction that is finite, and along which the divergence
        grows, none is taken.
    parameters : list of Tensor
        The candidates that the objective depends on, found by following its graph.

    References
    ----------
    .. [1] J. Schulman et al., "Trust Region Policy Optimization", ICML 2015,
       https://arxiv.org/abs/1502.05477.
    """
    objective, divergence = evaluate()
    parameters, gradient = gradient_of(objective, candidates)  # g
    before = objective.item()
    product = fisher_product(divergence, parameters, damping=region.damping)
    step, reason = natural_step(product, gradient, region)
    del objective, divergence, product  # the graph, before the parameters under it move
    if reason:
        return Outcome(accepted=False, objective=before, divergence=0.0, reason=reason), parameters
    return line_search(evaluate, parameters, step, before=before, region=region), parameters


def natural_step(product: Product, gradient: Tensor, region: TrustRegion) -> tuple[Tensor, str]:
    """Longest step along the natural gradient within the bound, both to leading order.

    β s with s ≈ F⁻¹ g and β = √(2δ / sᵀFs): [1]_, appendix C.

    Parameters
    ----------
    product : callable
        Maps v of shape (P,) to (F + λI) v of shape (P,).
    gradient : Tensor of shape (P,)
        g.
    region : TrustRegion
        δ and the number of conjugate gradient steps.

    Returns
    -------
    step : Tensor of shape (P,)
        Zero if there is none.
    reason : str
        Why there is none; empty if there is.

    References
    ----------
    .. [1] J. Schulman et al., "Trust Region Policy Optimization", ICML 2015,
       https://arxiv.org/abs/1502.05477.
    """
    if not (torch.isfinite(gradient).all() and gradient.any()):
        none = torch.zeros_like(gradient)
        return none, "the gradient of the objective is zero or not finite"
    direction = conjugate_gradient(product, gradient, max_steps=region.cg_max_steps)  # s ≈ F⁻¹ g
    length = maximal_length(direction, product(direction), max_divergence=region.max_divergence)
    if length == 0.0:
        reason = "the divergence does not grow along the search direction, or is not finite"
        return torch.zeros_like(gradient), reason
    return length * direction, ""


def gradient_of(output: Tensor, candidates: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Gradient of an output, and what it is a gradient with respect to; one backward pass.

    Parameters
    ----------
    output : Tensor of shape ()
        What to differentiate; its graph is kept.
    candidates : sequence of Tensor
        Leaves that the output may depend on.

    Returns
    -------
    parameters : list of Tensor
        The candidates that the output depends on, in their order.
    gradient : Tensor of shape (P,)
        g = ∂output/∂θ over them.

    Raises
    ------
    ValueError
        If the output depends on none of the candidates.
    """
    leaves = [candidate for candidate in candidates if candidate.requires_grad]
    gradients: Sequence[Tensor | None] = []
    if leaves and output.requires_grad:
        gradients = torch.autograd.grad(output, leaves, retain_graph=True, allow_unused=True)
    found = [(p, g) for p, g in zip(leaves, gradients, strict=False) if g is not None]
    if not found:
        raise ValueError("gradient_of: output must depend on a candidate that requires a gradient.")
    return [p for p, _ in found], flattened([g for _, g in found])


def flattened(tensors: Sequence[Tensor]) -> Tensor:
    """Copy tensors into one vector.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of any shapes, P numbers together.

    Returns
    -------
    Tensor of shape (P,)
        The numbers, tensor after tensor; graphs are kept.
    """
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def assign(parameters: Sequence[Tensor], vector: Tensor) -> None:
    """Write a vector into parameters, in place: the inverse of ``flattened``.

    Parameters
    ----------
    parameters : sequence of Tensor
        Of any shapes, P numbers together.
    vector : Tensor of shape (P,)
        The numbers, tensor after tensor.
    """
    pieces = vector.split([parameter.numel() for parameter in parameters])
    with torch.no_grad():
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.copy_(piece.view_as(parameter))


def fisher_product(divergence: Tensor, parameters: Sequence[Tensor], *, damping: float) -> Product:
    """Product of the damped Fisher matrix with any vector, without the matrix.

    (F + λI) v with F = ∂²D(θ_old, θ)/∂θ², the Fisher matrix where θ = θ_old, by differentiating
    vᵀ ∂D/∂θ: [1]_, appendix C.1. The graph of ∂D/∂θ is made once, for all products.

    Parameters
    ----------
    divergence : Tensor of shape ()
        D(θ_old, θ), at θ = θ_old.
    parameters : sequence of Tensor
        θ, leaves, P numbers together.
    damping : float >= 0
        λ.

    Returns
    -------
    callable
        Maps v of shape (P,) to (F + λI) v of shape (P,).

    References
    ----------
    .. [1] J. Schulman et al., "Trust Region Policy Optimization", ICML 2015,
       https://arxiv.org/abs/1502.05477.
    """
    leaves = list(parameters)
    slope = flattened(
        torch.autograd.grad(divergence, leaves, create_graph=True, materialize_grads=True)
    )  # ∂D/∂θ, (P,)

    def _product(vector: Tensor) -> Tensor:
        rows = torch.autograd.grad(
            slope, leaves, grad_outputs=vector, retain_graph=True, materialize_grads=True
        )
        return flattened(rows) + damping * vector  # F is symmetric: vᵀF is F v

    return _product


def conjugate_gradient(
    product: Product, target: Tensor, *, max_steps: int, tolerance: float = 1e-5
) -> Tensor:
    """Solve A x = b for a positive definite A that is known by its products only.

    Algorithm 5.2 of [1]_ from x = 0. After k steps, x minimises ½ xᵀAx - bᵀx over the span of
    b, Ab, ..., Aᵏ⁻¹b.

    Parameters
    ----------
    product : callable
        Maps v of shape (P,) to A v of shape (P,).
    target : Tensor of shape (P,)
        b.
    max_steps : int
        Products at most.
    tolerance : float, default=1e-5
        Stop once ‖b - Ax‖ ≤ tolerance · ‖b‖; a factor of b changes nothing.

    Returns
    -------
    Tensor of shape (P,)
        x. If a direction p with pᵀAp ≤ 0 turns up, A is not positive definite, or rounding has
        taken over: the answer is the x before it, for which all was well, and zero if there is
        none. The same holds if a product is not finite.

    References
    ----------
    .. [1] J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd ed., 2006; its algorithm 7.2
       truncates in the same place.

    Examples
    --------
    >>> matrix = torch.tensor([[4.0, 1.0], [1.0, 3.0]])
    >>> x = conjugate_gradient(matrix.mv, torch.tensor([1.0, 2.0]), max_steps=2)
    >>> (11 * x).round().tolist()
    [1.0, 7.0]
    """
    x, residual = torch.zeros_like(target), target.clone()  # r = b - Ax
    direction, norm = residual, residual.dot(residual)  # p, rᵀr
    enough = tolerance**2 * norm
    for _ in range(max_steps):
        if norm <= enough:
            break
        image = product(direction)  # Ap
        curvature = direction.dot(image)  # pᵀAp
        if not 0 < curvature.item() < math.inf:
            break
        step = norm / curvature  # α
        x = x + step * direction
        residual = residual - step * image
        norm, before = residual.dot(residual), norm
        direction = residual + norm / before * direction  # β = r'ᵀr' / rᵀr
    return x


def maximal_length(direction: Tensor, image: Tensor, *, max_divergence: float) -> float:
    """How far to go along a direction until the divergence reaches its bound, to second order.

    β = √(2δ / sᵀFs), from δ = ½ (βs)ᵀ F (βs): [1]_, appendix C.

    Parameters
    ----------
    direction : Tensor of shape (P,)
        s.
    image : Tensor of shape (P,)
        F s.
    max_divergence : float > 0, nats
        δ.

    Returns
    -------
    float
        β, finite; 0 if there is none, because sᵀFs is not positive, or not finite.

    References
    ----------
    .. [1] J. Schulman et al., "Trust Region Policy Optimization", ICML 2015,
       https://arxiv.org/abs/1502.05477.
    """
    curvature = direction.dot(image).item()
    return math.sqrt(2.0 * max_divergence / curvature) if 0 < curvature < math.inf else 0.0


def line_search(
    evaluate: Evaluate,
    parameters: Sequence[Tensor],
    step: Tensor,
    *,
    before: float,
    region: TrustRegion,
) -> Outcome:
    """Shorten a step until it raises the objective within the bound on the divergence.

    θ = θ_old + αᵏ Δ for the first k = 0, 1, ... with L(θ) > L(θ_old) and D(θ_old, θ) ≤ δ: [1]_,
    appendix C. The parameters stand where they stood, to the bit, if no k does, and also if
    ``evaluate`` raises.

    Parameters
    ----------
    evaluate : callable
        Returns L(θ) and D(θ_old, θ), both of shape ().
    parameters : sequence of Tensor
        θ, at θ_old; written in place.
    step : Tensor of shape (P,)
        Δ.
    before : float
        L(θ_old).
    region : TrustRegion
        δ, α and the number of trials.

    Returns
    -------
    Outcome
        Whether a length was accepted. NaN is never.

    References
    ----------
    .. [1] J. Schulman et al., "Trust Region Policy Optimization", ICML 2015,
       https://arxiv.org/abs/1502.05477.
    """
    start, accepted = flattened(parameters).detach(), False
    try:
        for k in range(region.max_trials):
            assign(parameters, start + region.shrinking_factor**k * step)
            with torch.no_grad():
                objective, divergence = (measure.item() for measure in evaluate())
            accepted = objective > before and divergence <= region.max_divergence
            if accepted:
                return Outcome(accepted=True, objective=objective, divergence=divergence)
    finally:
        if not accepted:
            assign(parameters, start)
    return Outcome(accepted=False, objective=before, divergence=0.0)
