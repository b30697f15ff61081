/*
 * template_loss.h
 *    Softmax and losses; formulas in core/backend.h and reference_loss.inc.
 */

/* The sum of the first n lanes, whatever the others hold. */
INLINE float
sum_first(V a, int n)
{
	return v_sum(n == W ? a : v_fill(vn_first(n), a, v_zero()));
}

/* y = softmax of one row; may be in place.  Returns log sum exp. */
static float
softmax_row(int64_t columns, const float *x, float *y)
{
	V			most = v_set1(x[0]);
	V			sum = v_zero();
	V			largest;
	float		total;
	float		top;

	EACH_VECTOR(columns,
		V			a = v_load_n(x + i, n);
		if (n < W)
			a = v_fill(vn_first(n), a, v_set1(x[0]));
		most = v_max(most, a););
	top = v_greatest(most);
	largest = v_set1(top);
	EACH_VECTOR(columns,
		V			e = v_exp(v_sub(v_load_n(x + i, n), largest));
		v_store_n(y + i, n, e);
		if (n < W)
			e = v_fill(vn_first(n), e, v_zero());
		sum = v_add(sum, e););
	total = v_sum(sum);
	sum = v_set1(1.0f / total);
	EACH_VECTOR(columns, v_store_n(y + i, n, v_mul(v_load_n(y + i, n), sum)););
	return top + logf(total);
}

static void
kernel_softmax(DlWorkspace *w, int64_t rows, int64_t columns, const void *x, void *y)
{
	(void) w;
	for (int64_t r = 0; r < rows; r++)
		softmax_row(columns, (const float *) x + r * columns, (float *) y + r * columns);
}

static void
kernel_softmax_backward(DlWorkspace *w, int64_t rows, int64_t columns, const void *y_, const void *dy_,
						bool accumulate, void *dx_)
{
	(void) w;
	for (int64_t r = 0; r < rows; r++)
	{
		const float *y = (const float *) y_ + r * columns;
		const float *dy = (const float *) dy_ + r * columns;
		float	   *dx = (float *) dx_ + r * columns;
		V			sum = v_zero();

		EACH_VECTOR(columns, sum = v_fma(v_load_n(y + i, n), v_load_n(dy + i, n), sum););
		sum = v_set1(v_sum(sum));
		EACH_VECTOR(columns,
			V			d = v_mul(v_load_n(y + i, n), v_sub(v_load_n(dy + i, n), sum));
			if (accumulate)
				d = v_add(v_load_n(dx + i, n), d);
			v_store_n(dx + i, n, d););
	}
}

static void
kernel_loss_softmax(DlWorkspace *w, int64_t rows, int64_t classes, double smoothing, const void *x_,
					const int32_t *target, const void *weight, void *probabilities, void *loss)
{
	(void) w;
	for (int64_t r = 0; r < rows; r++)
	{
		const float *x = (const float *) x_ + r * classes;
		float		log_sum = softmax_row(classes, x, (float *) probabilities + r * classes);
		double		row_loss = (1 - smoothing) * ((double) log_sum - x[target[r]]);

		if (smoothing > 0)
		{
			double		sum = 0;

			for (int64_t c = 0; c < classes; c++)
				sum += x[c];
			row_loss += smoothing * (log_sum - sum / (double) classes);
		}
		((float *) loss)[r] = (float) (row_loss * ((const float *) weight)[r]);
	}
}

static void
kernel_loss_softmax_backward(DlWorkspace *w, int64_t rows, int64_t classes, double smoothing,
							 const void *probabilities, const int32_t *target, const void *weight,
							 const void *scale, bool accumulate, void *dx_)
{
	V			other = v_set1((float) (smoothing / (double) classes));

	(void) w;
	for (int64_t r = 0; r < rows; r++)
	{
		const float *p = (const float *) probabilities + r * classes;
		float	   *dx = (float *) dx_ + r * classes;
		float		factor = ((const float *) scale)[r] * ((const float *) weight)[r];
		V			factors = v_set1(factor);

		EACH_VECTOR(classes,
			V			d = v_mul(factors, v_sub(v_load_n(p + i, n), other));
			if (accumulate)
				d = v_add(v_load_n(dx + i, n), d);
			v_store_n(dx + i, n, d););
		dx[target[r]] -= factor * (float) (1 - smoothing);
	}
}

/* The loss of a vector of predictions x and targets t, and its derivative by x; kind is a constant. */
INLINE V
point_loss(const DlPointLoss kind, float parameter, V x, V t, V *derivative)
{
	V			zero = v_zero();
	V			one = v_set1(1.0f);
	V			d = v_sub(x, t);
	V			sign = v_select(v_less(zero, d), one, v_select(v_less(d, zero), v_set1(-1.0f), d));
	V			size = v_abs(d);
	V			q = v_set1(parameter);

	switch (kind)
	{
		case DL_LOSS_MSE:
			*derivative = v_add(d, d);
			return v_mul(d, d);
		case DL_LOSS_MAE:
			*derivative = sign;
			return size;
		case DL_LOSS_HUBER:
			{
				VM			outside = v_less(q, size);

				*derivative = v_select(outside, v_mul(q, sign), d);
				return v_select(outside, v_mul(q, v_fnma(v_set1(0.5f), q, size)), v_mul(v_mul(v_set1(0.5f), d), d));
			}
		case DL_LOSS_QUANTILE:
			{
				V			slope = v_select(v_less(zero, d), v_sub(one, q), v_sub(zero, q));

				*derivative = v_mul(slope, v_abs(sign));
				return v_mul(slope, d);
			}
		case DL_LOSS_BCE:
			t = v_fma(t, v_sub(one, q), v_mul(v_set1(0.5f), q));
			*derivative = v_sub(v_sigmoid(x), t);
			return v_fnma(x, t, v_softplus(x));
	}
	*derivative = zero;
	return zero;
}

/* One kind: a loss a row when loss is not NULL, else the gradient. */
INLINE void
point_rows(const DlPointLoss kind, float parameter, int64_t rows, int64_t columns, const float *x,
		   const float *target, const float *weight, const float *scale, bool accumulate, float *loss, float *dx)
{
	V			derivative;

	if (columns == 1)
	{
		EACH_VECTOR(rows,
			V			value = point_loss(kind, parameter, v_load_n(x + i, n), v_load_n(target + i, n), &derivative);
			V			factor = v_load_n(weight + i, n);
			if (loss != NULL)
				v_store_n(loss + i, n, v_mul(value, factor));
			else
			{
				derivative = v_mul(derivative, v_mul(factor, v_load_n(scale + i, n)));
				if (accumulate)
					derivative = v_add(v_load_n(dx + i, n), derivative);
				v_store_n(dx + i, n, derivative);
			});
		return;
	}
	for (int64_t r = 0; r < rows; r++)
	{
		float		share = weight[r] / (float) columns;
		double		sum = 0;

		if (loss == NULL)
			share *= scale[r];
		EACH_VECTOR(columns,
			V			value = point_loss(kind, parameter, v_load_n(x + i, n), v_load_n(target + i, n), &derivative);
			if (loss != NULL)
				sum += sum_first(value, n);
			else
			{
				derivative = v_mul(derivative, v_set1(share));
				if (accumulate)
					derivative = v_add(v_load_n(dx + i, n), derivative);
				v_store_n(dx + i, n, derivative);
			});
		if (loss != NULL)
			loss[r] = (float) (sum * share);
		else
			dx += columns;
		x += columns;
		target += columns;
	}
}

/* DO(kind) for every loss, inside a switch */
#define EACH_POINT_LOSS(DO) \
	DO(DL_LOSS_MSE) \
	DO(DL_LOSS_MAE) \
	DO(DL_LOSS_HUBER) \
	DO(DL_LOSS_QUANTILE) \
	DO(DL_LOSS_BCE)

static void
kernel_loss_point(DlWorkspace *w, int kind, double parameter, int64_t rows, int64_t columns,
				  const void *x, const void *target, const void *weight, void *loss)
{
	(void) w;
#define FORWARD(name) \
	case name: \
		point_rows(name, (float) parameter, rows, columns, x, target, weight, NULL, false, loss, NULL); \
		break;

	switch ((DlPointLoss) kind)
	{
			EACH_POINT_LOSS(FORWARD)
	}
#undef FORWARD
}

static void
kernel_loss_point_backward(DlWorkspace *w, int kind, double parameter, int64_t rows, int64_t columns,
						   const void *x, const void *target, const void *weight, const void *scale,
						   bool accumulate, void *dx)
{
	(void) w;
#define BACKWARD(name) \
	case name: \
		point_rows(name, (float) parameter, rows, columns, x, target, weight, scale, accumulate, NULL, dx); \
		break;

	switch ((DlPointLoss) kind)
	{
			EACH_POINT_LOSS(BACKWARD)
	}
#undef BACKWARD
}
