"""Sampling by grids: what follows from its meaning, second derivatives, and what is refused."""

import numpy as np
import pytest

import minidl
from minidl.errors import ArgumentError, DTypeError, ShapeError

F = minidl.nn.functional
IDENTITY = [[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_the_identity_gives_the_image_and_a_mirror_turns_it(mode, align_corners):
    image = minidl.randn(1, 2, 5, 4, dtype=minidl.float64)
    for scale, expected in ((1.0, image), (-1.0, image.flip(3))):
        theta = minidl.tensor(IDENTITY, dtype=minidl.float64) * minidl.tensor([[scale], [1.0]], dtype=minidl.float64)
        out = F.grid_sample(image, F.affine_grid(theta, image.shape, align_corners), mode, align_corners=align_corners)
        np.testing.assert_allclose(out.numpy(), expected.numpy(), atol=1e-12)


def test_a_shift_by_whole_pixels_moves_zeros_in():
    image = minidl.arange(12.0).reshape(1, 1, 3, 4)
    theta = minidl.tensor(IDENTITY) + minidl.tensor([[[0.0, 0.0, 0.5], [0.0, 0.0, 0.0]]])  # one of four pixels to the right
    out = F.grid_sample(image, F.affine_grid(theta, image.shape))
    assert out.tolist() == [[[[1, 2, 3, 0], [5, 6, 7, 0], [9, 10, 11, 0]]]]


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_gradients_by_image_and_grid(mode, padding_mode, rng):
    image = minidl.tensor(rng.standard_normal((1, 2, 3, 4)), requires_grad=True)
    grid = minidl.tensor(rng.uniform(-1.4, 1.4, (1, 2, 3, 2)), requires_grad=True)
    assert minidl.autograd.gradcheck(lambda a, b: F.grid_sample(a, b, mode, padding_mode), (image, grid))
    assert minidl.autograd.gradgradcheck(lambda a, b: F.grid_sample(a, b, mode, padding_mode), (image, grid))


def test_empty_batches_and_grids():
    assert F.grid_sample(minidl.ones(0, 2, 3, 3), minidl.ones(0, 4, 5, 2)).shape == (0, 2, 4, 5)
    assert F.grid_sample(minidl.ones(1, 2, 3, 3), minidl.ones(1, 0, 5, 2)).shape == (1, 2, 0, 5)
    assert F.affine_grid(minidl.ones(0, 2, 3), (0, 1, 4, 5)).shape == (0, 4, 5, 2)


IMAGE, GRID = minidl.ones(1, 2, 3, 3), minidl.ones(1, 4, 4, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: F.grid_sample(IMAGE, GRID[..., :1]), ShapeError, r"grid_sample: input must be \(N, C, H, W\) and grid \(N, OH, OW, 2\)"),
        (lambda: F.grid_sample(IMAGE[0], GRID), ShapeError, "grid_sample: input must be"),
        (lambda: F.grid_sample(IMAGE[:, :, :0], GRID), ShapeError, "grid_sample: spatial sizes of input must not be zero"),
        (lambda: F.grid_sample(IMAGE, GRID.double()), DTypeError, "grid_sample: input and grid must be of one dtype"),
        (lambda: F.grid_sample(IMAGE, None), DTypeError, "grid_sample: tensors are needed for input and grid"),
        (lambda: F.grid_sample(IMAGE, GRID, "cubic"), ArgumentError, "grid_sample: mode must be one of bilinear, nearest, bicubic"),
        (lambda: F.grid_sample(IMAGE, GRID, padding_mode="mirror"), ArgumentError, "padding_mode must be one of zeros, border, reflection"),
        (
            lambda: F.grid_sample(minidl.ones(1, 1, 2, 2, 2), minidl.ones(1, 1, 1, 1, 3), "bicubic"),
            ArgumentError, "mode bicubic is for images only",
        ),
        (lambda: F.affine_grid(minidl.ones(1, 2, 2), (1, 1, 3, 3)), ShapeError, r"affine_grid: theta must be \(N, 2, 3\)"),
        (lambda: F.affine_grid(minidl.ones(1, 2, 3), 4), ShapeError, r"affine_grid: theta must be \(N, 2, 3\)"),
        (lambda: F.affine_grid([[1.0]], (1, 1, 3, 3)), DTypeError, "affine_grid: tensors are needed for theta"),
    ],
)  # fmt: skip
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_lies_outside_takes_nothing_from_the_first_pixel(mode, bad):
    image = np.ones((1, 2, 4, 5))
    image[..., 0, 0] = bad
    x, points = minidl.tensor(image, requires_grad=True), minidl.tensor([[[[3.0, 3.0], [1.4, 0.2]]]], dtype=minidl.float64)
    points.requires_grad_()
    out = F.grid_sample(x, points, mode)
    assert np.isfinite(out.detach().numpy()).all() and not out.detach().numpy()[..., 0].any()
    out.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
    assert mode == "nearest" or np.isfinite(points.grad.numpy()).all()


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (4, 5)])
def test_infinite_coordinates_lie_far_outside(mode, padding_mode, align_corners, size):
    x = minidl.tensor(np.arange(1.0, 1 + np.prod(size)).reshape(1, 1, *size), requires_grad=True)
    points = minidl.tensor([[[[np.inf, 0.0], [-np.inf, 0.0], [0.0, np.inf], [np.inf, -np.inf]]]], dtype=minidl.float64)
    far = points.clamp(-40, 40)
    points.requires_grad_()
    out = F.grid_sample(x, points, mode, padding_mode, align_corners)
    if size != (1, 1) or not align_corners:
        expected = F.grid_sample(x, far, mode, padding_mode, align_corners)
        np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=1e-12)
    assert np.isfinite(out.detach().numpy()).all()
    out.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()
    assert points.grad is None or np.isfinite(points.grad.numpy()).all()
