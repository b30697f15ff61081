/*
 * template_pack.h
 *    Copies of parts of the operands into the workspace, in the order in which
 *    tiles read them: a panel of B is [depth][vectors * W] with zeros to the
 *    right, a block of a transposed A is [rows / TILE_ROWS][depth][TILE_ROWS].
 */

/* b[depth, columns] at b_stride, as it is stored. */
static void
pack_panel(int64_t depth, int64_t columns, const float *b, int64_t b_stride, int vectors, float *panel)
{
	for (int64_t k = 0; k < depth; k++)
	{
		for (int v = 0; v < vectors; v++)
		{
			int64_t		n = columns - v * W;

			v_store(panel + v * W, v_load_n(b + v * W, n < W ? (int) n : W));
		}
		b += b_stride;
		panel += vectors * W;
	}
}

/* The transpose of b[columns, depth] at b_stride. */
static void
pack_panel_transposed(int64_t depth, int64_t columns, const float *b, int64_t b_stride, int vectors, float *panel)
{
	for (int64_t k = 0; k < depth; k += W)
	{
		int			count = depth - k < W ? (int) (depth - k) : W;
		VN			first = vn_first(count);

		for (int v = 0; v < vectors; v++)
		{
			V			r[W];

			for (int i = 0; i < W; i++)
			{
				int64_t		column = v * W + i;

				r[i] = column < columns ? v_load_first(b + column * b_stride + k, first) : v_zero();
			}
			v_transpose(r);
			for (int i = 0; i < count; i++)
				v_store(panel + (k + i) * vectors * W + v * W, r[i]);
		}
	}
}

/* a[depth, rows] at a_stride */
static void
pack_rows_transposed(int64_t depth, int64_t rows, const float *a, int64_t a_stride, float *block)
{
	for (int64_t k = 0; k < depth; k++)
	{
		int64_t		row = 0;

		for (; row + TILE_ROWS <= rows; row += TILE_ROWS)
			memcpy(block + row * depth + k * TILE_ROWS, a + row, TILE_ROWS * sizeof(float));
		for (int64_t i = row; i < rows; i++)
			block[row * depth + k * TILE_ROWS + i - row] = a[i];
		a += a_stride;
	}
}
