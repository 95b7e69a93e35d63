/* Every kernel in double precision. */
#define REAL double
#define REAL_BITS 64
#define PRECISION f64

#include "affine_grads.h"
#include "conv_ways.h"
#include "gated.h"
#include "gemm.h"
#include "max.h"
#include "mean.h"
#include "norm_batch.h"
#include "norm_rows.h"
#include "pieces.h"
#include "pool_grad.h"
#include "prelu.h"
#include "recurrent_backward.h"
#include "recurrent_step.h"
#include "resample.h"
#include "rows.h"
#include "simple.h"
#include "softmax_planes.h"

#include "table.h"
