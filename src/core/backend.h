/*
 * backend.h
 *    The narrow waist between operators and processors: one table of kernels.
 *
 * Operators (src/ops) call kernels only through this table.  A backend fills
 * every entry for one type of real number.  There are three:
 * src/cpu/reference.c in plain C for float64 (the oracle of all tests) and for
 * float32, and the fast CPU backend for float32, which starts from the plain
 * entries and replaces some according to the processor.  Where the processor
 * multiplies bfloat16 there is another, the third with a dense() of its own.
 *
 * All pointers are to contiguous row-major memory of the backend's real type
 * ("real" below) unless said otherwise.  Buffers do not overlap unless a
 * kernel says "may be in place".  Kernels never allocate, never fail, and call
 * nothing of the host.  accumulate: add to what is there rather than store.
 * Several threads may call kernels at once, each with its own workspace.
 */
#ifndef DL_CORE_BACKEND_H
#define DL_CORE_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/random.h"
#include "core/tensor.h"

/* The order is fixed; names are in dl_activation_name(). */
typedef enum DlActivation
{
	DL_ACTIVATION_IDENTITY,
	DL_ACTIVATION_RELU,
	DL_ACTIVATION_LEAKY_RELU,	/* slope 0.01 below zero */
	DL_ACTIVATION_ELU,			/* alpha 1 */
	DL_ACTIVATION_SELU,			/* Klambauer et al., 2017 */
	DL_ACTIVATION_GELU,			/* exact: x Phi(x), by erf */
	DL_ACTIVATION_SILU,			/* x sigmoid(x) */
	DL_ACTIVATION_MISH,			/* x tanh(softplus(x)) */
	DL_ACTIVATION_TANH,
	DL_ACTIVATION_SIGMOID,
	DL_ACTIVATION_SOFTPLUS,
	DL_ACTIVATION_COUNT
} DlActivation;

extern const char *dl_activation_name(DlActivation activation); /* "leaky_relu" */
extern bool dl_activation_by_name(const char *name, size_t length, DlActivation *result);

/*
 * True where the derivative can be told from the output alone (identity,
 * relu, leaky_relu, elu, selu, tanh, sigmoid, softplus): then no
 * pre-activation needs to be kept.
 */
extern bool dl_activation_from_output(DlActivation activation);

/* Most bins of piecewise(). */
#define DL_PIECEWISE_MAX_BINS 1024

/* Weights of a dense layer beside the copy that a backend made of them ahead, for its own kernel to read. */
typedef struct DlPackedWeight
{
	const void *weight;			/* as dense() is given them */
	const void *packed;
} DlPackedWeight;

/* Memory and switches of one thread that calls kernels. */
typedef struct DlWorkspace
{
	void	   *memory;			/* aligned to DL_ALIGNMENT */
	size_t		size;			/* at least the backend's workspace_size */
	const atomic_int *cancel;	/* may be NULL; not 0: give up early, results are then garbage */

	/*
	 * The result of a row must not depend on how many rows are computed with
	 * it.  Then every output element of dense() is summed over the inputs k in
	 * this order, each sum a chain of fused multiply-adds in ascending k that
	 * starts from zero, and the bias is added last:
	 *   16 outputs or more: one sum;
	 *   2 to 15 outputs: s_j over k = j modulo 4, then (s_0 + s_1) + (s_2 + s_3);
	 *   1 output: s_j over k = j modulo 16, then s_j + s_(j+8), + s_(j+4), + s_(j+2), + s_(j+1).
	 * The order is that of AVX2 and AVX-512; the reference keeps one sum, and
	 * a processor without fused multiply-add rounds twice.  Scoring sets this;
	 * training need not.  Backends that round inputs to bfloat16 have orders of
	 * their own, and keep to the first sentence always.
	 */
	bool		row_invariant;

	/* Ascending by weight; layers that are not among them are packed at every call.  Only read by backends that pack. */
	const DlPackedWeight *packed;
	int32_t		packed_count;
} DlWorkspace;

/* Per-element state and settings of one optimiser step, see update_adam(). */
typedef struct DlAdamStep
{
	double		learning_rate;
	double		beta1;
	double		beta2;
	double		epsilon;
	double		weight_decay;	/* decoupled (AdamW): p -= learning_rate * weight_decay * p */
	double		l2;				/* coupled (Adam): gradient += l2 * p */
	double		correction1;	/* 1 - beta1^t */
	double		correction2;	/* 1 - beta2^t */
	double		gradient_scale; /* every gradient is multiplied by it first (clipping) */
} DlAdamStep;

typedef struct DlBackend
{
	const char *name;			/* "reference_f64", "cpu avx512", ... */
	DlDtype		real;			/* DL_F32 or DL_F64 */
	size_t		workspace_size;

	/* c[m,n] (+)= op(a)[m,k] op(b)[k,n]; a is stored [k,m] when transpose_a, b [n,k] when transpose_b. */
	void		(*gemm) (DlWorkspace *w, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
						 const void *a, const void *b, bool accumulate, void *c);

	/*
	 * y[rows,out] = activation(x[rows,in] weight[in,out] + bias[out]).
	 * bias may be NULL.  z, unless NULL, receives the pre-activation.
	 */
	void		(*dense) (DlWorkspace *w, int64_t rows, int64_t in, int64_t out, const void *x, const void *weight,
						  const void *bias, DlActivation activation, void *z, void *y);

	/* y = f(x), may be in place. */
	void		(*activation) (DlWorkspace *w, DlActivation f, int64_t count, const void *x, void *y);

	/*
	 * dx (+)= dy f'(x).  x may be NULL when dl_activation_from_output(f), y
	 * may be NULL otherwise.  dx may be dy.
	 */
	void		(*activation_backward) (DlWorkspace *w, DlActivation f, int64_t count, const void *x, const void *y,
										const void *dy, bool accumulate, void *dx);

	/* Elementwise over count; c may be a or b. */
	void		(*add) (DlWorkspace *w, int64_t count, const void *a, const void *b, void *c);
	void		(*multiply) (DlWorkspace *w, int64_t count, const void *a, const void *b, bool accumulate, void *c);

	/* y (+)= alpha x. */
	void		(*scale) (DlWorkspace *w, int64_t count, double alpha, const void *x, bool accumulate, void *y);

	/* y[rows,columns] (+)= x[rows,columns] * v[columns]; may be in place. */
	void		(*scale_columns) (DlWorkspace *w, int64_t rows, int64_t columns, const void *x, const void *v,
								  bool accumulate, void *y);

	/* sum[columns] (+)= sum over rows of x[rows,columns], and of a*b. */
	void		(*sum_columns) (DlWorkspace *w, int64_t rows, int64_t columns, const void *x, bool accumulate, void *sum);
	void		(*dot_columns) (DlWorkspace *w, int64_t rows, int64_t columns, const void *a, const void *b,
								bool accumulate, void *sum);

	/* Copies a block of rows x columns between matrices of other widths (strides in elements). */
	void		(*copy_block) (DlWorkspace *w, int64_t rows, int64_t columns, const void *x, int64_t x_stride,
							   bool accumulate, void *y, int64_t y_stride);

	/*
	 * Layer normalisation over the columns of each row: y = gamma (x - mean) rstd + beta,
	 * rstd = 1/sqrt(var + epsilon), var biased.  statistics[rows,2] keeps mean
	 * and rstd.  The backward stores dx (+)= and adds to dgamma, dbeta
	 * when accumulate_parameters, else stores them.  Each of dx, dgamma and
	 * dbeta may be NULL: not wanted (so in batch normalisation).  Ba et al., 2016.
	 */
	void		(*layer_norm) (DlWorkspace *w, int64_t rows, int64_t columns, double epsilon, const void *x,
							   const void *gamma, const void *beta, void *statistics, void *y);
	void		(*layer_norm_backward) (DlWorkspace *w, int64_t rows, int64_t columns, const void *x,
										const void *gamma, const void *statistics, const void *dy,
										bool accumulate, void *dx, bool accumulate_parameters,
										void *dgamma, void *dbeta);

	/*
	 * Batch normalisation over the rows of each column.  Training: statistics
	 * [2,columns] keeps mean and rstd of this batch, and running mean and
	 * variance (unbiased) move by momentum (new = (1-momentum) old + momentum
	 * batch).  Inference: only the running ones are read.  Ioffe and Szegedy, 2015.
	 */
	void		(*batch_norm) (DlWorkspace *w, int64_t rows, int64_t columns, double epsilon, double momentum,
							   bool training, const void *x, const void *gamma, const void *beta,
							   void *running_mean, void *running_variance, void *statistics, void *y);
	void		(*batch_norm_backward) (DlWorkspace *w, int64_t rows, int64_t columns, const void *x,
										const void *gamma, const void *statistics, const void *dy,
										bool accumulate, void *dx, bool accumulate_parameters,
										void *dgamma, void *dbeta);

	/*
	 * y[rows,width] = table[codes[row * code_stride], width].  Codes are in
	 * [0, levels): the caller's duty.  The backward adds rows to dtable
	 * (always accumulating; dtable is cleared by the caller).
	 */
	void		(*embedding) (DlWorkspace *w, int64_t rows, int64_t width, const int32_t *codes, int64_t code_stride,
							  const void *table, void *y, int64_t y_stride);
	void		(*embedding_backward) (DlWorkspace *w, int64_t rows, int64_t width, const int32_t *codes,
									   int64_t code_stride, const void *dy, int64_t dy_stride, void *dtable);

	/*
	 * Periodic embedding with a linear layer of each column's own (PBLD:
	 * Holzmueller et al., 2024; after Gorishniy et al., 2022).  For column i of
	 * x[rows,columns] (x_stride elements a row):
	 *   c = cos(2 pi frequency[i,f] x + phase[i,f])
	 *   y[i] = [x, sum_f c_f weight[i,f,width] + bias[i,width]]    (width + 1 outputs)
	 * y is [rows, columns*(width+1)].  cosines[rows,columns,frequencies] is
	 * kept for the backward, which adds to the gradients of the four
	 * parameters (cleared by the caller) and stores dx (+)=, with x_stride
	 * elements a row as x; what is NULL of these five is not wanted.
	 */
	void		(*periodic) (DlWorkspace *w, int64_t rows, int64_t columns, int64_t frequencies, int64_t width,
							 const void *x, int64_t x_stride, const void *frequency, const void *phase,
							 const void *weight, const void *bias, void *cosines, void *y);
	void		(*periodic_backward) (DlWorkspace *w, int64_t rows, int64_t columns, int64_t frequencies,
									  int64_t width, const void *x, int64_t x_stride, const void *frequency,
									  const void *phase, const void *weight, const void *cosines, const void *dy,
									  void *dfrequency, void *dphase, void *dweight, void *dbias,
									  bool accumulate, void *dx);

	/*
	 * Piecewise linear embedding (Gorishniy et al., 2022, and TabM, 2025).  For
	 * column i of x[rows,columns], with e = edges[i,bins+1]:
	 *   c_t = (x - e[t]) / (e[t+1] - e[t]), cut to [0, 1]; the first bin has no lower bound, the last no upper one
	 *   y[i] = x linear[i,width] + bias[i,width] + sum_t c_t weight[i,t,width]
	 * Edges ascend strictly, but the last of a column may be repeated: bins
	 * from there on are empty, and count for nothing.  y has y_stride
	 * elements a row.  positions[rows,columns,2] keeps the bin that x is in
	 * and c of it for the backward, which adds to the gradients of weight,
	 * linear and bias (cleared by the caller) and stores dx (+)=, with
	 * x_stride elements a row as x; what is NULL of these four is not wanted.
	 * bins is at most DL_PIECEWISE_MAX_BINS.  The value of a row does not
	 * depend on how many are computed with it.
	 */
	void		(*piecewise) (DlWorkspace *w, int64_t rows, int64_t columns, int64_t bins, int64_t width,
							  const void *x, int64_t x_stride, const void *edges, const void *weight,
							  const void *linear, const void *bias, void *positions, void *y, int64_t y_stride);
	void		(*piecewise_backward) (DlWorkspace *w, int64_t rows, int64_t columns, int64_t bins, int64_t width,
									   const void *x, int64_t x_stride, const void *edges, const void *weight,
									   const void *linear, const void *positions, const void *dy, int64_t dy_stride,
									   void *dweight, void *dlinear, void *dbias, bool accumulate, void *dx);

	/* Inverted dropout: mask[i] is 0 with probability p, else 1/(1-p); y = x mask; may be in place. */
	void		(*dropout) (DlWorkspace *w, DlRandom *random, double p, int64_t count, const void *x, void *mask, void *y);

	/* y = softmax of each row; may be in place. */
	void		(*softmax) (DlWorkspace *w, int64_t rows, int64_t columns, const void *x, void *y);

	/* dx (+)= y (dy - sum over the row of dy y); dx may be dy. */
	void		(*softmax_backward) (DlWorkspace *w, int64_t rows, int64_t columns, const void *y, const void *dy,
									 bool accumulate, void *dx);

	/*
	 * Row losses, each times its row's weight: loss[rows].  Where there are
	 * several columns the loss is the mean over them.  The backward stores dx (+)=
	 * scale[row] * weight[row] * derivative.  Targets of softmax are class codes.
	 */
	void		(*loss_softmax) (DlWorkspace *w, int64_t rows, int64_t classes, double smoothing, const void *x,
								 const int32_t *target, const void *weight, void *probabilities, void *loss);
	void		(*loss_softmax_backward) (DlWorkspace *w, int64_t rows, int64_t classes, double smoothing,
										  const void *probabilities, const int32_t *target, const void *weight,
										  const void *scale, bool accumulate, void *dx);

	/* kind is a DlPointLoss, parameter its constant. */
	void		(*loss_point) (DlWorkspace *w, int kind, double parameter, int64_t rows, int64_t columns,
							   const void *x, const void *target, const void *weight, void *loss);
	void		(*loss_point_backward) (DlWorkspace *w, int kind, double parameter, int64_t rows, int64_t columns,
										const void *x, const void *target, const void *weight, const void *scale,
										bool accumulate, void *dx);

	/* Sum of squares, in double. */
	double		(*sum_squares) (DlWorkspace *w, int64_t count, const void *x);

	/* Optimiser steps over count parameters; formulas in reference.c. */
	void		(*update_sgd) (DlWorkspace *w, int64_t count, double learning_rate, double momentum, bool nesterov,
							   double l2, double gradient_scale, void *parameter, const void *gradient, void *velocity);
	void		(*update_rmsprop) (DlWorkspace *w, int64_t count, double learning_rate, double alpha, double epsilon,
								   double momentum, double l2, double gradient_scale, void *parameter,
								   const void *gradient, void *square, void *velocity);
	void		(*update_adam) (DlWorkspace *w, int64_t count, const DlAdamStep *step, void *parameter,
								const void *gradient, void *first, void *second);
} DlBackend;

/* Losses of one prediction and one target; in loss_point(). */
typedef enum DlPointLoss
{
	DL_LOSS_MSE,				/* (x - t)^2 */
	DL_LOSS_MAE,				/* |x - t| */
	DL_LOSS_HUBER,				/* parameter: delta; 0.5 d^2 inside, delta(|d| - 0.5 delta) outside */
	DL_LOSS_QUANTILE,			/* parameter: q in (0,1); max(q d, (q-1) d), d = t - x */
	DL_LOSS_BCE					/* x is a logit, t in [0,1]; parameter: smoothing, t' = t(1-s) + s/2 */
} DlPointLoss;

/* Plain C, the oracle: float64 and float32. */
extern const DlBackend *dl_backend_reference_f64(void);
extern const DlBackend *dl_backend_reference_f32(void);

#endif							/* DL_CORE_BACKEND_H */
