/*
 * model_tensors.c
 *    The tensors of a model by name, to write and to read.
 */
#include <string.h>

#include "core/size.h"
#include "format/sort.h"
#include "model/model_internal.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the bytes of a model are little-endian, and so must the processor be"
#endif

DlStatus
dl_tensor_list_add(DlTensorList *list, const char *name, DlDtype dtype, DlShape shape, const void *data, DlError *error)
{
	DlNamedTensor *tensor;
	char	   *copy;
	int64_t		elements;

	if (list->count == DL_SAFETENSORS_MAX_TENSORS)
		return dl_error_set(error, DL_ERROR_LIMIT, "a model cannot have more than %d tensors", DL_SAFETENSORS_MAX_TENSORS);
	if (list->count == list->capacity)
	{
		int32_t		capacity = list->capacity == 0 ? 32 : list->capacity * 2;
		DlNamedTensor *larger;

		DL_TRY(dl_arena_calloc(list->arena, (size_t) capacity, sizeof(DlNamedTensor), &larger, error));
		if (list->count > 0)
			memcpy(larger, list->items, (size_t) list->count * sizeof(DlNamedTensor));
		list->items = larger;
		list->capacity = capacity;
	}
	DL_TRY(dl_shape_count(&shape, 0, &elements, error));
	DL_TRY(dl_arena_strdup(list->arena, name, &copy, error));
	tensor = &list->items[list->count];
	*tensor = (DlNamedTensor) {copy, dtype, shape, data, 0};
	if (!dl_size_mul((size_t) elements, dl_dtype_size(dtype), &tensor->bytes))
		return dl_error_set(error, DL_ERROR_LIMIT, "tensor \"%s\" is too large", name);
	list->count++;
	return DL_OK;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const DlNamedTensor *) a)->name, ((const DlNamedTensor *) b)->name);
}

DlStatus
dl_tensor_index_create(DlArena *arena, const DlSafetensors *content, size_t bytes, DlTensorIndex *index, DlError *error)
{
	DL_TRY(dl_arena_calloc(arena, (size_t) content->count, sizeof(DlNamedTensor *), &index->sorted, error));
	for (int32_t i = 0; i < content->count; i++)
		index->sorted[i] = &content->tensors[i];
	dl_sort_pointers((const void **) index->sorted, (size_t) content->count, compare_names);
	index->count = content->count;
	index->found = 0;
	index->bytes = bytes;
	index->vocabularies = NULL;
	return DL_OK;
}

static DlStatus
find_name(DlTensorIndex *index, const char *name, DlDtype dtype, const DlNamedTensor **result, DlError *error)
{
	int32_t		low = 0;
	int32_t		high = index->count;

	while (low < high)
	{
		int32_t		middle = low + (high - low) / 2;
		int			order = strcmp(name, index->sorted[middle]->name);

		if (order == 0)
		{
			*result = index->sorted[middle];
			if ((*result)->dtype != dtype)
				return dl_error_set(error, DL_ERROR_CORRUPT, "model: tensor \"%s\" must be %s, not %s", name,
									dl_dtype_name(dtype), dl_dtype_name((*result)->dtype));
			index->found++;
			return DL_OK;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return dl_error_set(error, DL_ERROR_CORRUPT, "model: tensor \"%s\" is missing", name);
}

DlStatus
dl_tensor_index_find(DlTensorIndex *index, const char *name, DlDtype dtype, const DlShape *shape,
					 const DlNamedTensor **result, DlError *error)
{
	const DlShape *got;
	char		expected_text[128];
	char		got_text[128];
	bool		same;

	DL_TRY(find_name(index, name, dtype, result, error));
	got = &(*result)->shape;
	same = got->rank == shape->rank;
	for (int i = 0; i < shape->rank && same; i++)
		same = got->dims[i] == shape->dims[i];
	if (!same)
		return dl_error_set(error, DL_ERROR_CORRUPT, "model: tensor \"%s\" has shape %s, expected %s", name,
							dl_shape_print(got, got_text, sizeof(got_text)),
							dl_shape_print(shape, expected_text, sizeof(expected_text)));
	return DL_OK;
}

DlStatus
dl_tensor_index_data(const DlTensorIndex *index, DlArena *arena, const DlNamedTensor *tensor, void *result, DlError *error)
{
	const void *data = tensor->data;

	if (index->vocabularies == NULL)
	{
		void	   *copy;

		DL_TRY(dl_arena_alloc(arena, tensor->bytes, &copy, error));
		if (tensor->bytes > 0)
			memcpy(copy, tensor->data, tensor->bytes);
		data = copy;
	}
	memcpy(result, &data, sizeof(data));
	return DL_OK;
}

DlStatus
dl_tensor_index_vector(DlTensorIndex *index, DlArena *arena, const char *name, DlDtype dtype, void *result,
					   int64_t *count, DlError *error)
{
	const DlNamedTensor *tensor;

	DL_TRY(find_name(index, name, dtype, &tensor, error));
	if (tensor->shape.rank != 1)
		return dl_error_set(error, DL_ERROR_CORRUPT, "model: tensor \"%s\" must have 1 dimension, not %d", name,
							tensor->shape.rank);
	*count = tensor->shape.dims[0];
	return dl_tensor_index_data(index, arena, tensor, result, error);
}

DlStatus
dl_tensor_index_vector_of(DlTensorIndex *index, DlArena *arena, const char *name, DlDtype dtype, int64_t count,
						  void *result, DlError *error)
{
	const DlNamedTensor *tensor;
	DlShape		shape = dl_shape_1(count);

	DL_TRY(dl_tensor_index_find(index, name, dtype, &shape, &tensor, error));
	return dl_tensor_index_data(index, arena, tensor, result, error);
}
