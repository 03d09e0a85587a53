import numpy as np
import pytest

from sfpipe.audio.filterbank import centre_frequencies, filterbank, nearest_bins, triangle


def test_frequencies_and_bins_are_the_references(golden):
    np.testing.assert_allclose(centre_frequencies(), golden["freqs"], rtol=1e-12)
    np.testing.assert_array_equal(nearest_bins(centre_frequencies()), golden["bins"])


def test_filters_are_the_references(golden):
    bank = filterbank()
    assert bank.shape == (1024, 78)
    assert bank.dtype == np.float32
    np.testing.assert_allclose(bank, golden["filterbank"], atol=1e-7)


def test_every_filter_sums_to_one():
    np.testing.assert_allclose(filterbank().sum(axis=0), 1, atol=1e-6)


def test_centre_frequencies_lie_within_the_papers_range():
    frequencies = centre_frequencies()
    assert frequencies[0] == pytest.approx(61.735, abs=1e-3)  # B1
    assert frequencies[-1] == pytest.approx(5919.91, abs=1e-2)  # F#8
    np.testing.assert_allclose(frequencies[1:] / frequencies[:-1], 2 ** (1 / 12))


def test_a_tie_between_two_bins_goes_to_the_upper():
    halfway = 10.5 * 22050 / 2048
    assert nearest_bins(np.array([halfway, np.nextafter(halfway, 0)])).tolist() == [11, 10]


def test_triangles_by_hand():
    np.testing.assert_allclose(triangle(3, 4, 5), [0, 1])
    np.testing.assert_allclose(triangle(3, 5, 9), np.array([0, 2, 4, 3, 2, 1]) / 12)
    np.testing.assert_allclose(triangle(7, 7, 8), [1])  # too narrow: the first bin alone
    np.testing.assert_allclose(triangle(7, 7, 7), [1])


def test_the_shared_table_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        filterbank()[0, 0] = 1
