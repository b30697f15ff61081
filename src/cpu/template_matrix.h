/*
 * template_matrix.h
 *    Matrix products and dense layers: cut into blocks that stay in the
 *    caches, packed where that pays, each block done by tiles.
 */

#define DEPTH_BLOCK 256
#define ROW_BLOCK 960			/* what is read of A again for every panel of columns */
#define PACKED_ROW_BLOCK 240	/* a multiple of TILE_ROWS */
#define PANEL (TILE_VECTORS * W)
#define PACKED_ROWS_BYTES ((size_t) PACKED_ROW_BLOCK * DEPTH_BLOCK * sizeof(float))
#define PACKED_PANEL_BYTES ((size_t) DEPTH_BLOCK * PANEL * sizeof(float))
#define SCRATCH_FLOATS 16384	/* of a kernel, after the packed parts */

/* A panel this large or larger, counted with the gaps between its rows, is packed. */
#define PACK_PANEL_BYTES 65536
#define PACK_PANEL_ROWS 24		/* fewer rows do not pay for packing */

/* A transposed block of A whose rows lie this far apart shares cache sets. */
#define PACK_ROWS_STRIDE 1024

#define OPENBLAS_MULTIPLY_ADDS 65536	/* less is not worth a call */

static bool
cancelled(const DlWorkspace *w)
{
	return w->cancel != NULL && atomic_load_explicit(w->cancel, memory_order_relaxed) != 0;
}

static bool
packs_rows(const DlProduct *p)
{
	return p->transposed_a && p->a_stride >= PACK_ROWS_STRIDE && p->columns >= 2 * PANEL;
}

/* Part of a product: rows [row, row + rows), all columns, depths [k, k + depth). */
static void
product_block(DlWorkspace *w, const DlProduct *p, int64_t row, int64_t rows, int64_t k, int64_t depth)
{
	float	   *panel = w->memory;
	float	   *block = panel + PACKED_PANEL_BYTES / sizeof(float);
	bool		last = k + depth == p->depth;
	bool		in_tile = p->activation == DL_ACTIVATION_IDENTITY || p->activation == DL_ACTIVATION_RELU;
	bool		in_place = p->y == p->c;
	bool		pack_a = packs_rows(p);
	bool		pack_b = depth * p->b_stride * (int64_t) sizeof(float) >= PACK_PANEL_BYTES && rows >= PACK_PANEL_ROWS;
	Tile		t = {.depth = depth, .c_stride = p->c_stride, .fresh = k == 0 && !p->accumulate};

	t.relu = last && in_place && p->activation == DL_ACTIVATION_RELU;
	t.a = p->transposed_a ? p->a + k * p->a_stride + row : p->a + row * p->a_stride + k;
	t.a_stride = p->a_stride;
	if (pack_a)
	{
		pack_rows_transposed(depth, rows, t.a, t.a_stride, block);
		t.a = block;
		t.a_stride = TILE_ROWS;
	}
	for (int64_t column = 0; column < p->columns && !cancelled(w); column += PANEL)
	{
		int64_t		width = p->columns - column < PANEL ? p->columns - column : PANEL;
		int			vectors = (int) ((width + W - 1) / W);

		t.last = vn_first((int) (width - (vectors - 1) * W));
		t.whole = p->transposed_b || pack_b || width == vectors * W;
		t.b_stride = vectors * W;
		if (p->transposed_b)
			pack_panel_transposed(depth, width, p->b + column * p->b_stride + k, p->b_stride, vectors, panel);
		else if (pack_b)
			pack_panel(depth, width, p->b + k * p->b_stride + column, p->b_stride, vectors, panel);
		if (p->transposed_b || pack_b)
			t.b = panel;
		else
		{
			t.b = p->b + k * p->b_stride + column;
			t.b_stride = p->b_stride;
		}
		t.c = p->c + row * p->c_stride + column;
		t.bias = last && p->bias != NULL ? p->bias + column : NULL;
		tile_rows(&t, rows, vectors, p->transposed_a, pack_a);
		if (last && !(in_tile && in_place))
		{
			for (int64_t i = 0; i < rows; i++)
			{
				int64_t		offset = (row + i) * p->c_stride + column;

				activate(p->activation, width, p->c + offset, p->y + offset);
			}
		}
	}
}

/* By OpenBLAS where that is faster and has been opened, and the order of the sums is free. */
static bool
product_by_openblas(DlWorkspace *w, const DlProduct *p)
{
	if (!OPENBLAS_PAYS || w->row_invariant || (double) p->rows * (double) p->columns * (double) p->depth < OPENBLAS_MULTIPLY_ADDS)
		return false;
	if (!dl_cpu_blas_gemm(w, p))
		return false;
	for (int64_t row = 0; row < p->rows; row++)
	{
		float	   *c = p->c + row * p->c_stride;

		if (p->bias != NULL)
			EACH_VECTOR(p->columns, v_store_n(c + i, n, v_add(v_load_n(c + i, n), v_load_n(p->bias + i, n))););
		if (p->y != p->c || p->activation != DL_ACTIVATION_IDENTITY)
			activate(p->activation, p->columns, c, p->y + row * p->c_stride);
	}
	return true;
}

static void
product_run(DlWorkspace *w, const DlProduct *p)
{
	int64_t		parts = (p->depth + DEPTH_BLOCK - 1) / DEPTH_BLOCK;
	int64_t		depth = parts > 0 ? (p->depth + parts - 1) / parts : 0;
	int64_t		block = packs_rows(p) ? PACKED_ROW_BLOCK : ROW_BLOCK;
	int64_t		k = 0;

	if (product_by_openblas(w, p))
		return;
	do
	{
		int64_t		this_depth = p->depth - k < depth ? p->depth - k : depth;

		for (int64_t row = 0; row < p->rows; row += block)
		{
			int64_t		rows = p->rows - row < block ? p->rows - row : block;

			product_block(w, p, row, rows, k, this_depth);
		}
		k += this_depth;
	} while (k < p->depth);
}

/* Sixteen interleaved sums, then a tree: the order for one output. */
INLINE float
dot_sixteen(int64_t count, const float *x, const float *weight)
{
	V			sum[16 / W];
	int64_t		k = 0;

	for (int v = 0; v < 16 / W; v++)
		sum[v] = v_zero();
	for (; k + 16 <= count; k += 16)
	{
		for (int v = 0; v < 16 / W; v++)
			sum[v] = v_fma(v_load(x + k + v * W), v_load(weight + k + v * W), sum[v]);
	}
	for (int v = 0; v < 16 / W && k < count; v++)
	{
		int			n = count - k < W ? (int) (count - k) : W;

		sum[v] = v_fma(v_load_n(x + k, n), v_load_n(weight + k, n), sum[v]);
		k += n;
	}
	return v_sum_sixteen(sum);
}

#if TILE_VECTORS == 4
#define NARROW_ROWS 6
#else
#define NARROW_ROWS 3
#endif

/*
 * Two to fifteen outputs: four interleaved sums over the inputs for each, then
 * (s0 + s1) + (s2 + s3).  One vector of outputs for rows (a constant) rows.
 */
INLINE void
narrow_rows(const int rows, int64_t in, int64_t out, const float *x, const float *weight, const float *bias, VN first,
			float *y)
{
	V			sum[NARROW_ROWS][4];
	int64_t		k = 0;

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
	{
#pragma GCC unroll 4
		for (int s = 0; s < 4; s++)
			sum[r][s] = v_zero();
	}
	for (; k + 4 <= in; k += 4)
	{
#pragma GCC unroll 4
		for (int s = 0; s < 4; s++)
		{
			V			column = v_load_first(weight + (k + s) * out, first);

#pragma GCC unroll 8
			for (int r = 0; r < rows; r++)
				sum[r][s] = v_fma(v_set1(x[r * in + k + s]), column, sum[r][s]);
		}
	}
#pragma GCC unroll 3
	for (int s = 0; s < 3; s++)
	{
		if (k + s < in)
		{
			V			column = v_load_first(weight + (k + s) * out, first);

#pragma GCC unroll 8
			for (int r = 0; r < rows; r++)
				sum[r][s] = v_fma(v_set1(x[r * in + k + s]), column, sum[r][s]);
		}
	}
#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
	{
		V			a = v_add(v_add(sum[r][0], sum[r][1]), v_add(sum[r][2], sum[r][3]));

		if (bias != NULL)
			a = v_add(a, v_load_first(bias, first));
		v_store_first(y + r * out, first, a);
	}
}

static void
dense_narrow(int64_t rows, int64_t in, int64_t out, const float *x, const float *weight, const float *bias, float *y)
{
	for (int64_t column = 0; column < out; column += W)
	{
		VN			first = vn_first(out - column < W ? (int) (out - column) : W);
		const float *part = bias != NULL ? bias + column : NULL;
		int64_t		row = 0;

		for (; row + NARROW_ROWS <= rows; row += NARROW_ROWS)
			narrow_rows(NARROW_ROWS, in, out, x + row * in, weight + column, part, first, y + row * out + column);
		for (; row < rows; row++)
			narrow_rows(1, in, out, x + row * in, weight + column, part, first, y + row * out + column);
	}
}

static void
dense_single(int64_t rows, int64_t in, const float *x, const float *weight, const float *bias, float *y)
{
	for (int64_t row = 0; row < rows; row++)
	{
		float		sum = dot_sixteen(in, x + row * in, weight);

		y[row] = bias != NULL ? sum + *bias : sum;
	}
}

static void
kernel_dense(DlWorkspace *w, int64_t rows, int64_t in, int64_t out, const void *x, const void *weight,
			 const void *bias, DlActivation activation, void *z, void *y)
{
	float	   *sums = z != NULL ? z : y;

	if (out >= 16)
	{
		DlProduct	p = {.rows = rows, .columns = out, .depth = in, .a = x, .a_stride = in, .b = weight,
		.b_stride = out, .c = sums, .c_stride = out, .bias = bias, .activation = activation, .y = y};

		product_run(w, &p);
		return;
	}
	if (out == 1)
		dense_single(rows, in, x, weight, bias, sums);
	else
		dense_narrow(rows, in, out, x, weight, bias, sums);
	if (z != NULL || activation != DL_ACTIVATION_IDENTITY)
		activate(activation, rows * out, sums, y);
}

static void
kernel_gemm(DlWorkspace *w, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
			const void *a, const void *b, bool accumulate, void *c)
{
	DlProduct	p = {.rows = m, .columns = n, .depth = k, .a = a, .a_stride = transpose_a ? m : k,
		.transposed_a = transpose_a, .b = b, .b_stride = transpose_b ? k : n, .transposed_b = transpose_b,
	.c = c, .c_stride = n, .accumulate = accumulate, .activation = DL_ACTIVATION_IDENTITY, .y = c};

	/* A column is a row of the transposed product, whose elements lie together. */
	if (n == 1 && transpose_a)
	{
		p.rows = 1;
		p.columns = m;
		p.a = b;
		p.a_stride = k;
		p.transposed_a = false;
		p.b = a;
		p.b_stride = m;
		p.transposed_b = false;
		p.c_stride = m;
	}
	product_run(w, &p);
}
