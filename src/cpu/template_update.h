/*
 * template_update.h
 *    Optimiser steps in one pass over the parameters; formulas in
 *    reference_update.inc.
 */

static void
kernel_update_sgd(DlWorkspace *w, int64_t count, double learning_rate, double momentum, bool nesterov,
				  double l2, double gradient_scale, void *parameter, const void *gradient, void *velocity_)
{
	float	   *p = parameter;
	const float *g = gradient;
	float	   *velocity = velocity_;
	V			rate = v_set1((float) learning_rate);
	V			decay = v_set1((float) l2);
	V			scale = v_set1((float) gradient_scale);
	V			keep = v_set1((float) momentum);

	(void) w;
	EACH_VECTOR(count,
		V			value = v_load_n(p + i, n);
		V			step = v_fma(decay, value, v_mul(scale, v_load_n(g + i, n)));
		if (momentum != 0)
		{
			V			moved = v_fma(keep, v_load_n(velocity + i, n), step);
			v_store_n(velocity + i, n, moved);
			step = nesterov ? v_fma(keep, moved, step) : moved;
		}
		v_store_n(p + i, n, v_fnma(rate, step, value)););
}

static void
kernel_update_rmsprop(DlWorkspace *w, int64_t count, double learning_rate, double alpha, double epsilon,
					  double momentum, double l2, double gradient_scale, void *parameter,
					  const void *gradient, void *square_, void *velocity_)
{
	float	   *p = parameter;
	const float *g = gradient;
	float	   *square = square_;
	float	   *velocity = velocity_;
	V			rate = v_set1((float) learning_rate);
	V			decay = v_set1((float) l2);
	V			scale = v_set1((float) gradient_scale);
	V			keep = v_set1((float) momentum);
	V			old = v_set1((float) alpha);
	V			new = v_set1((float) (1 - alpha));
	V			small = v_set1((float) epsilon);

	(void) w;
	EACH_VECTOR(count,
		V			value = v_load_n(p + i, n);
		V			step = v_fma(decay, value, v_mul(scale, v_load_n(g + i, n)));
		V			s = v_fma(old, v_load_n(square + i, n), v_mul(v_mul(new, step), step));
		v_store_n(square + i, n, s);
		step = v_div(step, v_add(v_sqrt(s), small));
		if (momentum != 0)
		{
			step = v_fma(keep, v_load_n(velocity + i, n), step);
			v_store_n(velocity + i, n, step);
		}
		v_store_n(p + i, n, v_fnma(rate, step, value)););
}

static void
kernel_update_adam(DlWorkspace *w, int64_t count, const DlAdamStep *step, void *parameter,
				   const void *gradient, void *first, void *second)
{
	float	   *p = parameter;
	const float *gradients = gradient;
	float	   *m = first;
	float	   *v = second;
	V			beta1 = v_set1((float) step->beta1);
	V			beta2 = v_set1((float) step->beta2);
	V			rest1 = v_set1((float) (1 - step->beta1));
	V			rest2 = v_set1((float) (1 - step->beta2));
	V			l2 = v_set1((float) step->l2);
	V			scale = v_set1((float) step->gradient_scale);
	V			decay = v_set1((float) (1 - step->learning_rate * step->weight_decay));
	V			rate = v_set1((float) (step->learning_rate / step->correction1));
	V			root = v_set1((float) (1 / sqrt(step->correction2)));
	V			small = v_set1((float) step->epsilon);

	(void) w;
	EACH_VECTOR(count,
		V			value = v_load_n(p + i, n);
		V			g = v_fma(l2, value, v_mul(scale, v_load_n(gradients + i, n)));
		V			mean = v_fma(beta1, v_load_n(m + i, n), v_mul(rest1, g));
		V			square = v_fma(beta2, v_load_n(v + i, n), v_mul(v_mul(rest2, g), g));
		V			denominator = v_fma(v_sqrt(square), root, small);
		v_store_n(m + i, n, mean);
		v_store_n(v + i, n, square);
		v_store_n(p + i, n, v_fnma(rate, v_div(mean, denominator), v_mul(value, decay))););
}
