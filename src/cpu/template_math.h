/*
 * template_math.h
 *    Elementary functions of a vector of floats, within a few units in the
 *    last place (the test sweeps them), NaN passed on, no table, no branch.
 *
 * Polynomials were fitted for the smallest greatest error on the stated
 * interval.  Included after one simd_*.h.
 */

/*
 * exp(x) - 1 = s p + (s - 1) and exp(x) = s p + s, with s = 2^n, p = exp(r) - 1,
 * n = round(x / ln 2), |r| <= ln(2)/2.  s is given as two factors, so that
 * results below the smallest normal number come out too.
 */
INLINE V
exp_reduced(V x, V *s1, V *s2)
{
	V			n = v_round(v_mul(x, v_set1(1.44269504f)));
	V			r = v_fnma(n, v_set1(-2.12194440e-4f), v_fnma(n, v_set1(0.693359375f), x));
	V			half = v_round(v_mul(n, v_set1(0.5f)));
	V			q = v_set1(1.395060030e-3f);

	q = v_fma(q, r, v_set1(8.368953708e-3f));
	q = v_fma(q, r, v_set1(4.166620417e-2f));
	q = v_fma(q, r, v_set1(1.666651830e-1f));
	q = v_fma(q, r, v_set1(0.5f));
	*s1 = v_power_of_two(half);
	*s2 = v_power_of_two(v_sub(n, half));
	return v_fma(v_mul(r, r), q, r);
}

INLINE V
v_exp(V x)
{
	V			s1,
				s2,
				p;

	x = v_max(v_set1(-104.0f), v_min(v_set1(89.0f), x));
	p = exp_reduced(x, &s1, &s2);
	return v_mul(v_fma(p, s1, s1), s2);
}

/* x at most 88. */
INLINE V
v_expm1(V x)
{
	V			s1,
				s2,
				s,
				p;

	x = v_max(v_set1(-80.0f), v_min(v_set1(88.0f), x));
	p = exp_reduced(x, &s1, &s2);
	s = v_mul(s1, s2);
	return v_fma(p, s, v_sub(s, v_set1(1.0f)));
}

INLINE V
v_tanh(V x)
{
	V			m = v_expm1(v_min(v_set1(40.0f), v_mul(v_set1(2.0f), v_abs(x))));

	return v_copy_sign(v_div(m, v_add(m, v_set1(2.0f))), x);
}

INLINE V
v_sigmoid(V x)
{
	V			e = v_exp(v_sub(v_zero(), v_abs(x)));
	V			top = v_select(v_less(x, v_zero()), e, v_set1(1.0f));

	return v_div(top, v_add(e, v_set1(1.0f)));
}

/* log(1 + e) for 0 <= e <= 1, as 2 atanh(e / (2 + e)). */
INLINE V
log1p_unit(V e)
{
	V			s = v_div(e, v_add(e, v_set1(2.0f)));
	V			u = v_mul(s, s);
	V			q = v_set1(1.215045276e-1f);
	V			twice = v_add(s, s);

	q = v_fma(q, u, v_set1(1.071383305e-1f));
	q = v_fma(q, u, v_set1(1.430844199e-1f));
	q = v_fma(q, u, v_set1(1.999943889e-1f));
	q = v_fma(q, u, v_set1(3.333333781e-1f));
	return v_fma(v_mul(twice, u), q, twice);
}

/* log(1 + exp(x)) */
INLINE V
v_softplus(V x)
{
	V			e = v_exp(v_sub(v_zero(), v_abs(x)));

	return v_add(v_max(v_zero(), x), log1p_unit(e));
}

/*
 * The normal distribution's Phi(x) = erfc(-x / sqrt 2) / 2, and its density.
 * erfc(t) = exp(-t^2) q P(q) for t >= 0, q = 1 / (1 + 0.4 t).
 */
INLINE V
v_normal_cdf(V x, V *density)
{
	V			a = v_min(v_set1(14.5f), v_abs(x));
	V			square = v_mul(a, a);
	V			rest = v_product_rest(a, a, square);
	V			e = v_exp(v_mul(v_set1(-0.5f), square));
	V			t = v_mul(a, v_set1(0.707106781f));
	V			q = v_div(v_set1(1.0f), v_fma(t, v_set1(0.4f), v_set1(1.0f)));
	V			p = v_set1(4.125299804e-2f);
	V			tail;

	e = v_fnma(v_mul(e, v_set1(0.5f)), rest, e);
	p = v_fma(p, q, v_set1(-1.403191192e-1f));
	p = v_fma(p, q, v_set1(8.398720869e-2f));
	p = v_fma(p, q, v_set1(8.796425654e-2f));
	p = v_fma(p, q, v_set1(7.975665652e-2f));
	p = v_fma(p, q, v_set1(1.933930970e-1f));
	p = v_fma(p, q, v_set1(2.018876276e-1f));
	p = v_fma(p, q, v_set1(2.264431050e-1f));
	p = v_fma(p, q, v_set1(2.256342316e-1f));
	tail = v_mul(v_mul(v_set1(0.5f), e), v_mul(p, q));
	*density = v_mul(e, v_set1(0.398942280f));
	return v_select(v_less(x, v_zero()), tail, v_sub(v_set1(1.0f), tail));
}

/*
 * Cosine and sine of 2 pi frequency x + phase.  The product is reduced to a
 * part of a turn exactly (with the rest that rounding lost), so the error does
 * not grow with it.
 */
INLINE V
v_turn(V frequency, V x, V phase, V *half_turns)
{
	V			product = v_mul(frequency, x);
	V			rest = v_product_rest(frequency, x, product);
	V			turn = v_add(v_sub(product, v_round(product)), rest);

	turn = v_fma(phase, v_set1(0.159154943f), turn);
	*half_turns = v_round(v_add(turn, turn));
	return v_fma(*half_turns, v_set1(-0.5f), turn);
}

/* cos(2 pi t), |t| <= 1/4 */
INLINE V
cos_quarter(V t)
{
	V			v = v_mul(t, t);
	V			p = v_set1(-2.500680061e+01f);

	p = v_fma(p, v, v_set1(6.014820557e+01f));
	p = v_fma(p, v, v_set1(-8.545383074e+01f));
	p = v_fma(p, v, v_set1(6.493935360e+01f));
	p = v_fma(p, v, v_set1(-1.973920862e+01f));
	return v_fma(p, v, v_set1(1.0f));
}

/* sin(2 pi t), |t| <= 1/4 */
INLINE V
sin_quarter(V t)
{
	V			v = v_mul(t, t);
	V			p = v_set1(3.953671935e+01f);

	p = v_fma(p, v, v_set1(-7.654978427e+01f));
	p = v_fma(p, v, v_set1(8.160100417e+01f));
	p = v_fma(p, v, v_set1(-4.134165503e+01f));
	p = v_fma(p, v, v_set1(6.283185160e+00f));
	return v_mul(p, t);
}

INLINE V
v_cos_turn(V frequency, V x, V phase)
{
	V			half_turns;
	V			t = v_turn(frequency, x, phase, &half_turns);

	return v_flip_odd(cos_quarter(t), half_turns);
}

INLINE V
v_sin_turn(V frequency, V x, V phase)
{
	V			half_turns;
	V			t = v_turn(frequency, x, phase, &half_turns);

	return v_flip_odd(sin_quarter(t), half_turns);
}
