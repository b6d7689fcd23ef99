/* The small steps around the libraries' products, run on a stream: sl_cuda_api.sl_cuda_run_<name>(&piece,
 * stream). Addresses are the device's; dtypes are F32, BF16 or F16. */
#ifndef SL_BACKEND_CUDA_LIB_PIECES_H
#define SL_BACKEND_CUDA_LIB_PIECES_H

#include "tensor/tensor.h"

#include <cuda_runtime_api.h>

/* Convolution weights [O,I,taps] (as checkpoints have them) to [O,taps,I] (as NHWC kernels read them), or
 * back */
typedef struct sl_cuda_repack {
    int64_t out_c, in_c, taps;
    bool back;
    sl_dtype from_dtype, to_dtype;
    const void *from;
    void *to;
} sl_cuda_repack;

/* to[n][h][w] = from[n][h + down][w + right], zero outside: padding and cropping of images [N,H,W,C] */
typedef struct sl_cuda_window {
    int64_t images, from_h, from_w, to_h, to_w, channels, down, right;
    sl_dtype dtype;
    const void *from;
    void *to;
} sl_cuda_window;

/* Softmax over each row of scores [rows,keys] F32 into p of dtype (which may be the scores' memory where it
 * is F32); lse [rows], or NULL, gets the logarithm of the sums. causal: row r sees keys 0..r % queries */
typedef struct sl_cuda_probabilities {
    int64_t rows, queries, keys;
    bool causal;
    sl_dtype dtype;
    const float *scores;
    void *p;
    float *lse;
} sl_cuda_probabilities;

/* out[n][h][i] = sum over d of a[n][i][h*D + d] b[n][i][h*D + d], F32 */
typedef struct sl_cuda_row_products {
    int64_t images, queries, heads, head_dim;
    sl_dtype dtype;
    const void *a, *b;
    float *out;
} sl_cuda_row_products;

/* p = exp(scores - lse[row]), ds = p (dp - delta[row]) scale: [rows,keys]; p and ds of dtype may be the
 * memory of scores and dp where it is F32 */
typedef struct sl_cuda_score_gradient {
    int64_t rows, queries, keys;
    bool causal;
    float scale;
    sl_dtype dtype;
    const float *scores, *dp, *lse, *delta;
    void *p, *ds;
} sl_cuda_score_gradient;

/* What a product's operand is gathered from: a matrix by steps; patches, [image, oh, ow] by [tap, c] of an
 * image [n,h,w,c]; what reaches a pixel, [image, h, w] by [tap, o] of [n,oh,ow,o]; weights [o,taps,c] as
 * [tap, o] by [c]. */
typedef enum sl_cuda_gather { SL_CUDA_PLAIN, SL_CUDA_PATCHES, SL_CUDA_SPREAD, SL_CUDA_TURNED } sl_cuda_gather;

typedef struct sl_cuda_patches {
    int64_t h, w, c, oh, ow, o, kh, kw, stride[2], pad[2]; /* pad: above, left */
} sl_cuda_patches;

/* d[batch][i][j] = alpha times the sum over k of a[batch][i][k] b[batch][k][j], and bias[j] (of dtype out)
 * where it is there. Sums are F32, in the order of k. Steps are in elements. */
typedef struct sl_cuda_multiply {
    int64_t m, n, k, batches;
    int64_t a_row, a_column, a_batch, b_row, b_column, b_batch, d_row, d_batch;
    sl_cuda_gather a_from, b_from;
    sl_cuda_patches image;
    sl_dtype in, out;
    float alpha;
    const void *a, *b, *bias;
    void *d;
} sl_cuda_multiply;

#ifdef __cplusplus
extern "C" {
#endif
#define SL_CUDA_PIECE(name, kind)                                                                            \
    cudaError_t sl_cuda_run_##name(const sl_cuda_##name *piece, cudaStream_t stream);
#include "backend/cuda/lib/pieces.def"
#undef SL_CUDA_PIECE
#ifdef __cplusplus
}
#endif

#endif
