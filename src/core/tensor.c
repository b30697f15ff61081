/*
 * tensor.c
 *    Types and shapes.
 */
#include "core/tensor.h"

#include <stdio.h>

#include "core/size.h"

size_t
dl_dtype_size(DlDtype dtype)
{
	return dtype == DL_F64 ? 8 : 4;
}

const char *
dl_dtype_name(DlDtype dtype)
{
	switch (dtype)
	{
		case DL_F32:
			return "float32";
		case DL_F64:
			return "float64";
		case DL_I32:
			return "int32";
	}
	return "unknown";
}

DlStatus
dl_shape_count(const DlShape *shape, int64_t rows, int64_t *count, DlError *error)
{
	int64_t		product = 1;
	char		text[128];

	for (int i = 0; i < shape->rank; i++)
	{
		int64_t		dim = shape->dims[i];

		if (i == 0 && dim == DL_BATCH)
			dim = rows;
		if (dim < 0)
			return dl_error_set(error, DL_ERROR_SHAPE, "shape %s has a negative dimension",
								dl_shape_print(shape, text, sizeof(text)));
		if (!dl_int64_mul(product, dim, &product))
			return dl_error_set(error, DL_ERROR_LIMIT, "shape %s has too many elements for a batch of %lld rows",
								dl_shape_print(shape, text, sizeof(text)), (long long) rows);
	}
	*count = product;
	return DL_OK;
}

int64_t
dl_shape_row(const DlShape *shape)
{
	int64_t		product = 1;

	for (int i = 1; i < shape->rank; i++)
		product *= shape->dims[i];
	return product;
}

char *
dl_shape_print(const DlShape *shape, char *text, size_t size)
{
	size_t		used = 0;

	if (size == 0)
		return text;
	text[0] = '\0';
	for (int i = 0; i < shape->rank && used < size; i++)
	{
		const char *before = i == 0 ? "[" : ", ";
		const char *after = i == shape->rank - 1 ? "]" : "";

		if (i == 0 && shape->dims[i] == DL_BATCH)
			used += (size_t) snprintf(text + used, size - used, "%sbatch%s", before, after);
		else
			used += (size_t) snprintf(text + used, size - used, "%s%lld%s", before,
									  (long long) shape->dims[i], after);
	}
	if (shape->rank == 0)
		snprintf(text, size, "[]");
	return text;
}
