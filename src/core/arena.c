/*
 * arena.c
 *    Bump allocation in blocks that double up to a limit; a large request gets
 *    a block of its own.
 */
#include "core/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/size.h"

#define FIRST_BLOCK ((size_t) 4096)
#define LARGEST_BLOCK ((size_t) 1 << 20)

typedef struct Block
{
	struct Block *next;
	size_t		size;			/* usable bytes after the header */
	size_t		used;
} Block;

#define HEADER ((sizeof(Block) + DL_ALIGNMENT - 1) & ~(size_t) (DL_ALIGNMENT - 1))

struct DlArena
{
	Block	   *head;			/* the block that serves small requests */
	size_t		next_size;
	size_t		budget;
	size_t		taken;
};

DlStatus
dl_arena_create(size_t budget, DlArena **result, DlError *error)
{
	DlArena    *arena = malloc(sizeof(DlArena));

	*result = NULL;
	if (arena == NULL)
		return dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
	arena->head = NULL;
	arena->next_size = FIRST_BLOCK;
	arena->budget = budget;
	arena->taken = 0;
	*result = arena;
	return DL_OK;
}

void
dl_arena_destroy(DlArena *arena)
{
	Block	   *block;

	if (arena == NULL)
		return;
	block = arena->head;
	while (block != NULL)
	{
		Block	   *next = block->next;

		free(block);
		block = next;
	}
	free(arena);
}

static DlStatus
add_block(DlArena *arena, size_t usable, Block **result, DlError *error)
{
	size_t		total;
	Block	   *block;

	if (!dl_size_add(usable, HEADER, &total) || !dl_size_align(total, DL_ALIGNMENT, &total))
		return dl_error_set(error, DL_ERROR_LIMIT, "memory request of %zu bytes is too large", usable);
	if (arena->budget > 0 && (total > arena->budget || arena->taken > arena->budget - total))
	{
		dl_error_set(error, DL_ERROR_MEMORY, "memory budget of %zu bytes is exceeded", arena->budget);
		dl_error_detail(error, "%zu bytes are in use and %zu more were asked for.", arena->taken, total);
		return DL_ERROR_MEMORY;
	}
	block = aligned_alloc(DL_ALIGNMENT, total);
	if (block == NULL)
	{
		dl_error_set(error, DL_ERROR_MEMORY, "out of memory");
		dl_error_detail(error, "Failed on a request of %zu bytes.", total);
		return DL_ERROR_MEMORY;
	}
	block->size = total - HEADER;
	block->used = 0;
	arena->taken += total;
	*result = block;
	return DL_OK;
}

DlStatus
dl_arena_alloc(DlArena *arena, size_t bytes, void *result, DlError *error)
{
	size_t		need;
	Block	   *block = arena->head;
	void	   *memory;

	if (!dl_size_align(bytes == 0 ? 1 : bytes, DL_ALIGNMENT, &need))
		return dl_error_set(error, DL_ERROR_LIMIT, "memory request of %zu bytes is too large", bytes);

	if (block == NULL || block->size - block->used < need)
	{
		if (need > arena->next_size / 4)
		{
			/* keep the half-used head for small requests */
			DL_TRY(add_block(arena, need, &block, error));
			if (arena->head == NULL)
			{
				block->next = NULL;
				arena->head = block;
			}
			else
			{
				block->next = arena->head->next;
				arena->head->next = block;
			}
		}
		else
		{
			DL_TRY(add_block(arena, arena->next_size, &block, error));
			if (arena->next_size < LARGEST_BLOCK)
				arena->next_size *= 2;
			block->next = arena->head;
			arena->head = block;
		}
	}
	memory = (char *) block + HEADER + block->used;
	block->used += need;
	memcpy(result, &memory, sizeof(memory));
	return DL_OK;
}

DlStatus
dl_arena_calloc(DlArena *arena, size_t count, size_t size, void *result, DlError *error)
{
	size_t		bytes;
	void	   *memory;

	if (!dl_size_mul(count, size, &bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "%zu items of %zu bytes are too large", count, size);
	DL_TRY(dl_arena_alloc(arena, bytes, &memory, error));
	memset(memory, 0, bytes);
	memcpy(result, &memory, sizeof(memory));
	return DL_OK;
}

DlStatus
dl_arena_strndup(DlArena *arena, const char *text, size_t length, char **result, DlError *error)
{
	size_t		bytes;

	if (!dl_size_add(length, 1, &bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "text is too long");
	DL_TRY(dl_arena_alloc(arena, bytes, result, error));
	memcpy(*result, text, length);
	(*result)[length] = '\0';
	return DL_OK;
}

DlStatus
dl_arena_strdup(DlArena *arena, const char *text, char **result, DlError *error)
{
	return dl_arena_strndup(arena, text, strlen(text), result, error);
}

size_t
dl_arena_used(const DlArena *arena)
{
	return arena->taken;
}
