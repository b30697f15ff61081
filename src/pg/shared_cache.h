/*
 * shared_cache.h
 *    One copy of a large model for all sessions, as an image (model_image.h) in dynamic
 *    shared memory, found by the digest of its bytes.
 *
 * Needs preloading before PostgreSQL 17; without, and wherever shared memory cannot be had, all
 * claims give DL_SHARED_NONE and each session decodes its own copy.
 */
#ifndef DL_PG_SHARED_CACHE_H
#define DL_PG_SHARED_CACHE_H

#include "datatype/timestamp.h"
#include "storage/dsm.h"

#include "pg/model_cache.h"

#define DL_SHARED_ENTRIES 128	/* models at a time: each takes one of the server's dynamic segments */

/* What this session holds of an entry; starts as {0}. */
typedef struct DlSharedModel
{
	int			number;			/* of the entry, from 1; 0: nothing is held */
	bool		building;
	Size		claimed;		/* while building: the length that was asked for */
	dsm_segment *segment;		/* NULL while nothing is mapped */
} DlSharedModel;

typedef enum DlSharedClaim
{
	DL_SHARED_NONE,				/* not shared: decode a copy */
	DL_SHARED_FULL,				/* the same, because there is no room now */
	DL_SHARED_BUILD,			/* the caller decodes for all: dl_shared_cache_memory(), then publish or release */
	DL_SHARED_FOUND				/* the image is mapped */
} DlSharedClaim;

/* Defines the setting and asks for memory; within _PG_init(). */
extern void dl_shared_cache_init(void);

/*
 * length: of the model's bytes, about what its image takes.  Waits while another session builds it.
 */
extern DlSharedClaim dl_shared_cache_claim(const DlModelDigest *digest, Size length, DlSharedModel *shared);

/* Memory for the image of a model that the caller builds.  NULL: there is none, and nothing is held any more. */
extern void *dl_shared_cache_memory(DlSharedModel *shared, Size size);

/* The image is complete. */
extern void dl_shared_cache_publish(DlSharedModel *shared);

/* Ends what is held, if anything is; the model that uses the image must be destroyed before. */
extern void dl_shared_cache_release(DlSharedModel *shared);

/* Whether a model that this session decoded itself has become shared. */
extern bool dl_shared_cache_has(const DlModelDigest *digest, Size length);

/* Counts one more use of what is held. */
extern void dl_shared_cache_hit(const DlSharedModel *shared);

/* Another number whenever a model found no room: then sessions should release what they do not use. */
extern uint64 dl_shared_cache_pressure(void);

/* For dl.cache: copies what is there; rows[DL_SHARED_ENTRIES].  Gives the number. */
extern int	dl_shared_cache_list(DlCacheRow *rows);

#endif							/* DL_PG_SHARED_CACHE_H */
