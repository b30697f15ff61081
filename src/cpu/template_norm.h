/*
 * template_norm.h
 *    Layer and batch normalisation; formulas in reference_norm.inc.
 */

static void
kernel_layer_norm(DlWorkspace *w, int64_t rows, int64_t columns, double epsilon, const void *x_,
				  const void *gamma_, const void *beta_, void *statistics_, void *y_)
{
	const float *gamma = gamma_;
	const float *beta = beta_;
	float	   *statistics = statistics_;

	(void) w;
	for (int64_t r = 0; r < rows; r++)
	{
		const float *x = (const float *) x_ + r * columns;
		float	   *y = (float *) y_ + r * columns;
		V			sum = v_zero();
		V			squares = v_zero();
		V			center;
		V			factor;
		float		mean;
		float		rstd;

		EACH_VECTOR(columns, sum = v_add(sum, v_load_n(x + i, n)););
		mean = v_sum(sum) / (float) columns;
		center = v_set1(mean);
		EACH_VECTOR(columns,
			V			d = v_sub(v_load_n(x + i, n), center);
			if (n < W)
				d = v_fill(vn_first(n), d, v_zero());
			squares = v_fma(d, d, squares););
		rstd = (float) (1 / sqrt((double) v_sum(squares) / (double) columns + epsilon));
		factor = v_set1(rstd);
		EACH_VECTOR(columns,
			V			u = v_mul(v_sub(v_load_n(x + i, n), center), factor);
			v_store_n(y + i, n, v_fma(v_load_n(gamma + i, n), u, v_load_n(beta + i, n))););
		statistics[2 * r] = mean;
		statistics[2 * r + 1] = rstd;
	}
}

/* dgamma += dy u and dbeta += dy; either may be NULL. */
INLINE void
add_norm_parameters(float *dgamma, float *dbeta, int n, V dy, V u)
{
	if (dgamma != NULL)
		v_store_n(dgamma, n, v_fma(dy, u, v_load_n(dgamma, n)));
	if (dbeta != NULL)
		v_store_n(dbeta, n, v_add(v_load_n(dbeta, n), dy));
}

static void
clear_norm_parameters(bool accumulate, int64_t columns, float *dgamma, float *dbeta)
{
	if (!accumulate && dgamma != NULL)
		memset(dgamma, 0, (size_t) columns * sizeof(float));
	if (!accumulate && dbeta != NULL)
		memset(dbeta, 0, (size_t) columns * sizeof(float));
}

static void
kernel_layer_norm_backward(DlWorkspace *w, int64_t rows, int64_t columns, const void *x_, const void *gamma_,
						   const void *statistics_, const void *dy_, bool accumulate, void *dx_,
						   bool accumulate_parameters, void *dgamma_, void *dbeta_)
{
	const float *gamma = gamma_;
	const float *statistics = statistics_;
	float	   *dgamma = dgamma_;
	float	   *dbeta = dbeta_;

	(void) w;
	clear_norm_parameters(accumulate_parameters, columns, dgamma, dbeta);
	for (int64_t r = 0; r < rows; r++)
	{
		const float *x = (const float *) x_ + r * columns;
		const float *dy = (const float *) dy_ + r * columns;
		float	   *dx = dx_ != NULL ? (float *) dx_ + r * columns : NULL;
		V			mean = v_set1(statistics[2 * r]);
		V			rstd = v_set1(statistics[2 * r + 1]);
		V			sum_g = v_zero();
		V			sum_gu = v_zero();

		EACH_VECTOR(columns,
			V			u = v_mul(v_sub(v_load_n(x + i, n), mean), rstd);
			V			d = v_load_n(dy + i, n);
			V			g = v_mul(d, v_load_n(gamma + i, n));
			sum_g = v_add(sum_g, g);
			sum_gu = v_fma(g, u, sum_gu);
			add_norm_parameters(dgamma != NULL ? dgamma + i : NULL, dbeta != NULL ? dbeta + i : NULL, n, d, u););
		if (dx == NULL)
			continue;
		sum_g = v_set1(v_sum(sum_g) / (float) columns);
		sum_gu = v_set1(v_sum(sum_gu) / (float) columns);
		EACH_VECTOR(columns,
			V			u = v_mul(v_sub(v_load_n(x + i, n), mean), rstd);
			V			g = v_mul(v_load_n(dy + i, n), v_load_n(gamma + i, n));
			V			d = v_mul(rstd, v_fnma(u, sum_gu, v_sub(g, sum_g)));
			if (accumulate)
				d = v_add(v_load_n(dx + i, n), d);
			v_store_n(dx + i, n, d););
	}
}

/* Mean and biased variance of one vector of columns; blocks of rows keep the rounding error small. */
INLINE void
column_moments(int64_t rows, int64_t columns, const float *x, int n, V *mean, V *variance)
{
	V			inverse = v_set1(1.0f / (float) rows);
	V			total = v_zero();
	V			squares = v_zero();

	for (int64_t row = 0; row < rows; row += SUM_BLOCK)
	{
		int64_t		end = rows - row < SUM_BLOCK ? rows : row + SUM_BLOCK;
		V			sum = v_zero();

		for (int64_t r = row; r < end; r++)
			sum = v_add(sum, v_load_n(x + r * columns, n));
		total = v_add(total, sum);
	}
	*mean = v_mul(total, inverse);
	for (int64_t row = 0; row < rows; row += SUM_BLOCK)
	{
		int64_t		end = rows - row < SUM_BLOCK ? rows : row + SUM_BLOCK;
		V			sum = v_zero();

		for (int64_t r = row; r < end; r++)
		{
			V			d = v_sub(v_load_n(x + r * columns, n), *mean);

			sum = v_fma(d, d, sum);
		}
		squares = v_add(squares, sum);
	}
	*variance = v_mul(squares, inverse);
}

static void
kernel_batch_norm(DlWorkspace *w, int64_t rows, int64_t columns, double epsilon, double momentum,
				  bool training, const void *x_, const void *gamma_, const void *beta_,
				  void *running_mean_, void *running_variance_, void *statistics_, void *y_)
{
	const float *gamma = gamma_;
	const float *beta = beta_;
	float	   *running_mean = running_mean_;
	float	   *running_variance = running_variance_;
	float	   *statistics = statistics_;
	V			moved = v_set1((float) momentum);
	V			kept = v_set1((float) (1 - momentum));
	V			unbiased = v_set1(rows > 1 ? (float) rows / (float) (rows - 1) : 1.0f);

	(void) w;
	EACH_VECTOR(columns,
		const float *x = (const float *) x_ + i;
		float	   *y = (float *) y_ + i;
		V			mean = v_load_n(running_mean + i, n);
		V			variance = v_load_n(running_variance + i, n);
		V			rstd;
		V			shift;
		if (training)
		{
			V			old_mean = mean;
			V			old_variance = variance;
			column_moments(rows, columns, x, n, &mean, &variance);
			v_store_n(running_mean + i, n, v_fma(kept, old_mean, v_mul(moved, mean)));
			v_store_n(running_variance + i, n,
					  v_fma(kept, old_variance, v_mul(moved, v_mul(variance, unbiased))));
		}
		rstd = v_div(v_set1(1.0f), v_sqrt(v_add(variance, v_set1((float) epsilon))));
		if (training)
		{
			v_store_n(statistics + i, n, mean);
			v_store_n(statistics + columns + i, n, rstd);
		}
		rstd = v_mul(rstd, v_load_n(gamma + i, n));
		shift = v_load_n(beta + i, n);
		for (int64_t r = 0; r < rows; r++)
			v_store_n(y + r * columns, n, v_fma(v_sub(v_load_n(x + r * columns, n), mean), rstd, shift)););
}

static void
kernel_batch_norm_backward(DlWorkspace *w, int64_t rows, int64_t columns, const void *x_, const void *gamma_,
						   const void *statistics_, const void *dy_, bool accumulate, void *dx_,
						   bool accumulate_parameters, void *dgamma_, void *dbeta_)
{
	const float *gamma = gamma_;
	const float *statistics = statistics_;
	float	   *dgamma = dgamma_;
	float	   *dbeta = dbeta_;
	V			inverse = v_set1(1.0f / (float) rows);

	(void) w;
	clear_norm_parameters(accumulate_parameters, columns, dgamma, dbeta);
	EACH_VECTOR(columns,
		const float *x = (const float *) x_ + i;
		const float *dy = (const float *) dy_ + i;
		float	   *dx = dx_ != NULL ? (float *) dx_ + i : NULL;
		V			mean = v_load_n(statistics + i, n);
		V			rstd = v_load_n(statistics + columns + i, n);
		V			factor = v_mul(rstd, v_load_n(gamma + i, n));
		V			sum = v_zero();
		V			sum_u = v_zero();
		for (int64_t r = 0; r < rows; r++)
		{
			V			u = v_mul(v_sub(v_load_n(x + r * columns, n), mean), rstd);
			V			d = v_load_n(dy + r * columns, n);

			sum = v_add(sum, d);
			sum_u = v_fma(d, u, sum_u);
		}
		if (dgamma != NULL)
			v_store_n(dgamma + i, n, v_add(v_load_n(dgamma + i, n), sum_u));
		if (dbeta != NULL)
			v_store_n(dbeta + i, n, v_add(v_load_n(dbeta + i, n), sum));
		sum = v_mul(sum, inverse);
		sum_u = v_mul(sum_u, inverse);
		for (int64_t r = 0; r < rows && dx_ != NULL; r++)
		{
			V			u = v_mul(v_sub(v_load_n(x + r * columns, n), mean), rstd);
			V			d = v_mul(factor, v_fnma(u, sum_u, v_sub(v_load_n(dy + r * columns, n), sum)));

			if (accumulate)
				d = v_add(v_load_n(dx + r * columns, n), d);
			v_store_n(dx + r * columns, n, d);
		});
}
