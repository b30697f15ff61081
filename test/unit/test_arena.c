/*
 * test_arena.c
 *    Memory: alignment, separate pieces, budget, and sizes that wrap.
 */
#include <stdint.h>
#include "core/arena.h"
#include "core/random.h"
#include "tap.h"

/* Under the address sanitizer a request beyond its limit shall fail as malloc does. */
extern const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

typedef struct Piece
{
	unsigned char *memory;
	size_t		size;
} Piece;

/* Pieces of many sizes, each filled with its own byte: none may change another. */
static void
test_pieces(void)
{
	DlArena    *arena;
	Piece		pieces[400];
	DlRandom	random;
	bool		aligned = true;
	bool		apart = true;
	size_t		sum = 0;

	dl_random_seed(&random, 1, 0);
	ok(dl_arena_create(0, &arena, NULL) == DL_OK, "an arena without budget");
	ok(dl_arena_used(arena) == 0, "it takes nothing at first");
	for (int i = 0; i < 400; i++)
	{
		pieces[i].size = (size_t) dl_random_below(&random, i % 20 == 0 ? 300000 : 500);
		if (dl_arena_alloc(arena, pieces[i].size, &pieces[i].memory, NULL) != DL_OK)
		{
			ok(false, "allocation %d", i);
			return;
		}
		memset(pieces[i].memory, i & 0xff, pieces[i].size);
		aligned = aligned && (uintptr_t) pieces[i].memory % DL_ALIGNMENT == 0;
		sum += pieces[i].size;
	}
	for (int i = 0; i < 400; i++)
		for (size_t k = 0; k < pieces[i].size; k++)
			apart = apart && pieces[i].memory[k] == (i & 0xff);
	ok(aligned, "every piece is aligned");
	ok(apart, "no piece overlaps another");
	ok(dl_arena_used(arena) >= sum, "all of it is counted");
	dl_arena_destroy(arena);
	dl_arena_destroy(NULL);
}

static void
test_budget(void)
{
	DlArena    *arena;
	DlError		error;
	void	   *memory;
	DlStatus	status = DL_OK;
	int			count = 0;

	ok(dl_arena_create(100000, &arena, &error) == DL_OK, "an arena with a budget");
	ok(dl_arena_alloc(arena, 200000, &memory, &error) == DL_ERROR_MEMORY, "a request beyond it");
	is_text(error.message, "memory budget of 100000 bytes is exceeded", "its message");
	is_text(error.detail, "0 bytes are in use and 200064 more were asked for.", "its detail");
	ok(dl_arena_alloc(arena, 50000, &memory, &error) == DL_OK, "a smaller one succeeds afterwards");
	ok(dl_arena_alloc(arena, 50000, &memory, &error) == DL_ERROR_MEMORY, "the second half does not fit with its head");
	while (status == DL_OK && count < 10000)
	{
		status = dl_arena_alloc(arena, 10, &memory, &error);
		count++;
	}
	ok(status == DL_ERROR_MEMORY && count > 100, "%d small requests use up the rest", count);
	ok(dl_arena_used(arena) <= 100000, "the budget holds");
	dl_arena_destroy(arena);
}

static void
test_sizes(void)
{
	DlArena    *arena;
	DlError		error;
	unsigned char *memory;
	unsigned char *other;
	bool		clear = true;

	ok(dl_arena_create(0, &arena, &error) == DL_OK, "an arena");
	ok(dl_arena_alloc(arena, SIZE_MAX, &memory, &error) == DL_ERROR_LIMIT, "a size that wraps when it is aligned");
	ok(dl_arena_alloc(arena, SIZE_MAX - 100, &memory, &error) == DL_ERROR_LIMIT, "and with its head");
	ok(dl_arena_alloc(arena, SIZE_MAX / 4, &memory, &error) == DL_ERROR_MEMORY, "more than there is");
	ok(dl_arena_calloc(arena, SIZE_MAX / 2, 3, &memory, &error) == DL_ERROR_LIMIT, "a product that wraps");
	ok(dl_arena_calloc(arena, SIZE_MAX / 2 + 2, 2, &memory, &error) == DL_ERROR_LIMIT, "a product that wraps to a small number");
	ok(dl_arena_alloc(arena, 0, &memory, &error) == DL_OK && memory != NULL, "0 bytes give a pointer");
	ok(dl_arena_alloc(arena, 0, &other, &error) == DL_OK && other != memory, "and another one");
	ok(dl_arena_calloc(arena, 1000, 7, &memory, &error) == DL_OK, "cleared memory");
	for (int i = 0; i < 7000; i++)
		clear = clear && memory[i] == 0;
	ok(clear, "it is clear");
	dl_arena_destroy(arena);
}

static void
test_text(void)
{
	DlArena    *arena;
	char	   *copy;

	ok(dl_arena_create(0, &arena, NULL) == DL_OK, "an arena");
	ok(dl_arena_strdup(arena, "dense", &copy, NULL) == DL_OK, "a copy of text");
	is_text(copy, "dense", "it is the same");
	ok(dl_arena_strndup(arena, "dense", 3, &copy, NULL) == DL_OK, "a copy of its head");
	is_text(copy, "den", "it ends");
	ok(dl_arena_strndup(arena, "x", SIZE_MAX, &copy, NULL) == DL_ERROR_LIMIT, "a length that wraps");
	dl_arena_destroy(arena);
}

int
main(void)
{
	test_pieces();
	test_budget();
	test_sizes();
	test_text();
	return done_testing();
}
