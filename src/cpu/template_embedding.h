/*
 * template_embedding.h
 *    Embeddings of codes and of numbers; formulas in core/backend.h and
 *    reference_embedding.inc.
 */

#define TWO_PI 6.28318530717958647692f

static void
kernel_embedding(DlWorkspace *w, int64_t rows, int64_t width, const int32_t *codes, int64_t code_stride,
				 const void *table, void *y_, int64_t y_stride)
{
	float	   *y = y_;

	(void) w;
	for (int64_t r = 0; r < rows; r++)
	{
		const float *row = (const float *) table + codes[r * code_stride] * width;

		EACH_VECTOR(width, v_store_n(y + i, n, v_load_n(row + i, n)););
		y += y_stride;
	}
}

static void
kernel_embedding_backward(DlWorkspace *w, int64_t rows, int64_t width, const int32_t *codes,
						  int64_t code_stride, const void *dy_, int64_t dy_stride, void *dtable)
{
	const float *dy = dy_;

	(void) w;
	for (int64_t r = 0; r < rows; r++)
	{
		float	   *row = (float *) dtable + codes[r * code_stride] * width;

		EACH_VECTOR(width, v_store_n(row + i, n, v_add(v_load_n(row + i, n), v_load_n(dy + i, n))););
		dy += dy_stride;
	}
}

static void
kernel_periodic(DlWorkspace *w, int64_t rows, int64_t columns, int64_t frequencies, int64_t width,
				const void *x_, int64_t x_stride, const void *frequency_, const void *phase_,
				const void *weight, const void *bias, void *cosines_, void *y_)
{
	for (int64_t column = 0; column < columns; column++)
	{
		const float *x = (const float *) x_ + column;
		const float *frequency = (const float *) frequency_ + column * frequencies;
		const float *phase = (const float *) phase_ + column * frequencies;
		float	   *cosines = (float *) cosines_ + column * frequencies;
		float	   *y = (float *) y_ + column * (width + 1);
		DlProduct	p = {.rows = rows, .columns = width, .depth = frequencies, .a = cosines,
			.a_stride = columns * frequencies, .b = (const float *) weight + column * frequencies * width,
			.b_stride = width, .c = y + 1, .c_stride = columns * (width + 1),
		.bias = (const float *) bias + column * width, .y = y + 1};

		EACH_VECTOR(frequencies,
			V			f = v_load_n(frequency + i, n);
			V			a = v_load_n(phase + i, n);
			for (int64_t r = 0; r < rows; r++)
				v_store_n(cosines + r * columns * frequencies + i, n, v_cos_turn(f, v_set1(x[r * x_stride]), a)););
		for (int64_t r = 0; r < rows; r++)
			y[r * columns * (width + 1)] = x[r * x_stride];
		product_run(w, &p);
	}
}

/* The gradients of one column's angles. */
typedef struct PeriodicColumn
{
	int64_t		frequencies;	/* of this part of the column */
	const float *x;
	int64_t		x_stride;
	const float *frequency;
	const float *phase;
	float	   *dfrequency;		/* these two and dx may be NULL */
	float	   *dphase;
	float	   *dx;				/* x_stride apart, added to */
} PeriodicColumn;

/* dcosines[rows, frequencies] are those of rows rows from row on. */
static void
periodic_angles(const PeriodicColumn *c, int64_t row, int64_t rows, const float *dcosines)
{
	EACH_VECTOR(c->frequencies,
		V			frequency = v_load_n(c->frequency + i, n);
		V			phase = v_load_n(c->phase + i, n);
		V			sum = v_zero();
		V			sum_x = v_zero();
		for (int64_t r = 0; r < rows; r++)
		{
			V			x = v_set1(c->x[(row + r) * c->x_stride]);
			V			negative = v_mul(v_sin_turn(frequency, x, phase), v_load_n(dcosines + r * c->frequencies + i, n));

			sum = v_add(sum, negative);
			sum_x = v_fma(negative, x, sum_x);
			if (c->dx != NULL)
				c->dx[(row + r) * c->x_stride] -= TWO_PI * v_sum(v_mul(negative, frequency));
		}
		if (c->dphase != NULL)
			v_store_n(c->dphase + i, n, v_sub(v_load_n(c->dphase + i, n), sum));
		if (c->dfrequency != NULL)
			v_store_n(c->dfrequency + i, n, v_fnma(v_set1(TWO_PI), sum_x, v_load_n(c->dfrequency + i, n))););
}

static void
kernel_periodic_backward(DlWorkspace *w, int64_t rows, int64_t columns, int64_t frequencies,
						 int64_t width, const void *x_, int64_t x_stride, const void *frequency,
						 const void *phase, const void *weight, const void *cosines, const void *dy_,
						 void *dfrequency, void *dphase, void *dweight, void *dbias,
						 bool accumulate, void *dx)
{
	float	   *scratch = (float *) w->memory + (PACKED_PANEL_BYTES + PACKED_ROWS_BYTES) / sizeof(float);
	int64_t		part = frequencies < SCRATCH_FLOATS ? frequencies : SCRATCH_FLOATS;
	int64_t		y_stride = columns * (width + 1);

	for (int64_t column = 0; column < columns; column++)
	{
		const float *x = (const float *) x_ + column;
		const float *dy = (const float *) dy_ + column * (width + 1);
		float	   *column_dx = dx != NULL ? (float *) dx + column : NULL;

		for (int64_t r = 0; r < rows && dx != NULL; r++)
			column_dx[r * x_stride] = dy[r * y_stride] + (accumulate ? column_dx[r * x_stride] : 0);
		for (int64_t r = 0; r < rows && dbias != NULL; r++)
		{
			float	   *sum = (float *) dbias + column * width;

			EACH_VECTOR(width, v_store_n(sum + i, n, v_add(v_load_n(sum + i, n), v_load_n(dy + r * y_stride + 1 + i, n))););
		}
		if (dweight != NULL)
		{
			DlProduct	p = {.rows = frequencies, .columns = width, .depth = rows,
				.a = (const float *) cosines + column * frequencies, .a_stride = columns * frequencies,
				.transposed_a = true, .b = dy + 1, .b_stride = y_stride,
				.c = (float *) dweight + column * frequencies * width, .c_stride = width, .accumulate = true,
			.y = (float *) dweight + column * frequencies * width};

			product_run(w, &p);
		}
		if (dphase == NULL && dfrequency == NULL && dx == NULL)
			continue;
		for (int64_t f = 0; f < frequencies; f += part)
		{
			int64_t		at = column * frequencies + f;
			PeriodicColumn c = {frequencies - f < part ? frequencies - f : part, x, x_stride,
				(const float *) frequency + at, (const float *) phase + at,
				dfrequency != NULL ? (float *) dfrequency + at : NULL, dphase != NULL ? (float *) dphase + at : NULL,
			column_dx};
			int64_t		block = SCRATCH_FLOATS / c.frequencies;

			for (int64_t row = 0; row < rows; row += block)
			{
				DlProduct	p = {.rows = rows - row < block ? rows - row : block, .columns = c.frequencies,
					.depth = width, .a = dy + row * y_stride + 1, .a_stride = y_stride,
					.b = (const float *) weight + at * width, .b_stride = width, .transposed_b = true,
				.c = scratch, .c_stride = c.frequencies, .y = scratch};

				product_run(w, &p);
				periodic_angles(&c, row, p.rows, scratch);
			}
		}
	}
}
