/*
 * template_bfloat16.h
 *    A dense layer whose inputs and weights are rounded to bfloat16 and summed
 *    in float32: cut into blocks that stay in the caches.  Included after a
 *    part_run(), which does the blocks.
 *
 * How the depth is cut depends on the depth alone, so that a row's result does
 * not depend on the rows that are computed with it.
 */

#define BLOCK_ROWS 192			/* a multiple of 6 and 32, the rows of both kernels */
#define BLOCK_DEPTH 1024
#define BLOCK_STRIDE (BLOCK_DEPTH + BFLOAT16_DEPTH)	/* rows shall not share cache sets */
#define BLOCK_BYTES (BLOCK_ROWS * BLOCK_STRIDE * sizeof(uint16_t))
#define PANEL_BYTES (PART_COLUMNS * BLOCK_DEPTH * sizeof(uint16_t))
#define BFLOAT16_WORKSPACE (BLOCK_BYTES + PANEL_BYTES + PART_SCRATCH * sizeof(float))

typedef struct Bfloat16Dense
{
	DlWorkspace *w;
	int64_t		in;
	int64_t		out;
	const float *x;
	const float *weight;
	const uint16_t *packed;		/* NULL: packed part by part */
	const float *bias;
	float	   *sums;
	bool		relu;			/* in the sums' place */
} Bfloat16Dense;

static const uint16_t *
find_packed(const DlWorkspace *w, const void *weight)
{
	int32_t		low = 0;
	int32_t		high = w->packed_count;

	while (low < high)
	{
		int32_t		middle = low + (high - low) / 2;

		if ((uintptr_t) w->packed[middle].weight < (uintptr_t) weight)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->packed_count && w->packed[low].weight == weight ? w->packed[low].packed : NULL;
}

/* x[rows, depth] at x_stride, rounded, and 0 up to the padded depth. */
static void
round_rows(int64_t rows, int64_t depth, const float *x, int64_t x_stride, uint16_t *a, int64_t a_stride)
{
	for (int64_t row = 0; row < rows; row++)
	{
		for (int64_t k = 0; k < depth; k++)
			a[k] = bfloat16_round(x[k]);
		for (int64_t k = depth; k < bfloat16_padded(depth); k++)
			a[k] = 0;
		x += x_stride;
		a += a_stride;
	}
}

/* Rows [row, row + rows) over the inputs [k, k + depth). */
static void
dense_block(const Bfloat16Dense *d, int64_t row, int64_t rows, int64_t k, int64_t depth)
{
	uint16_t   *block = d->w->memory;
	uint16_t   *panel = block + BLOCK_BYTES / sizeof(uint16_t);
	bool		last = k + depth == d->in;
	Bfloat16Part part = {.rows = rows, .depth = depth, .a = block, .c_stride = d->out, .fresh = k == 0,
	.relu = last && d->relu, .scratch = (float *) (panel + PANEL_BYTES / sizeof(uint16_t))};

	part.a_stride = bfloat16_padded(depth) + BFLOAT16_DEPTH;
	part.b_stride = BFLOAT16_COLUMNS * bfloat16_padded(d->packed != NULL ? d->in : depth);
	round_rows(rows, depth, d->x + row * d->in + k, d->in, block, part.a_stride);
	for (int64_t column = 0; column < d->out; column += PART_COLUMNS)
	{
		if (d->w->cancel != NULL && atomic_load_explicit(d->w->cancel, memory_order_relaxed) != 0)
			break;
		part.columns = d->out - column < PART_COLUMNS ? d->out - column : PART_COLUMNS;
		if (d->packed != NULL)
			part.b = d->packed + column / BFLOAT16_COLUMNS * part.b_stride + k * BFLOAT16_COLUMNS;
		else
		{
			bfloat16_pack(depth, part.columns, d->weight + k * d->out + column, d->out, panel);
			part.b = panel;
		}
		part.c = d->sums + row * d->out + column;
		part.bias = last && d->bias != NULL ? d->bias + column : NULL;
		part_run(&part);
	}
}

static void
dense_rows(const Bfloat16Dense *d, int64_t row, int64_t rows)
{
	int64_t		parts = (d->in + BLOCK_DEPTH - 1) / BLOCK_DEPTH;
	int64_t		depth = parts > 0 ? bfloat16_padded((d->in + parts - 1) / parts) : 0;
	int64_t		k = 0;

	do
	{
		int64_t		this_depth = d->in - k < depth ? d->in - k : depth;

		dense_block(d, row, rows, k, this_depth);
		k += this_depth;
	} while (k < d->in);
}

static void
kernel_dense_bfloat16(DlWorkspace *w, int64_t rows, int64_t in, int64_t out, const void *x, const void *weight,
					  const void *bias, DlActivation activation, void *z, void *y)
{
	const DlBackend *full = dl_backend_cpu();
	bool		in_sums = z == NULL && activation == DL_ACTIVATION_RELU;
	bool		nothing = z == NULL && activation == DL_ACTIVATION_IDENTITY;
	Bfloat16Dense d = {.w = w, .in = in, .out = out, .x = x, .weight = weight, .bias = bias,
	.sums = z != NULL ? z : y, .relu = in_sums};

	if (out < BFLOAT16_LEAST_COLUMNS)
	{
		full->dense(w, rows, in, out, x, weight, bias, activation, z, y);
		return;
	}
	d.packed = find_packed(w, weight);
	PART_BEGIN();
	for (int64_t row = 0; row < rows; row += BLOCK_ROWS)
	{
		int64_t		count = rows - row < BLOCK_ROWS ? rows - row : BLOCK_ROWS;

		dense_rows(&d, row, count);
		if (!in_sums && !nothing)
			full->activation(w, activation, count * out, d.sums + row * out, (float *) y + row * out);
	}
	PART_END();
}
