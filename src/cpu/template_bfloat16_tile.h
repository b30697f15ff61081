/*
 * template_bfloat16_tile.h
 *    part_run() by tiles of 16 rows of 64 bytes, as AMX has them: two by two
 *    tiles of sums, which two tiles of inputs and two of weights feed.
 *
 * Tiles are those of TILE_ZERO, TILE_LOAD, TILE_STORE and TILE_MULTIPLY, which
 * take a tile's number; simd_amx.h has the processor's, the unit test its own.
 * All tiles are whole: rows and columns that are too many are computed and not stored.
 */

#define TILE_SIDE 16			/* rows, and float32 of a row */
#define SQUARE (2 * TILE_SIDE)	/* rows and columns of the sums; PART_SCRATCH is its square */
#define PART_BEGIN() TILE_BEGIN()
#define PART_END() TILE_END()

#define SUM_BYTES (SQUARE * sizeof(float))

/* The sums that an earlier part of the depth left in c, into the tiles by way of scratch. */
static void
load_sums(const Bfloat16Part *p, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
	float	   *to = p->scratch;

	for (int64_t r = 0; r < SQUARE; r++)
	{
		int64_t		width = r < rows ? columns : 0;

		if (width > 0)
			memcpy(to, p->c + (row + r) * p->c_stride + column, (size_t) width * sizeof(float));
		memset(to + width, 0, (size_t) (SQUARE - width) * sizeof(float));
		to += SQUARE;
	}
	TILE_LOAD(0, p->scratch, SUM_BYTES);
	TILE_LOAD(1, p->scratch + TILE_SIDE, SUM_BYTES);
	TILE_LOAD(2, p->scratch + TILE_SIDE * SQUARE, SUM_BYTES);
	TILE_LOAD(3, p->scratch + TILE_SIDE * SQUARE + TILE_SIDE, SUM_BYTES);
}

/* From scratch to c, with bias and activation. */
static void
store_sums(const Bfloat16Part *p, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
	const float *from = p->scratch;

	for (int64_t r = 0; r < rows; r++)
	{
		float	   *c = p->c + (row + r) * p->c_stride + column;

		for (int64_t i = 0; i < columns; i += W)
		{
			VN			first = vn_first(columns - i < W ? (int) (columns - i) : W);
			V			y = v_load_first(from + i, first);

			if (p->bias != NULL)
				y = v_add(y, v_load_first(p->bias + column + i, first));
			if (p->relu)
				y = v_max(v_zero(), y);
			v_store_first(c + i, first, y);
		}
		from += SQUARE;
	}
}

/* The sums of a square over the depth; more_rows and more_columns, which are constants: than one tile. */
INLINE void
sum_square(const Bfloat16Part *p, const uint16_t *a, const uint16_t *b, const bool more_rows, const bool more_columns)
{
	const int64_t a_bytes = p->a_stride * (int64_t) sizeof(uint16_t);
	const int64_t b_bytes = 2 * BFLOAT16_COLUMNS * sizeof(uint16_t);

	for (int64_t k = 0; k < p->depth; k += BFLOAT16_DEPTH)
	{
		TILE_LOAD(4, a, a_bytes);
		TILE_LOAD(6, b, b_bytes);
		TILE_MULTIPLY(0, 4, 6);
		if (more_columns)
		{
			TILE_LOAD(7, b + p->b_stride, b_bytes);
			TILE_MULTIPLY(1, 4, 7);
		}
		if (more_rows)
		{
			TILE_LOAD(5, a + TILE_SIDE * p->a_stride, a_bytes);
			TILE_MULTIPLY(2, 5, 6);
			if (more_columns)
				TILE_MULTIPLY(3, 5, 7);
		}
		a += BFLOAT16_DEPTH;
		b += BFLOAT16_DEPTH * BFLOAT16_COLUMNS;
	}
}

static void
square_run(const Bfloat16Part *p, int64_t row, int64_t rows, int64_t column, int64_t columns)
{
	const uint16_t *a = p->a + row * p->a_stride;
	const uint16_t *b = p->b + column / BFLOAT16_COLUMNS * p->b_stride;

	if (p->fresh)
	{
		TILE_ZERO(0);
		TILE_ZERO(1);
		TILE_ZERO(2);
		TILE_ZERO(3);
	}
	else
		load_sums(p, row, rows, column, columns);
	if (rows > TILE_SIDE && columns > TILE_SIDE)
		sum_square(p, a, b, true, true);
	else if (rows > TILE_SIDE)
		sum_square(p, a, b, true, false);
	else if (columns > TILE_SIDE)
		sum_square(p, a, b, false, true);
	else
		sum_square(p, a, b, false, false);
	TILE_STORE(0, p->scratch, SUM_BYTES);
	TILE_STORE(1, p->scratch + TILE_SIDE, SUM_BYTES);
	TILE_STORE(2, p->scratch + TILE_SIDE * SQUARE, SUM_BYTES);
	TILE_STORE(3, p->scratch + TILE_SIDE * SQUARE + TILE_SIDE, SUM_BYTES);
	store_sums(p, row, rows, column, columns);
}

static void
part_run(const Bfloat16Part *p)
{
	for (int64_t column = 0; column < p->columns; column += SQUARE)
	{
		int64_t		columns = p->columns - column < SQUARE ? p->columns - column : SQUARE;

		for (int64_t row = 0; row < p->rows; row += SQUARE)
			square_run(p, row, p->rows - row < SQUARE ? p->rows - row : SQUARE, column, columns);
	}
}
