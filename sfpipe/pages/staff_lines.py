"""The staves of a page, each as curves: lines may bend, turn and draw together."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import BSpline
from scipy.ndimage import binary_opening, gaussian_filter1d, maximum_filter1d, percentile_filter

from sfpipe.pages.profiles import chunk_lines

LINES = 5
SMALLEST, LARGEST = 4.0, 70.0  # px of staff space
EQUAL = 3  # equal distances that speak for a staff: two are also found between beams
REGULAR = 0.15  # share by which they may differ
LINE = 0.06  # darkness (0-1) of a row above its neighbourhood that may be a line
AT_WORK = 9.0  # px of staff space at which staves are looked for; smaller ones as they are
CHUNK, STEP = 3.0, 1.5  # staff spaces: columns looked at together, and from one to the next
SPACINGS = (0.94, 0.97, 1.0, 1.03, 1.06)  # of the page's usual staff space
BEAM = 1.3  # of a usual line's darkness; more does not count
SHARE = 0.35  # of a page's usual fit that a piece of staff has
FAINTEST = 0.1  # fit of a staff that is only just seen
ROW = 0.5  # px between the rows at which fits are known
STEEPEST = 2  # of these rows that a staff rises at most from one chunk to the next
MOVING = 0.004  # what each of them costs
CLOSEST = 1.5  # staff spaces between two staves at least
MOST_STAVES = 60
CROWDED = 4.0  # staff spaces between two staves that are nearer than staves are as a rule
WORSE = 0.35  # of the fit of its neighbour
ANOTHER = 0.06  # share by which the size of a staff differs from that of its neighbour
LONGEST_GAP = 16.0  # staff spaces of a staff that beams and heads may cover
GOES_ON = 0.4  # of a staff's usual contrast
SHORTEST = 9.0  # staff spaces
SMOOTH = 14.0  # staff spaces between the knots of a curve


@dataclass(frozen=True)
class StaffCurve:
    """One staff: `x` [shape=(n_knots,)], increasing, `top` and `bottom`: its outer lines there.

    `dark`: columns between which its lines are as dark: clefs belong to it, braces, too.
    """

    x: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    dark: tuple[float, ...] | None = None

    @property
    def left(self) -> float:
        """Column at which the lines begin."""
        return float(self.x[0])

    @property
    def right(self) -> float:
        """Column at which the lines end."""
        return float(self.x[-1])

    @property
    def space(self) -> float:
        """Mean staff space, px."""
        return float(np.mean(self.bottom - self.top)) / 4

    def scaled(self, x: float, y: float) -> StaffCurve:
        """The same staff in a picture of another size; pixels are counted by their centres."""
        top, bottom = ((line + 0.5) * y - 0.5 for line in (self.top, self.bottom))
        dark = self.dark and tuple((end + 0.5) * x - 0.5 for end in self.dark)
        return StaffCurve((self.x + 0.5) * x - 0.5, top, bottom, dark)

    def between(self, left: float, right: float) -> StaffCurve:
        """The same staff from one column to another; beyond the ends by the slope there."""
        inner = self.x[(self.x > left + 1) & (self.x < right - 1)]
        x = np.concatenate([[left], inner, [right]])
        return StaffCurve(x, extended(x, self.x, self.top), extended(x, self.x, self.bottom))

    def rows(self, x: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the outer lines at some columns; beyond the ends those of the ends."""
        return np.interp(x, self.x, self.top), np.interp(x, self.x, self.bottom)


def staff_space(grey: np.ndarray) -> float | None:
    """Usual distance of two staff lines of a page, px; None: there are no staves.

    Parameters
    ----------
    grey:
        uint8 [shape=(height, width)], level, paper white.
    """
    profiles, _ = chunk_lines(grey, max(grey.shape[1] // 60, 4), max(grey.shape[1] // 60, 4))
    bins = np.zeros(int(LARGEST * 8) + 1)
    for profile in profiles:
        peaks, heights = _peaks(profile)
        gaps = np.diff(peaks)
        for i in range(len(gaps) - EQUAL + 1):
            few = gaps[i : i + EQUAL]
            mean = few.mean()
            if np.ptp(few) < max(REGULAR * mean, 1.0) and SMALLEST * 0.6 <= mean <= LARGEST:
                # Beams are darker, and no more staff for that.
                bins[round(mean * 8)] += min(heights[i : i + EQUAL + 1].min(), 4 * LINE)
    # The closer the lines, the more often noise is as regular as they are.
    usual = gaussian_filter1d(bins, 3.0) * np.sqrt(np.arange(len(bins)))
    if bins.sum() < 0.5 or not usual.any():
        return None
    best = int(usual.argmax())
    near = slice(max(best - 4, 0), best + 5)
    return float(np.average(np.arange(len(bins))[near], weights=bins[near] + 1e-9)) / 8


def _peaks(profile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows (to fractions) of a profile's maxima and their darkness."""
    inner = profile[1:-1]
    at = 1 + np.flatnonzero((inner > LINE) & (inner >= profile[:-2]) & (inner > profile[2:]))
    a, b, c = profile[at - 1], profile[at], profile[at + 1]
    bow = a - 2 * b + c
    return at + np.where(bow < 0, (a - c) / (2 * np.minimum(bow, -1e-6)), 0), b


def find_staff_curves(grey: np.ndarray, space: float) -> list[StaffCurve]:
    """All staves of a page, from above.

    Parameters
    ----------
    grey:
        uint8 [shape=(height, width)], level, paper white.
    space:
        As `staff_space` says.
    """
    scale = min(AT_WORK / space, 1.0)
    small = grey
    if scale < 1:
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    fx, fy = small.shape[1] / grey.shape[1], small.shape[0] / grey.shape[0]
    size = space * scale
    profiles, at = chunk_lines(small, round(CHUNK * size), max(round(STEP * size), 1))
    fits = _Fits(profiles, at, size)
    found = []
    for track in _tracks(fits):
        curve = _curve(track, fits, profiles, small)
        if curve is not None:
            found.append((curve.scaled(1 / fx, 1 / fy), float(track.fit.mean())))
    return _without_beams(sorted(found, key=lambda item: float(np.median(item[0].top))))


def _without_beams(found: list[tuple[StaffCurve, float]]) -> list[StaffCurve]:
    """Staves, with their fits, from above: without beams and hairpins close to one.

    They fit much worse, or are of another size.
    """
    usual = float(np.median([staff.space for staff, _ in found])) if found else 0.0
    kept = []
    for i, (staff, fit) in enumerate(found):
        odd = abs(staff.space / usual - 1)
        for other, its_fit in found[max(i - 1, 0) : i] + found[i + 1 : i + 2]:
            another = abs(staff.space / other.space - 1) > ANOTHER
            odder = another and odd > abs(other.space / usual - 1)
            if _gap(staff, other) < CROWDED * usual and (odder or fit < WORSE * its_fit):
                break
        else:
            kept.append(staff)
    return kept


def _gap(a: StaffCurve, b: StaffCurve) -> float:
    """Between two staves that are one above the other, px."""
    upper, lower = sorted((a, b), key=lambda c: float(np.median(c.top)))
    return float(np.median(lower.rows(upper.x)[0] - upper.bottom))


class _Fits:
    """How well a staff fits at every row of every chunk of a page.

    `tops`: rows of the top line; `best`, `spaces` [shape=(n_chunks, n_tops)]: the fit with the
    best staff space, and that; `floor`: fit from which on it can only be a staff.
    """

    def __init__(self, profiles: np.ndarray, at: np.ndarray, space: float):
        self.at, self.space = at, space
        height = profiles.shape[1]
        self.tops = np.arange(0.0, max(height - 1 - (LINES - 1) * space, 1), ROW)
        # Beams are darker than lines, and no more staff for that.
        peaks = profiles[(profiles > LINE) & (profiles >= maximum_filter1d(profiles, 3, axis=1))]
        profiles = np.minimum(profiles, BEAM * np.median(peaks) if peaks.size else 1.0)
        # A line may be a pixel off where it bends within the chunk.
        wide = maximum_filter1d(profiles, 3, axis=1)
        fits = np.stack([self._score(profiles, wide, self.tops, s * space) for s in SPACINGS])
        self.best = np.clip(fits.max(axis=0), 0, None)
        self.spaces = np.array(SPACINGS)[fits.argmax(axis=0)] * space
        around = round(2.5 * space / ROW)
        peaks = maximum_filter1d(self.best, 2 * around + 1, axis=1)[:, ::around]
        seen = peaks[peaks > FAINTEST]
        self.usual = float(np.quantile(seen, 0.8)) if seen.size else np.inf
        self.floor = max(SHARE * self.usual, FAINTEST)

    @staticmethod
    def _score(
        profiles: np.ndarray, wide: np.ndarray, tops: np.ndarray, space: float
    ) -> np.ndarray:
        """Five dark lines, light between; the faintest counts most: a beam and 4 lines are none."""
        lines = np.stack([_at(wide, tops + i * space) for i in range(LINES)])
        gaps = np.stack([_at(profiles, tops + (i + 0.5) * space) for i in range(LINES - 1)])
        weak = np.sort(lines, axis=0)
        return 0.6 * weak[0] + 0.4 * weak[1] + 0.3 * lines.mean(axis=0) - 0.5 * gaps.mean(axis=0)


def _at(profiles: np.ndarray, where: np.ndarray) -> np.ndarray:
    left = np.clip(np.floor(where).astype(int), 0, profiles.shape[1] - 2)
    share = (where - left).astype(np.float32)
    return profiles[:, left] * (1 - share) + profiles[:, left + 1] * share


@dataclass(frozen=True)
class _Track:
    """One staff as a path across the page: rows of the top line and staff spaces by chunk."""

    top: np.ndarray
    space: np.ndarray
    fit: np.ndarray


def _tracks(fits: _Fits) -> list[_Track]:
    """The best paths from the left edge of the page to the right, none near another."""
    reward = np.minimum(fits.best, 1.2 * fits.usual).astype(np.float32)
    reach = round((LINES - 1 + CLOSEST) * fits.space / ROW)
    enough = SHORTEST * fits.space / (STEP * fits.space)
    chunks = np.arange(len(fits.at))
    found: list[_Track] = []
    while len(found) < MOST_STAVES:
        path = _best_path(reward)
        seen = reward[chunks, path]
        if (seen > fits.floor).sum() < enough:
            break
        found.append(_Track(fits.tops[path], fits.spaces[chunks, path], seen))
        for chunk, row in enumerate(path):
            reward[chunk, max(row - reach, 0) : row + reach + 1] = 0
    return found


def _best_path(reward: np.ndarray) -> np.ndarray:
    """Row in each chunk of the path of the largest sum, which rises or falls slowly."""
    n, height = reward.shape
    score = reward[0].copy()
    moves = np.arange(-STEEPEST, STEEPEST + 1)
    came = np.zeros((n, height), np.int8)
    padded = np.full(height + 2 * STEEPEST, -np.inf, np.float32)
    for chunk in range(1, n):
        padded[STEEPEST : STEEPEST + height] = score
        options = np.stack(
            [padded[STEEPEST + m : STEEPEST + m + height] - MOVING * abs(m) for m in moves]
        )
        which = options.argmax(axis=0)
        came[chunk] = moves[which]
        score = options[which, np.arange(height)] + reward[chunk]
    path = np.empty(n, int)
    path[-1] = int(score.argmax())
    for chunk in range(n - 1, 0, -1):
        path[chunk - 1] = path[chunk] + came[chunk, path[chunk]]
    return path


def _curve(track: _Track, fits: _Fits, profiles: np.ndarray, grey: np.ndarray) -> StaffCurve | None:
    """The smooth outer lines of a staff, and where they begin and end."""
    space = fits.space
    good = np.flatnonzero(track.fit > fits.floor)
    x, top, height = fits.at[good], track.top[good], 4 * track.space[good]
    tops, bottoms = smooth(x, top, space), smooth(x, top + height, space)
    for _ in range(2):
        rows = tops[:, None] + np.linspace(0, 1, LINES) * (bottoms - tops)[:, None]
        exact = _centres(profiles[good], rows, space)
        tops, bottoms = _outer(x, exact, space)
    left, right, *dark = _ends(grey, x, tops, bottoms, space)
    if right - left < SHORTEST * space:
        return None
    knots = np.concatenate([[left], x[(x > left + 1) & (x < right - 1)], [right]])
    curves = extended(knots, x, tops), extended(knots, x, bottoms)
    return StaffCurve(knots, *curves, dark=(dark[0], dark[1]))


def _centres(profiles: np.ndarray, rows: np.ndarray, space: float) -> np.ndarray:
    """Centres of the lines near some rows, [shape=(n_chunks, 5)]; NaN where there is none."""
    reach = max(round(0.3 * space), 2)
    offsets = np.arange(-reach, reach + 1)
    start = np.clip(np.round(rows).astype(int), reach, profiles.shape[1] - 1 - reach)
    index = start[:, :, None] + offsets
    dark = profiles[np.arange(len(profiles))[:, None, None], index]
    dark = np.clip(
        dark - dark.min(axis=2, keepdims=True) - 0.3 * np.ptp(dark, axis=2)[..., None], 0, None
    )
    mass = dark.sum(axis=2)
    centres = start + (dark * offsets).sum(axis=2) / np.maximum(mass, 1e-6)
    return np.where(mass > 0.05, centres, np.nan)


def _outer(x: np.ndarray, centres: np.ndarray, space: float) -> tuple[np.ndarray, np.ndarray]:
    """Smooth top and bottom lines from the centres of all five."""
    share = np.linspace(-0.5, 0.5, LINES)
    known = ~np.isnan(centres)
    filled = np.where(known, centres, 0)
    # The height first, a straight line along the staff; then the middle, a curve.
    pairs = [(i, j) for i in range(LINES) for j in range(i + 2, LINES)]
    heights = np.concatenate(
        [(centres[:, j] - centres[:, i]) * (LINES - 1) / (j - i) for i, j in pairs]
    )
    xs = np.tile(x, len(pairs))
    good = ~np.isnan(heights)
    height = _straight(xs[good], heights[good], x, 4 * space)
    middles = np.where(known, filled - share * height[:, None], np.nan)
    enough = known.sum(axis=1) >= 2
    middle = np.full(len(x), np.nan)
    if enough.any():
        middle[enough] = np.nanmedian(middles[enough], axis=1)
    middle = smooth(x[enough], middle[enough], space, x)
    return middle - height / 2, middle + height / 2


def _straight(x: np.ndarray, y: np.ndarray, at: np.ndarray, default: float) -> np.ndarray:
    """A line through points of which some are wrong, at other columns."""
    if len(x) < 4 or np.ptp(x) == 0:
        return np.full(len(at), float(np.median(y)) if len(y) else default)
    weight = np.ones(len(x))
    centre, spread = x.mean(), np.ptp(x)
    u = (x - centre) / spread
    line = np.array([0.0, float(np.median(y))])
    for _ in range(6):
        residual = np.abs(y - np.polyval(line, u))
        weight = 1 / np.maximum(residual, 0.02 * default)
        line = np.polyfit(u, y, 1, w=np.sqrt(weight))
    return np.polyval(line, (at - centre) / spread)


def smooth(x: np.ndarray, y: np.ndarray, space: float, at: np.ndarray | None = None) -> np.ndarray:
    """A cubic spline through points of which some are wrong, at these or other columns."""
    at = x if at is None else at
    span = float(np.ptp(x)) if len(x) else 0.0
    pieces = int(np.clip(span / (SMOOTH * space), 1, max(len(x) // 5, 1)))
    if len(x) < 6 or span == 0:
        return np.full(len(at), float(np.median(y)) if len(y) else 0.0)
    inner = np.linspace(x[0], x[-1], pieces + 1)
    knots = np.concatenate([[x[0]] * 3, inner, [x[-1]] * 3])
    design = BSpline.design_matrix(np.clip(x, x[0], x[-1]), knots, 3).toarray()
    n = design.shape[1]
    bend = np.diff(np.eye(n), 2, axis=0)
    weight = np.ones(len(x))
    coefficients = np.zeros(n)
    for _ in range(6):
        left = design.T @ (weight[:, None] * design) + 0.3 * bend.T @ bend + 1e-9 * np.eye(n)
        coefficients = np.linalg.solve(left, design.T @ (weight * y))
        residual = np.abs(y - design @ coefficients)
        weight = 1 / np.maximum(residual / (0.05 * space), 1.0)
    curve = BSpline(knots, coefficients, 3)
    inside = curve(np.clip(at, x[0], x[-1]))
    slopes = curve.derivative()(np.clip(at, x[0], x[-1]))
    return inside + slopes * (at - np.clip(at, x[0], x[-1]))


def extended(at: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Values between known points, beyond the ends by the slope there."""
    result = np.interp(at, x, y)
    if len(x) < 3:
        return result
    n = min(len(x) - 1, 4)
    before, after = at < x[0], at > x[-1]
    result[before] = y[0] + (y[n] - y[0]) / (x[n] - x[0]) * (at[before] - x[0])
    slope = (y[-1] - y[-1 - n]) / (x[-1] - x[-1 - n])
    result[after] = y[-1] + slope * (at[after] - x[-1])
    return result


def _ends(
    grey: np.ndarray, x: np.ndarray, tops: np.ndarray, bottoms: np.ndarray, space: float
) -> tuple[float, ...]:
    """First and last column in which the lines go on, without and with clefs, `StaffCurve.dark`."""
    columns = np.arange(grey.shape[1], dtype=float)
    top, bottom = extended(columns, x, tops), extended(columns, x, bottoms)
    # Means along the lines, so that noise is none.
    even = cv2.blur(grey, (2 * round(0.25 * space) + 1, 1))
    lines, between = _line_darkness(even, columns.astype(int), top, bottom)
    inside = (columns >= x[0]) & (columns <= x[-1])
    noise = percentile_filter(between, 30, round(12 * space))
    ends = []
    for what in (lines - between, lines - noise):
        even = _mean(what, space)
        go_on = even > GOES_ON * np.median(even[inside])
        go_on = binary_opening(go_on, np.ones(max(round(0.5 * space), 1)))
        # From where the most is seen to both sides.
        start = int(np.convolve(go_on, np.ones(round(8 * space)), "same").argmax())
        ends += [columns[_run_end(go_on, start, space, step)] for step in (-1, 1)]
    return tuple(ends)


def _mean(values: np.ndarray, size: float) -> np.ndarray:
    n = 2 * round(size / 2) + 1
    return np.convolve(values, np.ones(n) / n, "same")


def _line_darkness(
    grey: np.ndarray, columns: np.ndarray, top: np.ndarray, bottom: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Darkness of the second faintest of five lines in each column, and between the lines."""
    rows = top[:, None] + np.linspace(0, 1, LINES) * (bottom - top)[:, None]
    lines = _darkest(grey, columns, rows)
    between = _darkest(grey, columns, (rows[:, 1:] + rows[:, :-1]) / 2)
    return np.sort(lines, axis=1)[:, 1], np.median(between, axis=1)


def _darkest(grey: np.ndarray, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Darkness within a pixel of some rows, [shape=(n_columns, n_rows)]."""
    index = np.round(rows).astype(int)[:, :, None] + np.arange(-1, 2)
    index = np.clip(index, 0, grey.shape[0] - 1)
    return (255 - grey[index, columns[:, None, None]].astype(np.float32)).max(axis=2) / 255


def _run_end(there: np.ndarray, start: int, space: float, step: int) -> int:
    """Last column with lines, walking from `start`; short gaps are walked over."""
    at = last = start
    while 0 <= at < len(there) and abs(at - last) <= LONGEST_GAP * space:
        if there[at]:
            last = at
        at += step
    return last
