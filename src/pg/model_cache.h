/*
 * model_cache.h
 *    The decoded models of this session, found by content.  The weights of large ones
 *    are in memory that all sessions share (shared_cache.h).
 *
 * An entry is named by a digest of a model's bytes, so nothing ever makes it
 * wrong: not ROLLBACK, not DROP, not a new version.  What a running query uses is
 * pinned by a memory context and stays until that context is reset; what nobody
 * uses is kept up to deep_learning.model_cache, the least recently used goes first.
 */
#ifndef DL_PG_MODEL_CACHE_H
#define DL_PG_MODEL_CACHE_H

#include "datatype/timestamp.h"

#include "model/model.h"

typedef struct DlModelDigest
{
	uint8		bytes[32];
} DlModelDigest;

/* Defines the setting; before MarkGUCPrefixReserved() for its prefix. */
extern void dl_model_cache_init(void);

/* SHA-256 over the SHA-256 of each 1 MiB piece and the length. */
extern void dl_model_digest(const void *bytes, Size length, DlModelDigest *result);

/* Gives the bytes of a model as a varlena in the current context, or raises an error. */
typedef struct varlena *(*DlModelLoad) (void *context);

/*
 * Both pin the model until owner is reset or deleted, and raise the errors of dl_model_decode() where it
 * must be decoded.  load is called only then: its bytes have this digest and length.
 */
extern const DlModel *dl_model_cache_find(const DlModelDigest *digest, Size length, DlModelLoad load, void *context,
										  MemoryContext owner);
extern const DlModel *dl_model_cache_get(const void *bytes, Size length, MemoryContext owner);

/* What else is kept with a model that is pinned, as long as it is in the cache. */
typedef struct DlModelKeep
{
	MemoryContext context;		/* NULL: nothing was kept yet */
	Size		bytes;			/* of it, as they are counted */
	struct DlColumnBinding *bindings;
} DlModelKeep;

extern DlModelKeep *dl_model_cache_keep(const DlModel *model);

/* The memory for it, and what has to be called after some was taken. */
extern MemoryContext dl_model_cache_keep_context(const DlModel *model);
extern void dl_model_cache_keep_grew(const DlModel *model);

#define DL_FEW_ROWS 32

/*
 * A scorer for one row, or for up to DL_FEW_ROWS, of a model that is pinned; as long as it is. All of this
 * session that score few rows use it in turn.
 */
extern DlScorer *dl_model_cache_scorer(const DlModel *model, int rows);

/* What dl.cache shows of a model. */
typedef struct DlCacheRow
{
	DlModelDigest digest;
	bool		shared;
	bool		mine;			/* this session has it */
	Size		bytes;			/* that it takes where it is */
	int			sessions;
	uint64		hits;
	TimestampTz created_at;
} DlCacheRow;

/* The shared models, and those that this session has a copy of; palloc'd. */
extern DlCacheRow *dl_model_cache_list(int *count);

/* Raises the errors of dl_model_decode(); keeps nothing. */
extern void dl_model_validate(const void *bytes, Size length);

/* The most memory that decoding so many bytes may take. */
extern Size dl_model_decode_budget(Size length);

#endif							/* DL_PG_MODEL_CACHE_H */
