/*
 * template_bfloat16_vector.h
 *    part_run() by instructions that add the products of two pairs of bfloat16
 *    to each lane: a tile of up to TILE_ROWS rows by four blocks of columns is
 *    kept in registers while it is summed over the depth.
 */

#define TILE_ROWS 6
#define PART_BLOCKS (PART_COLUMNS / BFLOAT16_COLUMNS)
#define PART_BEGIN() ((void) 0)
#define PART_END() ((void) 0)

/* rows and blocks are constants, so everything stays in registers. */
INLINE void
tile_run(const Bfloat16Part *p, const int rows, const int blocks, int64_t row)
{
	V			sum[TILE_ROWS][PART_BLOCKS];
	const VN	last = vn_first((int) (p->columns - (blocks - 1) * W));
	const uint16_t *a = p->a + row * p->a_stride;
	const uint16_t *a3 = a + 3 * p->a_stride;
	const uint16_t *b = p->b;
	const int64_t a_stride = p->a_stride;
	const int64_t b_stride = p->b_stride;
	float	   *c = p->c + row * p->c_stride;

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
	{
#pragma GCC unroll 8
		for (int v = 0; v < blocks; v++)
			sum[r][v] = p->fresh ? v_zero() :
				v == blocks - 1 ? v_load_first(c + r * p->c_stride + v * W, last) : v_load(c + r * p->c_stride + v * W);
	}
	for (int64_t k = 0; k < p->depth; k += 2)
	{
		VB			column[PART_BLOCKS];

#pragma GCC unroll 8
		for (int v = 0; v < blocks; v++)
			column[v] = vb_load(b + v * b_stride);
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
		{
			VB			x = vb_set_pair(r < 3 ? a + r * a_stride : a3 + (r - 3) * a_stride);

#pragma GCC unroll 8
			for (int v = 0; v < blocks; v++)
				sum[r][v] = vb_dot(sum[r][v], x, column[v]);
		}
		a += 2;
		a3 += 2;
		b += 2 * BFLOAT16_COLUMNS;
	}
#pragma GCC unroll 8
	for (int v = 0; v < blocks; v++)
	{
		V			bias = v_zero();

		if (p->bias != NULL)
			bias = v == blocks - 1 ? v_load_first(p->bias + v * W, last) : v_load(p->bias + v * W);
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
		{
			V			y = p->bias != NULL ? v_add(sum[r][v], bias) : sum[r][v];

			if (p->relu)
				y = v_max(v_zero(), y);
			if (v == blocks - 1)
				v_store_first(c + r * p->c_stride + v * W, last, y);
			else
				v_store(c + r * p->c_stride + v * W, y);
		}
	}
}

#define TILE_FUNCTION(rows, blocks) \
	static void \
	tile_##rows##_##blocks(const Bfloat16Part *p, int64_t row) \
	{ \
		tile_run(p, rows, blocks, row); \
	}

#define TILE_FUNCTIONS(blocks) \
	TILE_FUNCTION(1, blocks) \
	TILE_FUNCTION(2, blocks) \
	TILE_FUNCTION(4, blocks) \
	TILE_FUNCTION(6, blocks)

TILE_FUNCTIONS(1)
TILE_FUNCTIONS(2)
TILE_FUNCTIONS(3)
TILE_FUNCTIONS(4)

#define TILE_ENTRIES(blocks) {tile_1_##blocks, tile_2_##blocks, tile_4_##blocks, tile_6_##blocks}

static void (*const tile_functions[PART_BLOCKS][4]) (const Bfloat16Part *p, int64_t row) = {
	TILE_ENTRIES(1), TILE_ENTRIES(2), TILE_ENTRIES(3), TILE_ENTRIES(4)
};

static void
part_run(const Bfloat16Part *p)
{
	static const int sizes[4] = {1, 2, 4, 6};
	int			blocks = (int) ((p->columns + BFLOAT16_COLUMNS - 1) / BFLOAT16_COLUMNS);
	int			class = 3;

	for (int64_t row = 0; row < p->rows; row += sizes[class])
	{
		while (sizes[class] > p->rows - row)
			class--;
		tile_functions[blocks - 1][class] (p, row);
	}
}
