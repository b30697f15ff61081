/*
 * template_activation.h
 *    Activations and their derivatives, elementwise; the loops over vectors
 *    that all elementwise kernels share.
 *
 * Formulas: core/backend.h.  A derivative is written in the output y where it
 * can be (dl_activation_from_output), else in the input x.
 */

#define SELU_LAMBDA 1.05070098735548f
#define SELU_LAMBDA_ALPHA 1.75809934084738f
#define LEAKY_SLOPE 0.01f

INLINE V
v_load_n(const float *p, int n)
{
	return n == W ? v_load(p) : v_load_first(p, vn_first(n));
}

INLINE void
v_store_n(float *p, int n, V a)
{
	if (n == W)
		v_store(p, a);
	else
		v_store_first(p, vn_first(n), a);
}

/* The statements see i, the first element, and n, the number of elements: W but for the last vector. */
#define EACH_VECTOR(count, ...) \
	do { \
		int64_t		i = 0; \
		for (; i + W <= (count); i += W) \
		{ \
			const int	n = W; \
			__VA_ARGS__ \
		} \
		if (i < (count)) \
		{ \
			const int	n = (int) ((count) - i); \
			__VA_ARGS__ \
		} \
	} while (0)

INLINE V
f_identity(V x)
{
	return x;
}

INLINE V
f_relu(V x)
{
	return v_max(v_zero(), x);
}

INLINE V
f_leaky_relu(V x)
{
	return v_max(v_mul(x, v_set1(LEAKY_SLOPE)), x);
}

INLINE V
f_elu(V x)
{
	return v_select(v_less(v_zero(), x), x, v_expm1(v_min(v_zero(), x)));
}

INLINE V
f_selu(V x)
{
	V			below = v_mul(v_set1(SELU_LAMBDA_ALPHA), v_expm1(v_min(v_zero(), x)));

	return v_select(v_less(v_zero(), x), v_mul(v_set1(SELU_LAMBDA), x), below);
}

INLINE V
f_gelu(V x)
{
	V			density;

	return v_mul(x, v_normal_cdf(x, &density));
}

INLINE V
f_silu(V x)
{
	return v_mul(x, v_sigmoid(x));
}

/* tanh(softplus(x)) = n / (n + 2), n = e^x (e^x + 2) */
INLINE V
f_mish(V x)
{
	V			e = v_exp(v_min(v_set1(20.0f), x));
	V			n = v_mul(e, v_add(e, v_set1(2.0f)));

	return v_mul(x, v_div(n, v_add(n, v_set1(2.0f))));
}

INLINE V
d_identity(V y)
{
	(void) y;
	return v_set1(1.0f);
}

INLINE V
d_relu(V y)
{
	return v_select(v_less(v_zero(), y), v_set1(1.0f), v_zero());
}

INLINE V
d_leaky_relu(V y)
{
	return v_select(v_less(v_zero(), y), v_set1(1.0f), v_set1(LEAKY_SLOPE));
}

INLINE V
d_elu(V y)
{
	return v_select(v_less(v_zero(), y), v_set1(1.0f), v_add(y, v_set1(1.0f)));
}

INLINE V
d_selu(V y)
{
	return v_select(v_less(v_zero(), y), v_set1(SELU_LAMBDA), v_add(y, v_set1(SELU_LAMBDA_ALPHA)));
}

INLINE V
d_gelu(V x)
{
	V			density;
	V			cdf = v_normal_cdf(x, &density);

	return v_fma(x, density, cdf);
}

INLINE V
d_silu(V x)
{
	V			s = v_sigmoid(x);

	return v_mul(s, v_fma(x, v_sub(v_set1(1.0f), s), v_set1(1.0f)));
}

/* t + x (1 - t^2) sigmoid(x), t = tanh(softplus(x)), 1 - t^2 = 4 (n + 1) / (n + 2)^2 */
INLINE V
d_mish(V x)
{
	V			e = v_exp(v_min(v_set1(20.0f), x));
	V			n = v_mul(e, v_add(e, v_set1(2.0f)));
	V			inverse = v_div(v_set1(1.0f), v_add(n, v_set1(2.0f)));
	V			slope = v_mul(v_mul(v_set1(4.0f), v_add(n, v_set1(1.0f))), v_mul(inverse, inverse));

	return v_fma(v_mul(x, slope), v_sigmoid(x), v_mul(n, inverse));
}

INLINE V
d_tanh(V y)
{
	return v_fnma(y, y, v_set1(1.0f));
}

INLINE V
d_sigmoid(V y)
{
	return v_fnma(y, y, y);
}

INLINE V
d_softplus(V y)
{
	return v_sub(v_zero(), v_expm1(v_sub(v_zero(), y)));
}

/* DO(name, forward, derivative): one table for forward and backward. */
#define EACH_ACTIVATION(DO) \
	DO(DL_ACTIVATION_IDENTITY, f_identity, d_identity) \
	DO(DL_ACTIVATION_RELU, f_relu, d_relu) \
	DO(DL_ACTIVATION_LEAKY_RELU, f_leaky_relu, d_leaky_relu) \
	DO(DL_ACTIVATION_ELU, f_elu, d_elu) \
	DO(DL_ACTIVATION_SELU, f_selu, d_selu) \
	DO(DL_ACTIVATION_GELU, f_gelu, d_gelu) \
	DO(DL_ACTIVATION_SILU, f_silu, d_silu) \
	DO(DL_ACTIVATION_MISH, f_mish, d_mish) \
	DO(DL_ACTIVATION_TANH, v_tanh, d_tanh) \
	DO(DL_ACTIVATION_SIGMOID, v_sigmoid, d_sigmoid) \
	DO(DL_ACTIVATION_SOFTPLUS, v_softplus, d_softplus)

/* y = f(x), may be in place. */
static void
activate(DlActivation f, int64_t count, const float *x, float *y)
{
#define FORWARD(name, forward, derivative) \
	case name: \
		EACH_VECTOR(count, v_store_n(y + i, n, forward(v_load_n(x + i, n)));); \
		break;

	switch (f)
	{
			EACH_ACTIVATION(FORWARD)
		case DL_ACTIVATION_COUNT:
			break;
	}
#undef FORWARD
}

static void
kernel_activation(DlWorkspace *w, DlActivation f, int64_t count, const void *x, void *y)
{
	(void) w;
	if (f == DL_ACTIVATION_IDENTITY)
	{
		if (x != y)
			memcpy(y, x, (size_t) count * sizeof(float));
	}
	else
		activate(f, count, x, y);
}

static void
kernel_activation_backward(DlWorkspace *w, DlActivation f, int64_t count, const void *x, const void *y,
						   const void *dy, bool accumulate, void *dx)
{
	const float *value = dl_activation_from_output(f) ? y : x;
	const float *gradient = dy;
	float	   *result = dx;

	(void) w;
#define BACKWARD(name, forward, derivative) \
	case name: \
		EACH_VECTOR(count, \
			V			g = v_mul(v_load_n(gradient + i, n), derivative(v_load_n(value + i, n))); \
			if (accumulate) \
				g = v_add(v_load_n(result + i, n), g); \
			v_store_n(result + i, n, g);); \
		break;

	/* The identity's derivative needs no value, and both may be NULL. */
	if (f == DL_ACTIVATION_IDENTITY)
		value = gradient;
	switch (f)
	{
			EACH_ACTIVATION(BACKWARD)
		case DL_ACTIVATION_COUNT:
			break;
	}
#undef BACKWARD
}
