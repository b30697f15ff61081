/*
 * template_tile.h
 *    The inner kernel of all matrix products: a tile of up to TILE_ROWS rows by
 *    TILE_VECTORS vectors of columns is kept in registers while it is summed
 *    over the depth, each element by one chain of fused multiply-adds in
 *    ascending order.  That chain does not depend on the tile's size, nor on
 *    where the depth is cut, since a later part starts from what is stored.
 */

#define TILE_ROWS 6

typedef struct Tile
{
	int64_t		depth;
	const float *a;				/* element (row, k) is a[row * a_stride + k], or when transposed a[k * a_stride + row] */
	int64_t		a_stride;
	const float *b;				/* element (k, column) is b[k * b_stride + column] */
	int64_t		b_stride;
	float	   *c;				/* [rows, columns] at c_stride */
	int64_t		c_stride;
	VN			last;			/* lanes of the last vector of columns */
	bool		whole;			/* b's last vector may be read whole all the same */
	bool		fresh;			/* start from zero, else from c */
	bool		relu;			/* with bias: at the end */
	const float *bias;			/* NULL: none */
} Tile;

/* The sum over the depth; masked: the last vector of columns is read in part. */
INLINE void
tile_sum(const Tile *t, const int rows, const int vectors, const bool transposed, const bool masked,
		 V sum[][TILE_VECTORS])
{
	const float *a = t->a;
	const float *a3 = t->a + 3 * t->a_stride;
	const float *b = t->b;
	const int64_t a_stride = t->a_stride;
	const int64_t b_stride = t->b_stride;
	const VN	last = t->last;

	for (int64_t k = t->depth; k > 0; k--)
	{
		V			column[TILE_VECTORS];

#pragma GCC unroll 8
		for (int v = 0; v < vectors; v++)
			column[v] = masked && v == vectors - 1 ? v_load_first(b + v * W, last) : v_load(b + v * W);
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
		{
			V			x;

			if (transposed)
				x = v_set1(a[r]);
			else
				x = v_set1(r < 3 ? a[r * a_stride] : a3[(r - 3) * a_stride]);
#pragma GCC unroll 8
			for (int v = 0; v < vectors; v++)
				sum[r][v] = v_fma(x, column[v], sum[r][v]);
		}
		b += b_stride;
		if (transposed)
			a += a_stride;
		else
		{
			a++;
			a3++;
		}
	}
}

/* The start and the end of a tile; rows, vectors and transposed are constants, so everything stays in registers. */
INLINE void
tile_run(const Tile *t, const int rows, const int vectors, const bool transposed)
{
	V			sum[TILE_ROWS][TILE_VECTORS];
	const VN	last = t->last;

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
	{
#pragma GCC unroll 8
		for (int v = 0; v < vectors; v++)
		{
			const float *c = t->c + r * t->c_stride + v * W;

			if (t->fresh)
				sum[r][v] = v_zero();
			else
				sum[r][v] = v == vectors - 1 ? v_load_first(c, last) : v_load(c);
		}
	}

	if (V_FIRST_IS_FREE || !t->whole)
		tile_sum(t, rows, vectors, transposed, true, sum);
	else
		tile_sum(t, rows, vectors, transposed, false, sum);

#pragma GCC unroll 8
	for (int v = 0; v < vectors; v++)
	{
		V			bias = v_zero();

		if (t->bias != NULL)
			bias = v == vectors - 1 ? v_load_first(t->bias + v * W, last) : v_load(t->bias + v * W);
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
		{
			float	   *c = t->c + r * t->c_stride + v * W;
			V			y = sum[r][v];

			if (t->bias != NULL)
				y = v_add(y, bias);
			if (t->relu)
				y = f_relu(y);
			if (v == vectors - 1)
				v_store_first(c, last, y);
			else
				v_store(c, y);
		}
	}
}

#define TILE_FUNCTION(rows, vectors) \
	static void \
	tile_##rows##_##vectors(const Tile *t) \
	{ \
		tile_run(t, rows, vectors, false); \
	} \
	static void \
	tile_t_##rows##_##vectors(const Tile *t) \
	{ \
		tile_run(t, rows, vectors, true); \
	}

#define TILE_FUNCTIONS(vectors) \
	TILE_FUNCTION(6, vectors) \
	TILE_FUNCTION(4, vectors) \
	TILE_FUNCTION(2, vectors) \
	TILE_FUNCTION(1, vectors)

#define TILE_ENTRIES(vectors) \
	{ \
		{tile_1_##vectors, tile_2_##vectors, tile_4_##vectors, tile_6_##vectors}, \
		{tile_t_1_##vectors, tile_t_2_##vectors, tile_t_4_##vectors, tile_t_6_##vectors} \
	}

TILE_FUNCTIONS(1)
TILE_FUNCTIONS(2)
#if TILE_VECTORS == 4
TILE_FUNCTIONS(3)
TILE_FUNCTIONS(4)
#endif

typedef void (*TileFunction) (const Tile *t);

/* [vectors - 1][transposed][class of rows]; see tile_rows() */
static const TileFunction tile_functions[TILE_VECTORS][2][4] = {
	TILE_ENTRIES(1),
	TILE_ENTRIES(2),
#if TILE_VECTORS == 4
	TILE_ENTRIES(3),
	TILE_ENTRIES(4),
#endif
};

/* All rows of a panel of columns, tile by tile; when a is packed its tiles are TILE_ROWS * depth apart. */
static void
tile_rows(Tile *t, int64_t rows, int vectors, bool transposed, bool packed)
{
	static const int sizes[4] = {1, 2, 4, 6};
	const TileFunction *functions = tile_functions[vectors - 1][transposed];
	const float *a = t->a;
	float	   *c = t->c;
	int64_t		row = 0;
	int			class = 3;

	while (row < rows)
	{
		while (sizes[class] > rows - row)
			class--;
		if (packed)
			t->a = a + row / TILE_ROWS * TILE_ROWS * t->depth + row % TILE_ROWS;
		else
			t->a = a + (transposed ? row : row * t->a_stride);
		t->c = c + row * t->c_stride;
		functions[class] (t);
		row += sizes[class];
	}
	t->a = a;
	t->c = c;
}
