"""A recommendation in words, the same on the page, in Markdown and on the console."""

from cutpoint.records.comparison import Interval
from cutpoint.records.recommendation import (
    NO_SPEED,
    TRADE_OFF,
    USE,
    Choice,
    Recommendation,
    Speed,
)
from cutpoint.summary.words import fixed, interval, join, signed

RULE = (
    "Recommended is the fastest variant with trusted times among those that are lossless or equivalent; the "
    "reference is one of them. Faster by x %: the other's median time is x % above its own, with an interval "
    "from rounds that ran one after the other."
)
NAMED = 4


def headline(advice: Recommendation) -> str:
    """The answer in one line: ``use decoded: lossless, 18 % faster than e2e (95 % interval 15 to 21 %)``."""
    choice = advice.choice
    if advice.kind == USE and choice is not None:
        return f"use {choice.variant}: {answer(advice)}"
    if advice.kind == NO_SPEED:
        return f"no recommendation on speed; {answer(advice)}"
    return answer(advice)


def answer(advice: Recommendation) -> str:
    """The headline without ``use`` and the variant."""
    choice = advice.choice
    if advice.kind == USE and choice is not None:
        speed = _speed(advice)
        return f"{', '.join([_worth(advice, choice), *speed])}{_flags(choice.time_doubts) if speed else ''}"
    if advice.kind == NO_SPEED:
        return f"without a loss: {_names(advice.same)}"
    if advice.kind == TRADE_OFF and choice is not None:
        return _trade_off(advice, choice)
    return "no recommendation"


def faster(speed: Speed) -> str:
    """How much faster than another variant, with the interval; never a claim that the interval denies."""
    ends = speed.ratio_ci95
    if ends is None:
        return f"not shown to be faster than {speed.other}"
    if speed.is_faster and ends[0] >= 2:
        said, unit = f"{speed.ratio:.1f} times as fast as {speed.other}", ""
        low, high = (f"{end:.1f}" for end in ends)
    else:
        digits = 0 if _percent(ends[1]) - _percent(ends[0]) >= 5 else 1
        low, high, unit = *(f"{_percent(end):.{digits}f}" for end in ends), " %"
        said = f"{_percent(speed.ratio):.{digits}f} % faster than {speed.other}"
        said = said if speed.is_faster else f"not shown to be faster than {speed.other}"
    return f"{said} (95 % interval {low} to {high}{unit})"


def cost(choice: Choice) -> str:
    """What a variant costs in AP, or without ground truth its agreement; with the flags of these numbers."""
    flags = _flags(choice.doubts)
    if choice.is_reference:
        return f"AP {fixed(4)(choice.AP)}{flags}" if choice.AP is not None else f"the reference itself{flags}"
    if choice.delta_AP is None:
        return f"agreement {fixed(4)(choice.agreement)}{flags}" if choice.agreement is not None else ""
    limits = choice.delta_AP_ci95
    span = f", 95 % interval {interval(*limits)}" if limits else ""
    return f"ΔAP {signed(choice.delta_AP)}{span}{flags}"


def time_of(choice: Choice) -> str:
    """The median latency with its interval and its flags; empty if it was not timed."""
    if choice.latency_p50_ms is None:
        return ""
    return f"{milliseconds(choice.latency_p50_ms, choice.latency_p50_ci95)}{_flags(choice.time_doubts)}"


def milliseconds(value: float, ends: Interval | None) -> str:
    """A median time and its 95 % interval."""
    digits = 1 if value >= 10 else 2
    span = f" ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})" if ends else ""
    return f"{value:.{digits}f} ms{span}"


def _worth(advice: Recommendation, choice: Choice) -> str:
    flags = _flags(choice.doubts)
    if not choice.is_reference:
        return f"{choice.verdict}{flags}"
    if not advice.same:
        return f"the reference{flags}; no other variant is shown to be without a loss"
    return f"{'the only variant to choose from' if len(advice.same) == 1 else 'the reference'}{flags}"


def _speed(advice: Recommendation) -> list[str]:
    """The speed over another variant, and who may be as fast."""
    speed, others = advice.speed, advice.as_fast
    if speed is None:
        return []
    if not speed.is_faster:
        more = tuple(name for name in others if name != speed.other)
        return [faster(speed) + (f", nor than {_names(more)}" if more else "")]
    verb = "is" if len(others) == 1 else "are"
    return [faster(speed), *([f"{_names(others)} {verb} not shown to be slower"] if others else [])]


def _trade_off(advice: Recommendation, best: Choice) -> str:
    said = "no variant is shown to be without a loss"
    kept = "AP" if best.AP is not None else "agreement"
    parts = ", ".join(filter(None, [cost(best), time_of(best)]))
    if advice.fastest is None:
        both = advice.speed is not None or advice.as_fast
        return f"{said}: best {kept}{' and fastest' if both else ''} {best.variant} ({parts})"
    quick = ", ".join(filter(None, [cost(advice.fastest), time_of(advice.fastest)]))
    more = f", {faster(advice.speed)}" if advice.speed else ""
    return f"{said}: best {kept} {best.variant} ({parts}); fastest {advice.fastest.variant} ({quick}){more}"


def _names(names: tuple[str, ...]) -> str:
    """All names, or the first few and how many more."""
    if len(names) <= NAMED:
        return join(names)
    return join([*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"])


def _percent(ratio: float) -> float:
    return 100 * (ratio - 1)


def _flags(words: tuple[str, ...]) -> str:
    return f" [{', '.join(words)}]" if words else ""
