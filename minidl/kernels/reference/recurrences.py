"""Twins of the recurrent kernels: the equations of the papers, one time step after the other.

A batch of sequences is a matrix with one row per step of a sequence: step t of sequence n is row starts[t] + n row_step, for
n < sizes[t]. Sequences stand in descending order of their lengths, so those that are still running at step t are the first
sizes[t]. Dense and packed batches, time first or batch first, differ in these numbers only.

Every list has one entry per direction: the first runs from the first step to the last, the second the other way. With w_above the
entries are two layers of a stack instead: the second runs the same way, over the output of the first.

    cell         equations (a = W_ih x + b, the input product; h' = the new state; s = the logistic function)
    rnn_tanh     h' = tanh(a + W_hh h)                                                      Elman 1990
    rnn_relu     h' = max(0, a + W_hh h)                                                    Le, Jaitly & Hinton 2015
    lstm         i, f, o = s(a + W_hh h);  g = tanh(a_g + W_g h);  c' = f c + i g;  h' = o tanh(c')
                                                      Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000
                 peepholes (Gers & Schmidhuber 2000): + p_i c in i, + p_f c in f, + p_o c' in o
                 projection (Sak et al. 2014): h' = W_hr (o tanh(c'))
    gru          r, z = s(a + W_hh h);  n = tanh(a_n + r (W_hn h + b_hn));  h' = (1 - z) n + z h       reset after (cuDNN)
    gru_before   r, z as above;         n = tanh(a_n + W_hn (r h));         h' = (1 - z) n + z h       Cho et al. 2014, 5-8

update_sign -1 turns z into the share of the new value, h' = (1 - z) h + z n (Chung et al. 2014, eq. 5), since 1 - s(a) = s(-a):
what `gates` holds in place of z is always the share of the old state.

Variational dropout (Gal & Ghahramani 2016): h enters the products W_hh h as mask * h, with one mask for all steps.
"""

import numpy as np

N_GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3, "gru_before": 3}


def sigmoid(a):
    """1 / (1 + exp(-a)), without overflow."""
    return np.exp(-np.logaddexp(0, -a))


def entry(values, direction):
    return None if values is None else values[direction]


def steps(starts, sizes, row_step, backwards):
    """(number of running sequences, their rows) for each step, first to last or last to first."""
    order = range(len(sizes) - 1, -1, -1) if backwards else range(len(sizes))
    return [(int(sizes[t]), starts[t] + row_step * np.arange(sizes[t])) for t in order]


def recurrent(
    cell, update_sign, x, w_ih, b_ih, b_hh, gates, w_hh, b_hn, w_hr, peephole, mask, h0, c0, out, cells, extra, h_n, c_n, starts,
    sizes, row_step, w_above, b_above, n_threads,
):  # fmt: skip
    """Run a layer: `gates` comes as the input product and leaves activated; states go to `out`, last ones to `h_n`, `c_n`.

    x, w_ih, b_ih, b_hh: None; or what the input product x W_ih^T + b_ih + b_hh is made of here, without the biases where they are None;
    of a gru the last part of b_hh then takes the place of b_hn, which is None. First states are zero where they are None.

    w_above, b_above: None; or what the input product of the second of two layers is made of here.

    extra: what the gradient needs besides: W_hn h + b_hn (gru), r mask h (gru_before), o tanh(c') (lstm with projection).
    """
    for d in range(len(gates)):
        h, c = start(h0, d, h_n[d]), None if cell != "lstm" else start(c0, d, c_n[d])
        inner = entry(b_hn, d)
        if x is not None:
            outer = x @ w_ih[d].T + (0 if b_ih is None else b_ih[d])
            if b_hh is not None:
                together, inner = np.split(b_hh[d], [2 * h.shape[1] if cell == "gru" else len(b_hh[d])])
                outer[:, : len(together)] += together
            gates[d][...] = outer
        if w_above is not None and d == 1:
            gates[1][...] = out[0] @ w_above.T + (0 if b_above is None else b_above)
        for n, rows in steps(starts, sizes, row_step, backwards=d == 1 and w_above is None):
            masked = h[:n] if mask is None else h[:n] * mask[d][:n]  # what the products see of the state
            if cell == "lstm":
                a = gates[d][rows] + masked @ w_hh[d].T
                gates[d][rows], c[:n], shown = lstm(a, c[:n], entry(peephole, d))
                cells[d][rows] = c[:n]
                if w_hr is not None:
                    extra[d][rows] = shown
                h[:n] = shown if w_hr is None else shown @ w_hr[d].T
            elif cell == "gru":
                product = masked @ w_hh[d].T
                product[:, 2 * h.shape[1] :] += 0 if inner is None else inner
                gates[d][rows], extra[d][rows], h[:n] = gru(gates[d][rows], product, h[:n], update_sign)
            elif cell == "gru_before":
                gates[d][rows], extra[d][rows], h[:n] = gru_before(gates[d][rows], w_hh[d], h[:n], masked, update_sign)
            else:
                a = gates[d][rows] + masked @ w_hh[d].T
                h[:n] = np.tanh(a) if cell == "rnn_tanh" else np.where(a < 0, 0, a)
                gates[d][rows] = h[:n]
            out[d][rows] = h[:n]
        h_n[d][...] = h
        if cell == "lstm":
            c_n[d][...] = c


def start(values, d, like):
    """A copy of a state of direction d; zeros where there is none."""
    return np.zeros_like(like) if values is None else values[d].copy()


def lstm(a, c, p):
    """(activated gates i f g o, new cell, o tanh(new cell)) from the sums a and the cell."""
    a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
    i = sigmoid(a_i if p is None else a_i + p[0] * c)
    f = sigmoid(a_f if p is None else a_f + p[1] * c)
    g = np.tanh(a_g)
    c = f * c + i * g
    o = sigmoid(a_o if p is None else a_o + p[2] * c)
    return np.concatenate([i, f, g, o], axis=1), c, o * np.tanh(c)


def gru(a, product, h, update_sign):
    """(activated gates r z n, W_hn h + b_hn, new state)."""
    a_r, a_z, a_n = np.split(a, 3, axis=1)
    u_r, u_z, u_n = np.split(product, 3, axis=1)
    r = sigmoid(a_r + u_r)
    z = sigmoid(update_sign * (a_z + u_z))
    n = np.tanh(a_n + r * u_n)
    return np.concatenate([r, z, n], axis=1), u_n, (1 - z) * n + z * h


def gru_before(a, w_hh, h, seen, update_sign):
    """(activated gates r z n, r seen, new state)."""
    units = h.shape[1]
    a_r, a_z, a_n = np.split(a, 3, axis=1)
    r = sigmoid(a_r + seen @ w_hh[:units].T)
    z = sigmoid(update_sign * (a_z + seen @ w_hh[units : 2 * units].T))
    n = np.tanh(a_n + (r * seen) @ w_hh[2 * units :].T)
    return np.concatenate([r, z, n], axis=1), r * seen, (1 - z) * n + z * h


def before(values, first, starts, sizes, row_step, backwards):
    """For each row the value one step earlier in the order of the run: a row of `values`, or of `first` where a sequence begins."""
    result, state = np.empty_like(values), first.copy()
    for n, rows in steps(starts, sizes, row_step, backwards):
        result[rows] = state[:n]
        state[:n] = values[rows]
    return result


def recurrent_grad(
    cell, update_sign, gates, w_ih, w_hh, w_hr, peephole, mask, h0, c0, out, cells, extra, grad_out, grad_h_n, grad_c_n,
    grad_x, grad_gates, grad_h, grad_h0, grad_c0, starts, sizes, row_step, w_above, n_threads
):  # fmt: skip
    """Backward through time: gradients of the sums that enter the gates, of the initial states, and of x.

    grad_x:     the gradient of x, of an rnn or lstm of one direction; w_ih belongs to it. Both may be None.
    grad_gates: per row in the order of the gates, for gru n, r, z and then what reaches W_hn h + b_hn (n's times r).
    grad_h:     the whole gradient of the loss with respect to the state after each step, or None.
    grad_h_n, grad_c_n, h0, c0 are zero where they are None; grad_h0 and grad_c0 may be None.
    w_above:    None; or W_ih of the second of two layers, through which grad_out of the first is made here.
    """
    for d in range(len(gates)) if w_above is None else (1, 0):
        batch, dtype = sizes[0] if len(sizes) else 0, out[d].dtype
        state, cell_state = (np.empty((batch, width), dtype) for width in (w_hh[d].shape[1], w_hh[d].shape[0] // N_GATES[cell]))
        dh, dc = start(grad_h_n, d, state), None if cell != "lstm" else start(grad_c_n, d, cell_state)
        backwards = d == 1 and w_above is None
        h_before = before(out[d], start(h0, d, state), starts, sizes, row_step, backwards)
        c_before = None if cell != "lstm" else before(cells[d], start(c0, d, cell_state), starts, sizes, row_step, backwards)
        for n, rows in steps(starts, sizes, row_step, not backwards):
            keep = 1 if mask is None else mask[d][:n]
            at = dh[:n] + grad_out[d][rows]
            if grad_h is not None:
                grad_h[d][rows] = at
            if cell == "lstm":
                shown = at if w_hr is None else at @ w_hr[d]
                da, dc[:n] = lstm_grad(gates[d][rows], shown, dc[:n], c_before[rows], cells[d][rows], entry(peephole, d))
                dh[:n] = (da @ w_hh[d]) * keep
            elif cell == "gru":
                da, through, kept = gru_grad(gates[d][rows], at, extra[d][rows], h_before[rows], update_sign)
                dh[:n] = kept + (through @ w_hh[d]) * keep
            elif cell == "gru_before":
                da, seen, kept = gru_before_grad(gates[d][rows], at, w_hh[d], h_before[rows], keep, update_sign)
                dh[:n] = kept + seen * keep
            else:
                h = gates[d][rows]
                da = at * (1 - h * h) if cell == "rnn_tanh" else np.where(h > 0, at, 0)
                dh[:n] = (da @ w_hh[d]) * keep
            grad_gates[d][rows] = da
        if grad_x is not None:
            grad_x[...] = grad_gates[d] @ w_ih
        if w_above is not None and d == 1:
            of_sums = grad_gates[1][:, : len(w_above)]
            grad_out[0][...] = of_sums @ (np.roll(w_above, state.shape[1], 0) if cell == "gru" else w_above)
        if grad_h0 is not None:
            grad_h0[d][...] = dh
        if grad_c0 is not None:
            grad_c0[d][...] = dc


def lstm_grad(gates, shown, dc, c_before, c, p):
    """(gradient of the four sums, of the cell before)."""
    i, f, g, o = np.split(gates, 4, axis=1)
    tanh_c = np.tanh(c)
    da_o = shown * tanh_c * o * (1 - o)
    dc = dc + shown * o * (1 - tanh_c * tanh_c) + (0 if p is None else da_o * p[2])
    da_i = dc * g * i * (1 - i)
    da_f = dc * c_before * f * (1 - f)
    da_g = dc * i * (1 - g * g)
    dc = dc * f + (0 if p is None else da_i * p[0] + da_f * p[1])
    return np.concatenate([da_i, da_f, da_g, da_o], axis=1), dc


def gru_grad(gates, dh, u_n, h_before, update_sign):
    """(gradients of the sums of n, r, z and of W_hn h + b_hn; those that W_hh takes back; what goes to the state directly)."""
    r, z, n = np.split(gates, 3, axis=1)
    da_n = dh * (1 - z) * (1 - n * n)
    da_z = update_sign * dh * (h_before - n) * z * (1 - z)
    da_r = da_n * u_n * r * (1 - r)
    return np.concatenate([da_n, da_r, da_z, da_n * r], axis=1), np.concatenate([da_r, da_z, da_n * r], axis=1), dh * z


def gru_before_grad(gates, dh, w_hh, h_before, keep, update_sign):
    """(gradients of the sums of r, z, n; of what the products saw of the state; what goes to the state directly)."""
    units = dh.shape[1]
    r, z, n = np.split(gates, 3, axis=1)
    da_n = dh * (1 - z) * (1 - n * n)
    da_z = update_sign * dh * (h_before - n) * z * (1 - z)
    d_reset = da_n @ w_hh[2 * units :]
    da_r = d_reset * (h_before * keep) * r * (1 - r)
    seen = d_reset * r + np.concatenate([da_r, da_z], axis=1) @ w_hh[: 2 * units]
    return np.concatenate([da_r, da_z, da_n], axis=1), seen, dh * z


def recurrent_cell(cell, update_sign, gates, product, h, c, out, c_out, n_threads):
    """One step: `gates` comes as W_ih x + b_ih and leaves activated, `product` is W_hh h + b_hh; new state in `out`, cell in `c_out`."""
    if cell == "lstm":
        gates[...], c_out[...], out[...] = lstm(gates + product, c, None)
    elif cell == "gru":
        gates[...], _, out[...] = gru(gates, product, h, update_sign)
    else:
        a = gates + product
        out[...] = gates[...] = np.tanh(a) if cell == "rnn_tanh" else np.where(a < 0, 0, a)


def recurrent_cell_grad(cell, update_sign, gates, product, h, c, c_out, grad_out, grad_c_out, grad_gates, grad_h, grad_c, n_threads):
    """Gradients of the sums of one step (gru: n, r, z, and n's times r), of the cell, and what reaches h directly (gru)."""
    if cell == "lstm":
        grad_gates[...], grad_c[...] = lstm_grad(gates, grad_out, grad_c_out, c, c_out, None)
    elif cell == "gru":
        units = h.shape[1]
        grad_gates[...], _, grad_h[...] = gru_grad(gates, grad_out, product[:, 2 * units :], h, update_sign)
    else:
        grad_gates[...] = grad_out * (1 - gates * gates) if cell == "rnn_tanh" else np.where(gates > 0, grad_out, 0)
