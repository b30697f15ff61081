/*
 * template_piecewise.h
 *    Piecewise linear embedding of numbers; formulas in core/backend.h and
 *    reference_piecewise.inc.
 *
 * The weights of all bins below one are summed once a call, in ascending order
 * and from the bias on; a row then takes one sum and a share of one bin.  So what
 * is computed for a row does not depend on how many there are.  Backward, rows
 * add to their bin alone, and one pass from the last bin down sums them up.
 */

#define PIECEWISE_ROWS 64		/* whose bins are looked for together */

/* One column of numbers, and some of its outputs. */
typedef struct PiecewiseColumn
{
	int64_t		rows;
	int64_t		bins;			/* that are not empty, all before those that are; at least 1 */
	int64_t		width;			/* outputs at hand */
	int64_t		stride;			/* of weight: outputs of the column */
	const float *x;				/* x_stride apart */
	int64_t		x_stride;
	const float *edges;
	float	   *positions;		/* two a row: bin, and where x lies in it */
	int64_t		position_stride;
	const float *weight;
	const float *linear;
	float	   *sums;			/* [bins, width], in scratch */
} PiecewiseColumn;

/* Fills positions. */
static void
piecewise_positions(const PiecewiseColumn *c)
{
	float		x[PIECEWISE_ROWS];
	float		bin[PIECEWISE_ROWS];

	for (int64_t row = 0; row < c->rows; row += PIECEWISE_ROWS)
	{
		int64_t		rows = c->rows - row < PIECEWISE_ROWS ? c->rows - row : PIECEWISE_ROWS;

		for (int64_t r = 0; r < rows; r++)
			x[r] = c->x[(row + r) * c->x_stride];
		EACH_VECTOR(rows,
			V			value = v_load_n(x + i, n);
			V			below = v_zero();
			for (int64_t t = 1; t < c->bins; t++)
				below = v_add(below, v_select(v_less(value, v_set1(c->edges[t])), v_zero(), v_set1(1.0f)));
			v_store_n(bin + i, n, below););
		for (int64_t r = 0; r < rows; r++)
		{
			const float *edges = c->edges + (int64_t) bin[r];
			float	   *position = c->positions + (row + r) * c->position_stride;

			position[0] = bin[r];
			position[1] = edges[0] < edges[1] ? (x[r] - edges[0]) / (edges[1] - edges[0]) : 0;
		}
	}
}

/* y[rows, width], y_stride apart */
static void
piecewise_outputs(const PiecewiseColumn *c, const float *bias, float *y, int64_t y_stride)
{
	EACH_VECTOR(c->width,
		V			sum = v_load_n(bias + i, n);
		V			linear = v_load_n(c->linear + i, n);
		for (int64_t t = 0; t < c->bins; t++)
		{
			v_store_n(c->sums + t * c->width + i, n, sum);
			sum = v_add(sum, v_load_n(c->weight + t * c->stride + i, n));
		}
		for (int64_t r = 0; r < c->rows; r++)
		{
			const float *position = c->positions + r * c->position_stride;
			int64_t		bin = (int64_t) position[0];
			V			z = v_fma(v_set1(c->x[r * c->x_stride]), linear, v_load_n(c->sums + bin * c->width + i, n));

			v_store_n(y + r * y_stride + i, n,
					  v_fma(v_set1(position[1]), v_load_n(c->weight + bin * c->stride + i, n), z));
		});
}

/* Bins before the first empty one; a column without any has one, in which every position is 0. */
static int64_t
piecewise_bins(int64_t bins, const float *edges)
{
	int64_t		real = 0;

	while (real < bins && edges[real] < edges[real + 1])
		real++;
	return real > 0 ? real : 1;
}

/* Outputs at once, such that the sums of all bins fit into scratch; backend.h bounds the bins. */
static int64_t
piecewise_part(int64_t bins, int64_t width)
{
	int64_t		part = SCRATCH_FLOATS / bins / W * W;

	return part < width ? part : width;
}

static void
kernel_piecewise(DlWorkspace *w, int64_t rows, int64_t columns, int64_t bins, int64_t width,
				 const void *x, int64_t x_stride, const void *edges, const void *weight,
				 const void *linear, const void *bias, void *positions, void *y, int64_t y_stride)
{
	float	   *scratch = (float *) w->memory + (PACKED_PANEL_BYTES + PACKED_ROWS_BYTES) / sizeof(float);
	int64_t		part = piecewise_part(bins, width);

	for (int64_t column = 0; column < columns; column++)
	{
		PiecewiseColumn c = {.rows = rows, .stride = width, .x = (const float *) x + column, .x_stride = x_stride,
			.edges = (const float *) edges + column * (bins + 1), .positions = (float *) positions + 2 * column,
		.position_stride = 2 * columns, .sums = scratch};

		c.bins = piecewise_bins(bins, c.edges);
		piecewise_positions(&c);
		for (int64_t from = 0; from < width; from += part)
		{
			int64_t		at = column * width + from;

			c.width = width - from < part ? width - from : part;
			c.weight = (const float *) weight + column * bins * width + from;
			c.linear = (const float *) linear + at;
			piecewise_outputs(&c, (const float *) bias + at, (float *) y + at, y_stride);
		}
	}
}

/* Adds to dx, x_stride apart. */
static void
piecewise_number_gradients(const PiecewiseColumn *c, const float *dy, int64_t dy_stride, float *dx)
{
	for (int64_t r = 0; r < c->rows; r++)
	{
		int64_t		bin = (int64_t) c->positions[r * c->position_stride];
		float		size = c->edges[bin + 1] - c->edges[bin];
		V			slope = v_set1(size > 0 ? 1.0f / size : 0);
		V			sum = v_zero();

		EACH_VECTOR(c->width,
			V			d = v_fma(slope, v_load_n(c->weight + bin * c->stride + i, n), v_load_n(c->linear + i, n));

			sum = v_fma(d, v_load_n(dy + r * dy_stride + i, n), sum););
		dx[r * c->x_stride] += v_sum(sum);
	}
}

/* Adds to the three, each of which may be NULL; dweight is laid out as weight. */
static void
piecewise_parameter_gradients(const PiecewiseColumn *c, const float *dy, int64_t dy_stride, float *dweight,
							  float *dlinear, float *dbias)
{
	EACH_VECTOR(c->width,
		V			linear = v_zero();
		V			above = v_zero();
		for (int64_t t = 0; t < c->bins; t++)
			v_store_n(c->sums + t * c->width + i, n, v_zero());
		for (int64_t r = 0; r < c->rows; r++)
		{
			const float *position = c->positions + r * c->position_stride;
			float	   *sum = c->sums + (int64_t) position[0] * c->width + i;
			V			d = v_load_n(dy + r * dy_stride + i, n);

			linear = v_fma(v_set1(c->x[r * c->x_stride]), d, linear);
			v_store_n(sum, n, v_add(v_load_n(sum, n), d));
			if (dweight != NULL)
			{
				float	   *own = dweight + (int64_t) position[0] * c->stride + i;

				v_store_n(own, n, v_fma(v_set1(position[1]), d, v_load_n(own, n)));
			}
		}
		for (int64_t t = c->bins - 1; t >= 0; t--)
		{
			if (dweight != NULL)
				v_store_n(dweight + t * c->stride + i, n, v_add(v_load_n(dweight + t * c->stride + i, n), above));
			above = v_add(above, v_load_n(c->sums + t * c->width + i, n));
		}
		if (dlinear != NULL)
			v_store_n(dlinear + i, n, v_add(v_load_n(dlinear + i, n), linear));
		if (dbias != NULL)
			v_store_n(dbias + i, n, v_add(v_load_n(dbias + i, n), above)););
}

static void
kernel_piecewise_backward(DlWorkspace *w, int64_t rows, int64_t columns, int64_t bins, int64_t width,
						  const void *x, int64_t x_stride, const void *edges, const void *weight,
						  const void *linear, const void *positions, const void *dy_, int64_t dy_stride,
						  void *dweight, void *dlinear, void *dbias, bool accumulate, void *dx)
{
	float	   *scratch = (float *) w->memory + (PACKED_PANEL_BYTES + PACKED_ROWS_BYTES) / sizeof(float);
	int64_t		part = piecewise_part(bins, width);

	for (int64_t column = 0; column < columns; column++)
	{
		PiecewiseColumn c = {.rows = rows, .stride = width, .x = (const float *) x + column, .x_stride = x_stride,
			.edges = (const float *) edges + column * (bins + 1), .positions = (float *) positions + 2 * column,
		.position_stride = 2 * columns, .sums = scratch};

		c.bins = piecewise_bins(bins, c.edges);
		for (int64_t r = 0; r < rows && dx != NULL && !accumulate; r++)
			((float *) dx)[column + r * x_stride] = 0;
		for (int64_t from = 0; from < width; from += part)
		{
			int64_t		at = column * width + from;
			const float *dy = (const float *) dy_ + at;

			c.width = width - from < part ? width - from : part;
			c.weight = (const float *) weight + column * bins * width + from;
			c.linear = (const float *) linear + at;
			if (dx != NULL)
				piecewise_number_gradients(&c, dy, dy_stride, (float *) dx + column);
			if (dweight != NULL || dlinear != NULL || dbias != NULL)
				piecewise_parameter_gradients(&c, dy, dy_stride,
											  dweight != NULL ? (float *) dweight + column * bins * width + from : NULL,
											  dlinear != NULL ? (float *) dlinear + at : NULL,
											  dbias != NULL ? (float *) dbias + at : NULL);
		}
	}
}
