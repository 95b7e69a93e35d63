/* The table of this precision: included last by float32.c and float64.c. */
const kernel_table NAME(table) = {
    .gemm_scratch = NAME(gemm_scratch),
    .gemm = NAME(gemm),
    .conv_scratch = NAME(conv_scratch),
    .conv = NAME(conv),
    .conv_grad_x = NAME(conv_grad_x),
    .conv_weight_scratch = NAME(conv_weight_scratch),
    .conv_grad_weight = NAME(conv_grad_weight),
    .sum_channels = NAME(sum_channels),
    .max_pool = NAME(max_pool),
    .max_pool_grad = NAME(max_pool_grad),
    .relu = NAME(relu),
    .relu_grad = NAME(relu_grad),
    .log_softmax = NAME(log_softmax),
    .softmax = NAME(softmax),
    .cross_entropy = NAME(cross_entropy),
    .cross_entropy_grad = NAME(cross_entropy_grad),
};
