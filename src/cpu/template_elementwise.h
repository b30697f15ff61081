/*
 * template_elementwise.h
 *    Kernels that work on elements, rows and columns.
 *
 * Sums over rows are taken in blocks, so that their rounding error grows with
 * the square root of the rows at worst.
 */

#define SUM_BLOCK 256			/* rows */
#define SUM_VECTORS 4			/* vectors of columns at once */

static void
kernel_add(DlWorkspace *w, int64_t count, const void *a_, const void *b_, void *c_)
{
	const float *a = a_;
	const float *b = b_;
	float	   *c = c_;

	(void) w;
	EACH_VECTOR(count, v_store_n(c + i, n, v_add(v_load_n(a + i, n), v_load_n(b + i, n))););
}

/* y (+)= a b for one row */
INLINE void
multiply_row(int64_t count, const float *a, const float *b, bool accumulate, float *c)
{
	if (accumulate)
		EACH_VECTOR(count, v_store_n(c + i, n, v_fma(v_load_n(a + i, n), v_load_n(b + i, n), v_load_n(c + i, n))););
	else
		EACH_VECTOR(count, v_store_n(c + i, n, v_mul(v_load_n(a + i, n), v_load_n(b + i, n))););
}

static void
kernel_multiply(DlWorkspace *w, int64_t count, const void *a, const void *b, bool accumulate, void *c)
{
	(void) w;
	multiply_row(count, a, b, accumulate, c);
}

static void
kernel_scale_columns(DlWorkspace *w, int64_t rows, int64_t columns, const void *x, const void *v,
					 bool accumulate, void *y)
{
	(void) w;
	for (int64_t r = 0; r < rows; r++)
		multiply_row(columns, (const float *) x + r * columns, v, accumulate, (float *) y + r * columns);
}

static void
kernel_scale(DlWorkspace *w, int64_t count, double alpha, const void *x_, bool accumulate, void *y_)
{
	const float *x = x_;
	float	   *y = y_;
	V			factor = v_set1((float) alpha);

	(void) w;
	if (accumulate)
		EACH_VECTOR(count, v_store_n(y + i, n, v_fma(factor, v_load_n(x + i, n), v_load_n(y + i, n))););
	else
		EACH_VECTOR(count, v_store_n(y + i, n, v_mul(factor, v_load_n(x + i, n))););
}

static void
kernel_copy_block(DlWorkspace *w, int64_t rows, int64_t columns, const void *x_, int64_t x_stride,
				  bool accumulate, void *y_, int64_t y_stride)
{
	const float *x = x_;
	float	   *y = y_;

	(void) w;
	for (int64_t r = 0; r < rows; r++)
	{
		if (accumulate)
			EACH_VECTOR(columns, v_store_n(y + i, n, v_add(v_load_n(y + i, n), v_load_n(x + i, n))););
		else
			EACH_VECTOR(columns, v_store_n(y + i, n, v_load_n(x + i, n)););
		x += x_stride;
		y += y_stride;
	}
}

/* Adds the sums over rows of a, or of a b, to sum; vectors is a constant. */
INLINE void
sum_columns_part(const int vectors, const bool product, int64_t rows, int64_t columns, const float *a,
				 const float *b, VN last, float *sum)
{
	V			total[SUM_VECTORS];

	for (int v = 0; v < vectors; v++)
		total[v] = v_zero();
	for (int64_t r = 0; r < rows; r++)
	{
		for (int v = 0; v < vectors; v++)
		{
			V			x = v == vectors - 1 ? v_load_first(a + v * W, last) : v_load(a + v * W);

			if (product)
				total[v] = v_fma(x, v == vectors - 1 ? v_load_first(b + v * W, last) : v_load(b + v * W), total[v]);
			else
				total[v] = v_add(total[v], x);
		}
		a += columns;
		if (product)
			b += columns;
	}
	for (int v = 0; v < vectors; v++)
	{
		if (v == vectors - 1)
			v_store_first(sum + v * W, last, v_add(v_load_first(sum + v * W, last), total[v]));
		else
			v_store(sum + v * W, v_add(v_load(sum + v * W), total[v]));
	}
}

/* One column: its elements lie together. */
INLINE float
sum_column(const bool product, int64_t rows, const float *a, const float *b)
{
	V			total[2] = {v_zero(), v_zero()};
	int64_t		r = 0;

	for (; r + 2 * W <= rows; r += 2 * W)
	{
		for (int v = 0; v < 2; v++)
		{
			V			x = v_load(a + r + v * W);

			total[v] = product ? v_fma(x, v_load(b + r + v * W), total[v]) : v_add(total[v], x);
		}
	}
	for (; r < rows; r += W)
	{
		int			n = rows - r < W ? (int) (rows - r) : W;
		V			x = v_load_n(a + r, n);

		total[0] = product ? v_fma(x, v_load_n(b + r, n), total[0]) : v_add(total[0], x);
	}
	return v_sum(v_add(total[0], total[1]));
}

INLINE void
sum_all_columns(const bool product, int64_t rows, int64_t columns, const float *a, const float *b,
				bool accumulate, float *sum)
{
	if (!accumulate)
		memset(sum, 0, (size_t) columns * sizeof(float));
	for (int64_t row = 0; row < rows; row += SUM_BLOCK)
	{
		int64_t		block = rows - row < SUM_BLOCK ? rows - row : SUM_BLOCK;
		int64_t		column = 0;

		if (columns == 1)
		{
			*sum += sum_column(product, block, a, b);
			column = 1;
		}
		for (; column + SUM_VECTORS * W <= columns; column += SUM_VECTORS * W)
			sum_columns_part(SUM_VECTORS, product, block, columns, a + column, product ? b + column : NULL,
							 vn_first(W), sum + column);
		for (; column < columns; column += W)
		{
			int			n = columns - column < W ? (int) (columns - column) : W;

			sum_columns_part(1, product, block, columns, a + column, product ? b + column : NULL, vn_first(n), sum + column);
		}
		a += block * columns;
		if (product)
			b += block * columns;
	}
}

static void
kernel_sum_columns(DlWorkspace *w, int64_t rows, int64_t columns, const void *x, bool accumulate, void *sum)
{
	(void) w;
	sum_all_columns(false, rows, columns, x, NULL, accumulate, sum);
}

static void
kernel_dot_columns(DlWorkspace *w, int64_t rows, int64_t columns, const void *a, const void *b,
				   bool accumulate, void *sum)
{
	(void) w;
	sum_all_columns(true, rows, columns, a, b, accumulate, sum);
}

static double
kernel_sum_squares(DlWorkspace *w, int64_t count, const void *x_)
{
	const float *x = x_;
	VD			sum = vd_zero();

	(void) w;
	EACH_VECTOR(count, sum = vd_add_squares(sum, v_load_n(x + i, n)););
	return vd_sum(sum);
}

/* Marsaglia's xorshift of 128 bits (2003), sixteen streams side by side whatever the vector's width. */
INLINE VI
random_next(VI state[4])
{
	VI			t = vi_xor(state[0], vi_shift_left(state[0], 11));

	state[0] = state[1];
	state[1] = state[2];
	state[2] = state[3];
	state[3] = vi_xor(vi_xor(state[3], vi_shift_right(state[3], 19)), vi_xor(t, vi_shift_right(t, 8)));
	return state[3];
}

/* Element i is dropped where 24 bits of stream i % 16 are below p: the same on every level. */
static void
kernel_dropout(DlWorkspace *w, DlRandom *random, double p, int64_t count, const void *x_, void *mask_, void *y_)
{
	const float *x = x_;
	float	   *mask = mask_;
	float	   *y = y_;
	uint32_t	seeds[4][16];
	VI			state[16 / W][4];
	VI			threshold = vi_set1((int32_t) (p * 16777216.0 + 0.5));
	V			kept = v_set1(p < 1 ? (float) (1 / (1 - p)) : 0.0f);

	(void) w;
	for (int i = 0; i < 64; i += 2)
	{
		uint64_t	bits = dl_random_bits(random);

		seeds[i / 16][i % 16] = (uint32_t) bits;
		seeds[i / 16][i % 16 + 1] = (uint32_t) (bits >> 32);
	}
	for (int v = 0; v < 16 / W; v++)
	{
		for (int s = 0; s < 4; s++)
			state[v][s] = vi_load(seeds[s] + v * W);
	}
	for (int64_t group = 0; group < count; group += 16)
	{
		for (int v = 0; v < 16 / W; v++)
		{
			int64_t		i = group + v * W;
			VM			dropped = vi_less(vi_shift_right(random_next(state[v]), 8), threshold);
			V			factor = v_select(dropped, v_zero(), kept);
			int			n = count - i < W ? (int) (count - i) : W;

			if (n <= 0)
				break;
			v_store_n(mask + i, n, factor);
			v_store_n(y + i, n, v_mul(v_load_n(x + i, n), factor));
		}
	}
}
