/*
 * template_row.h
 *    One row through one layer, for scoring row by row: the sums of kernel_dense
 *    in the same order, all outputs in registers.
 *
 * Reading weights is what it costs, so inputs come four to a load.
 */

#define ROW_INPUTS 64			/* inputs looked at together, a bit each */

typedef struct RowPanel
{
	int64_t		in;
	const float *x;
	const float *weight;
	int64_t		stride;			/* of weight */
	const float *bias;			/* may be NULL */
	VN			last;			/* lanes of the last vector */
	bool		relu;
	float	   *y;
} RowPanel;

INLINE V
row_load(const float *p, bool is_last, VN last)
{
	return is_last ? v_load_first(p, last) : v_load(p);
}

#if ROW_SKIPS_ZEROS
/* Which of up to 64 inputs are not zero. */
INLINE uint64_t
row_inputs(const float *x, int count)
{
	uint64_t	bits = 0;
	int			i = 0;

	for (; i + W <= count; i += W)
		bits |= (uint64_t) v_not_zero(v_load(x + i)) << i;
	if (i < count)
		bits |= (uint64_t) v_not_zero(v_load_first(x + i, vn_first(count - i))) << i;
	return bits;
}
#endif

/*
 * vectors is a constant.
 *
 * Behind relu, and of one-hot categories, most inputs are zero; adding 0 times a
 * weight, which is finite, changes no sum, so those are passed over.
 */
INLINE void
row_panel(const RowPanel *p, const int vectors)
{
	V			sum[ROW_VECTORS];
	const float *weight = p->weight;
	const int64_t stride = p->stride;
	const VN	last = p->last;

#define ROW_STEP(input, weights) \
	do { \
		V			value = (input); \
		_Pragma("GCC unroll 8") \
		for (int v = 0; v < vectors; v++) \
			sum[v] = v_fma(value, row_load((weights) + v * W, v == vectors - 1, last), sum[v]); \
	} while (0)

#pragma GCC unroll 8
	for (int v = 0; v < vectors; v++)
		sum[v] = v_zero();
	for (int64_t block = 0; block < p->in; block += ROW_INPUTS)
	{
		const float *x = p->x + block;
		int			count = p->in - block < ROW_INPUTS ? (int) (p->in - block) : ROW_INPUTS;
		int			k = 0;

#if ROW_SKIPS_ZEROS
		uint64_t	bits = row_inputs(x, count);

		if (4 * __builtin_popcountll(bits) <= 3 * count)
		{
			for (; bits != 0; bits &= bits - 1)
			{
				k = __builtin_ctzll(bits);
				ROW_STEP(v_set1(x[k]), weight + k * stride);
			}
			weight += count * stride;
			continue;
		}
#endif
		for (; k + 4 <= count; k += 4)
		{
			V			four = v_load_four(x + k);

			ROW_STEP(v_one_of_four(four, 0), weight);
			weight += stride;
			ROW_STEP(v_one_of_four(four, 1), weight);
			weight += stride;
			ROW_STEP(v_one_of_four(four, 2), weight);
			weight += stride;
			ROW_STEP(v_one_of_four(four, 3), weight);
			weight += stride;
		}
		for (; k < count; k++)
		{
			ROW_STEP(v_set1(x[k]), weight);
			weight += stride;
		}
	}
#undef ROW_STEP

#pragma GCC unroll 8
	for (int v = 0; v < vectors; v++)
	{
		V			a = sum[v];

		if (p->bias != NULL)
			a = v_add(a, row_load(p->bias + v * W, v == vectors - 1, last));
		if (p->relu)
			a = f_relu(a);
		if (v == vectors - 1)
			v_store_first(p->y + v * W, last, a);
		else
			v_store(p->y + v * W, a);
	}
}

#define ROW_FUNCTION(vectors) \
	static void \
	row_panel_##vectors(const RowPanel *p) \
	{ \
		row_panel(p, vectors); \
	}

ROW_FUNCTION(1)
ROW_FUNCTION(2)
ROW_FUNCTION(3)
ROW_FUNCTION(4)
ROW_FUNCTION(5)
ROW_FUNCTION(6)
ROW_FUNCTION(7)
ROW_FUNCTION(8)

static void (*const row_functions[ROW_VECTORS]) (const RowPanel *p) = {
	row_panel_1, row_panel_2, row_panel_3, row_panel_4, row_panel_5, row_panel_6, row_panel_7, row_panel_8
};

static void
row_wide(int64_t in, int64_t out, const float *x, const float *weight, const float *bias, bool relu, float *y)
{
	for (int64_t column = 0; column < out; column += ROW_VECTORS * W)
	{
		int64_t		width = out - column < ROW_VECTORS * W ? out - column : ROW_VECTORS * W;
		int			vectors = (int) ((width + W - 1) / W);
		RowPanel	p = {in, x, weight + column, out, bias != NULL ? bias + column : NULL,
		vn_first((int) (width - (vectors - 1) * W)), relu, y + column};

		row_functions[vectors - 1] (&p);
	}
}

static void
dense_row(int64_t in, int64_t out, const float *x, const float *weight, const float *bias,
		  DlActivation activation, float *y)
{
	if (out >= 16)
	{
		row_wide(in, out, x, weight, bias, activation == DL_ACTIVATION_RELU, y);
		if (activation == DL_ACTIVATION_RELU)
			return;
	}
	else if (out == 1)
		dense_single(1, in, x, weight, bias, y);
	else
		dense_narrow(1, in, out, x, weight, bias, y);
	if (activation != DL_ACTIVATION_IDENTITY)
		activate(activation, out, y, y);
}
