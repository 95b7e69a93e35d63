"""The same convolution said in several ways: sums, patches, matrices, polynomials, frequencies."""

import numpy as np
import pytest

import minidl
from minidl import nn

F = nn.functional


def drawn(rng, *shape):
    return minidl.tensor(rng.standard_normal(shape))


def equal(a, b):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-12)


GEOMETRIES = [{}, {"padding": 2}, {"stride": 2, "padding": 1}, {"dilation": 2}, {"stride": 3, "padding": 2, "dilation": 2}]


@pytest.mark.parametrize("options", GEOMETRIES)
def test_the_matrix_of_a_convolution_and_its_transpose(rng, options):
    x, kernel = drawn(rng, 9), drawn(rng, 3)
    matrix = minidl.toeplitz(kernel, 9, **options)
    out = F.conv1d(x.reshape(1, 1, 9), kernel.reshape(1, 1, 3), **options)[0, 0]
    equal(matrix @ x, out)
    y = drawn(rng, len(out))
    again = F.conv_transpose1d(y.reshape(1, 1, -1), kernel.reshape(1, 1, 3), **options)
    missing = 9 - again.shape[2]  # inputs at the end that the stride of the convolution did not count
    back = F.conv_transpose1d(y.reshape(1, 1, -1), kernel.reshape(1, 1, 3), output_padding=missing, **options)[0, 0]
    equal(matrix.T @ y, back)


@pytest.mark.parametrize("options", GEOMETRIES)
def test_the_matrix_of_a_convolution_of_images(rng, options):
    x, kernel = drawn(rng, 7, 6), drawn(rng, 3, 2)
    out = F.conv2d(x.reshape(1, 1, 7, 6), kernel.reshape(1, 1, 3, 2), **options)
    equal(minidl.toeplitz(kernel, (7, 6), **options) @ x.reshape(-1), out.reshape(-1))


def test_toeplitz_matrices_are_constant_along_diagonals(rng):
    matrix = minidl.toeplitz(drawn(rng, 4), 9, padding=1).numpy()
    assert all(np.ptp(np.diagonal(matrix, i)) == 0 for i in range(-len(matrix) + 1, 9))
    blocks = minidl.toeplitz(drawn(rng, 3, 2), (5, 4)).reshape(3, 3, 5, 4).numpy()  # (OH, OW, H, W)
    for i, j in np.ndindex(2, 4):  # the block of a row of outputs and a row of inputs, and its neighbour down the block diagonal
        np.testing.assert_array_equal(blocks[i, :, j], blocks[i + 1, :, j + 1])
        assert all(np.ptp(np.diagonal(blocks[i, :, j], k)) == 0 for k in range(-2, 4))


def test_convolution_is_a_product_of_polynomials(rng):
    a, b, c = drawn(rng, 5), drawn(rng, 3), drawn(rng, 4)
    equal(minidl.convolve(a, b), minidl.convolve(b, a))
    equal(minidl.convolve(minidl.convolve(a, b), c), minidl.convolve(a, minidl.convolve(b, c)))
    equal(np.polymul(a.numpy(), b.numpy()), minidl.convolve(a, b))
    equal(minidl.convolve(a, minidl.tensor([0.0, 0, 1]).double()), np.r_[0, 0, a.numpy()])  # a shifted spike shifts


def test_layers_do_not_flip_the_kernel(rng):
    a, b = drawn(rng, 8), drawn(rng, 3)
    equal(minidl.convolve(a, b), minidl.toeplitz(b.flip(0), 8, padding=2) @ a)
    equal(minidl.convolve(a, b, "valid"), F.conv1d(a.reshape(1, 1, 8), b.flip(0).reshape(1, 1, 3))[0, 0])
    equal(np.correlate(a.numpy(), b.numpy()), F.conv1d(a.reshape(1, 1, 8), b.reshape(1, 1, 3))[0, 0])
    equal(minidl.convolve(a, b), F.conv_transpose1d(a.reshape(1, 1, 8), b.reshape(1, 1, 3))[0, 0])  # the transpose flips it back


def test_on_a_circle_frequencies_multiply(rng):
    a, b = drawn(rng, 8), drawn(rng, 8)
    around = F.pad(a.reshape(1, 1, 8), (7, 0), "circular")
    product = np.fft.ifft(np.fft.fft(a.numpy()) * np.fft.fft(b.numpy())).real
    equal(F.conv1d(around, b.flip(0).reshape(1, 1, 8))[0, 0], product)


@pytest.mark.parametrize("options", GEOMETRIES)
def test_convolution_is_the_weight_times_the_patches(rng, options):
    x, weight = drawn(rng, 2, 3, 8, 7), drawn(rng, 4, 3, 3, 2)
    out = F.conv2d(x, weight, **options)
    columns = F.unfold(x, (3, 2), **options)  # (N, C KH KW, L)
    equal(weight.reshape(4, -1) @ columns, out.reshape(2, 4, -1))
    equal(minidl.conv_nd(x, weight, **options), out)


@pytest.mark.parametrize("options", GEOMETRIES)
def test_transposed_convolution_adds_up_patches(rng, options):
    x, weight = drawn(rng, 2, 3, 5, 4), drawn(rng, 3, 4, 3, 2)
    out = F.conv_transpose2d(x, weight, **options)
    columns = weight.reshape(3, -1).T @ x.reshape(2, 3, -1)  # (N, F KH KW, L)
    equal(F.fold(columns, out.shape[2:], (3, 2), **options), out)


def test_folding_patches_counts_them(rng):
    x = drawn(rng, 2, 3, 6, 5)
    options = {"kernel_size": 3, "padding": 1, "stride": 2}
    counts = F.fold(F.unfold(minidl.ones_like(x), **options), (6, 5), **options)
    equal(F.fold(F.unfold(x, **options), (6, 5), **options), x * counts)
    whole = F.unfold(x, (2, 5), stride=(2, 5))  # patches that do not overlap: folding is the inverse
    equal(F.fold(whole, (6, 5), (2, 5), stride=(2, 5)), x)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_every_dimension_is_one_convolution(rng, n):
    x, weight, bias = drawn(rng, 2, 4, *(6, 5, 4)[:n]), drawn(rng, 6, 2, *(3, 2, 2)[:n]), drawn(rng, 6)
    options = {"stride": 2, "padding": 1, "groups": 2}
    equal(minidl.conv_nd(x, weight, bias, **options), getattr(F, f"conv{n}d")(x, weight, bias, **options))


def test_more_dimensions_than_kernels_have(rng):
    x, weight = drawn(rng, 1, 2, 3, 4, 3, 4), drawn(rng, 3, 2, 1, 2, 2, 3)
    out = minidl.conv_nd(x, weight)  # 4-D
    by_slices = F.conv3d(x.movedim(2, 0).reshape(3, 2, 4, 3, 4), weight[:, :, 0])  # its first kernel size is 1
    equal(out, by_slices.reshape(3, 1, 3, 3, 2, 2).movedim(0, 2))


def test_the_matrix_is_differentiable(rng):
    kernel, x = drawn(rng, 3).requires_grad_(), drawn(rng, 7)
    (minidl.toeplitz(kernel, 7) @ x).sum().backward()
    equal(kernel.grad, [x[i : i + 5].sum().item() for i in range(3)])


def test_patches_of_any_dtype():
    x = minidl.arange(6).reshape(1, 1, 6)
    assert minidl.extract_patches(x, 2, 2)[0, 0].T.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert minidl.combine_patches(minidl.extract_patches(x, 3), 6).tolist() == [[[0, 2, 6, 9, 8, 5]]]


def test_layers_of_patches():
    x = minidl.randn(2, 3, 6, 6)
    columns = nn.Unfold(2, stride=2)(x)
    assert columns.shape == (2, 12, 9)
    assert minidl.equal(nn.Fold(6, 2, stride=2)(columns), x)
    with pytest.raises(minidl.ArgumentError, match="Unfold: stride must be at least 1, got stride 0"):
        nn.Unfold(2, stride=0)
    with pytest.raises(minidl.ShapeError, match="Fold: output_size must be an integer or 2 integers"):
        nn.Fold((2, 2, 2), 2)
