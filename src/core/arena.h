/*
 * arena.h
 *    All memory of the library: bump allocation with one owner and a budget.
 *
 * Whatever belongs together (a graph, a dataset, a model) lives in one arena
 * and is freed with it.  Blocks come from malloc, so an arena may be filled
 * and freed by any thread, but by one at a time.  In src/pg an arena is tied
 * to a memory context by a reset callback (bridge.h).
 */
#ifndef DL_CORE_ARENA_H
#define DL_CORE_ARENA_H

#include <stddef.h>

#include "core/status.h"

#define DL_ALIGNMENT 64			/* of every allocation: one cache line, one AVX-512 register */

typedef struct DlArena DlArena;

/* budget: the most bytes the arena may take from the system; 0: no limit. */
extern DlStatus dl_arena_create(size_t budget, DlArena **result, DlError *error);

/* Frees everything; NULL is allowed. */
extern void dl_arena_destroy(DlArena *arena);

/*
 * bytes of memory aligned to DL_ALIGNMENT, not cleared; 0 bytes give a valid
 * pointer.  DL_ERROR_MEMORY over the budget or when the system has no more.
 */
extern DlStatus dl_arena_alloc(DlArena *arena, size_t bytes, void *result, DlError *error);

/* The same, cleared, for count items of size bytes (checked). */
extern DlStatus dl_arena_calloc(DlArena *arena, size_t count, size_t size, void *result, DlError *error);

/* A copy of length bytes of text, terminated by a zero byte. */
extern DlStatus dl_arena_strndup(DlArena *arena, const char *text, size_t length, char **result, DlError *error);
extern DlStatus dl_arena_strdup(DlArena *arena, const char *text, char **result, DlError *error);

/* Bytes taken from the system so far. */
extern size_t dl_arena_used(const DlArena *arena);

#endif							/* DL_CORE_ARENA_H */
