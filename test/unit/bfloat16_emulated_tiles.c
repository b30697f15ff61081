/* The kernel of AMX with its tiles as the processor's manual has them: sums of even and odd inputs apart, then together. */
#include "bfloat16_emulation.h"
#include "bfloat16_lanes.h"

typedef union Tile
{
	float		sums[16][16];
	uint16_t	pairs[16][16][2];
	char		rows[16][64];
} Tile;

static Tile tiles[8];
static bool held;
static int	misused;

bool
emulated_tiles_held(void)
{
	return held;
}

int
emulated_tiles_misused(void)
{
	return misused;
}

static void
tiles_begin(void)
{
	misused += held;
	held = true;
	memset(tiles, 0, sizeof(tiles));
}

/* What is left in them must not be used. */
static void
tiles_end(void)
{
	misused += !held;
	held = false;
	memset(tiles, 0xff, sizeof(tiles));
}

static void
tile_load(int tile, const void *from, size_t bytes)
{
	misused += !held;
	for (int r = 0; r < 16; r++)
		memcpy(tiles[tile].rows[r], (const char *) from + (size_t) r * bytes, 64);
}

static void
tile_store(int tile, void *to, size_t bytes)
{
	misused += !held;
	for (int r = 0; r < 16; r++)
		memcpy((char *) to + (size_t) r * bytes, tiles[tile].rows[r], 64);
}

static void
tile_multiply(Tile *sum, const Tile *a, const Tile *b)
{
	misused += !held || sum == a || sum == b || a == b;
	for (int m = 0; m < 16; m++)
		for (int n = 0; n < 16; n++)
		{
			float		parts[2] = {0, 0};

			for (int k = 0; k < 16; k++)
				for (int i = 0; i < 2; i++)
					parts[i] = fmaf(bfloat16_value(a->pairs[m][k][i]), bfloat16_value(b->pairs[k][n][i]), parts[i]);
			sum->sums[m][n] += parts[0] + parts[1];
		}
}

#define TILE_BEGIN() tiles_begin()
#define TILE_END() tiles_end()
#define TILE_ZERO(tile) memset(&tiles[tile], 0, sizeof(Tile))
#define TILE_LOAD(tile, from, bytes) tile_load(tile, from, (size_t) (bytes))
#define TILE_STORE(tile, to, bytes) tile_store(tile, to, (size_t) (bytes))
#define TILE_MULTIPLY(sum, a, b) tile_multiply(&tiles[sum], &tiles[a], &tiles[b])

#include "cpu/template_bfloat16_tile.h"
#include "cpu/template_bfloat16.h"

void
emulated_tiles(DlBackend *backend)
{
	backend->name = "emulated amx_bf16";
	backend->dense = kernel_dense_bfloat16;
	backend->workspace_size = BFLOAT16_WORKSPACE;
}
