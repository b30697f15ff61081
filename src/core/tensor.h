/*
 * tensor.h
 *    A tensor is a type, a shape and a borrowed pointer: contiguous, row-major.
 *
 * In a graph the first dimension of whatever depends on the rows of a batch
 * is DL_BATCH; the number of rows is known when a plan runs.
 */
#ifndef DL_CORE_TENSOR_H
#define DL_CORE_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

#define DL_MAX_RANK 4
#define DL_BATCH ((int64_t) -1)

typedef enum DlDtype
{
	DL_F32,
	DL_F64,
	DL_I32
} DlDtype;

typedef struct DlShape
{
	int			rank;
	int64_t		dims[DL_MAX_RANK];
} DlShape;

typedef struct DlTensor
{
	DlDtype		dtype;
	DlShape		shape;
	void	   *data;			/* borrowed; NULL where a tensor is not wanted */
} DlTensor;

static inline DlShape
dl_shape_1(int64_t a)
{
	return (DlShape) {1, {a, 0, 0, 0}};
}

static inline DlShape
dl_shape_2(int64_t a, int64_t b)
{
	return (DlShape) {2, {a, b, 0, 0}};
}

static inline DlShape
dl_shape_3(int64_t a, int64_t b, int64_t c)
{
	return (DlShape) {3, {a, b, c, 0}};
}

/* Bytes of one element. */
extern size_t dl_dtype_size(DlDtype dtype);
extern const char *dl_dtype_name(DlDtype dtype);	/* "float32", "float64", "int32" */

/*
 * Elements of a shape when a batch has rows rows; DL_ERROR_LIMIT where the
 * product wraps, DL_ERROR_SHAPE for a negative dimension.
 */
extern DlStatus dl_shape_count(const DlShape *shape, int64_t rows, int64_t *count, DlError *error);

/* Elements of one row of a batch shape (the product without the first dimension). */
extern int64_t dl_shape_row(const DlShape *shape);

/* "[batch, 64]" into text, cut to size bytes; returns text. */
extern char *dl_shape_print(const DlShape *shape, char *text, size_t size);

#endif							/* DL_CORE_TENSOR_H */
