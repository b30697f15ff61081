/*
 * model_encode.c
 *    From a model to its bytes.
 */
#include <stdio.h>

#include "core/size.h"
#include "model/model_internal.h"

/* [rows, columns] to [columns, rows]. */
static void
transpose(const float *from, int64_t rows, int64_t columns, float *to)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t c = 0; c < columns; c++)
			to[c * rows + r] = from[r * columns + c];
}

static DlStatus
add_parameter(const DlModel *model, int member, int index, DlParameterUse use, DlTensorList *tensors, DlError *error)
{
	const DlGraph *graph = dl_model_graph(model, member);
	const float *values = model->members[member].parameters + dl_graph_parameter_offset(graph, index);
	int64_t		elements = dl_graph_parameter_elements(graph, index);
	DlShape		shape = dl_graph_parameter_shape(graph, index);
	char		name[DL_SAFETENSORS_MAX_NAME + 64];
	float	   *turned;

	snprintf(name, sizeof(name), "%d.%s", member, dl_graph_parameter_name(graph, index));
	if (use == DL_USE_DENSE_WEIGHT)
	{
		DL_TRY(dl_arena_calloc(tensors->arena, (size_t) elements, sizeof(float), &turned, error));
		transpose(values, shape.dims[0], shape.dims[1], turned);
		values = turned;
		shape = dl_shape_2(shape.dims[1], shape.dims[0]);
	}
	return dl_tensor_list_add(tensors, name, DL_F32, shape, values, error);
}

static DlStatus
add_parameters(const DlModel *model, DlTensorList *tensors, DlError *error)
{
	for (int member = 0; member < model->member_count; member++)
	{
		const DlGraph *graph = dl_model_graph(model, member);
		int			count = dl_graph_parameter_count(graph);
		DlParameterUse *uses;

		DL_TRY(dl_arena_calloc(tensors->arena, (size_t) count, sizeof(DlParameterUse), &uses, error));
		dl_model_parameter_uses(graph, uses);
		for (int i = 0; i < count; i++)
			DL_TRY(add_parameter(model, member, i, uses[i], tensors, error));
	}
	return DL_OK;
}

static DlStatus
encode(const DlModel *model, DlArena *scratch, DlJsonWriter *writer, DlArena *arena, void **bytes, size_t *length,
	   DlError *error)
{
	DlTensorList tensors = {.arena = scratch};
	DlSafetensors content;

	DL_TRY(dl_document_write(model, writer, &tensors, error));
	DL_TRY(add_parameters(model, &tensors, error));
	content = (DlSafetensors) {tensors.count, tensors.items, writer->text};
	return dl_safetensors_write(arena, &content, bytes, length, error);
}

/* Text that a vocabulary puts into the document: quoted twice, as a text within a text. */
static size_t
vocabulary_bytes(const DlVocabulary *vocabulary)
{
	size_t		bytes = 0;

	for (int32_t i = 0; vocabulary != NULL && i < dl_vocabulary_size(vocabulary); i++)
	{
		size_t		length;

		(void) dl_vocabulary_text(vocabulary, i, &length);
		bytes += length + sizeof("\\\"\\\",") - 1;
	}
	return bytes;
}

static DlStatus
check_vocabularies(const DlModel *model, DlError *error)
{
	const DlVocabulary *largest = model->labels;
	const char *name = model->target;
	size_t		most = vocabulary_bytes(model->labels);
	size_t		sum = most;

	for (int32_t i = 0; i < model->column_count; i++)
	{
		size_t		bytes = vocabulary_bytes(model->columns[i].vocabulary);

		sum += bytes;
		if (bytes > most)
		{
			largest = model->columns[i].vocabulary;
			name = model->columns[i].name;
			most = bytes;
		}
	}
	if (sum <= DL_SAFETENSORS_MAX_HEADER)
		return DL_OK;
	dl_error_set(error, DL_ERROR_LIMIT, "the texts of all categories take %zu bytes, more than the %zu that a model has room for",
				 sum, DL_SAFETENSORS_MAX_HEADER);
	dl_error_detail(error, "Column \"%s\" has %d different texts.", name, dl_vocabulary_size(largest));
	dl_error_hint(error, "Leave the column out, or let the query make one value of its rare ones.");
	return DL_ERROR_LIMIT;
}

DlStatus
dl_model_check_size(const DlModel *model, DlError *error)
{
	size_t		parameters = 0;

	if (model->member_count < 1 || model->member_count > DL_MODEL_MAX_MEMBERS)
		return dl_error_set(error, DL_ERROR_INVALID, "a model has 1 to %d networks, not %d", DL_MODEL_MAX_MEMBERS,
							model->member_count);
	/* no sum of 64 limited networks overflows */
	for (int member = 0; member < model->member_count; member++)
		parameters += (size_t) dl_graph_vector_length(dl_model_graph(model, member));
	if (parameters > DL_SAFETENSORS_MAX_BYTES / sizeof(float))
	{
		dl_error_set(error, DL_ERROR_LIMIT, "a model cannot have more than %zu bytes", DL_SAFETENSORS_MAX_BYTES);
		dl_error_detail(error, "Its networks, %d, have %zu parameters of 4 bytes.", model->member_count, parameters);
		dl_error_hint(error, "Use a smaller network or fewer members.");
		return DL_ERROR_LIMIT;
	}
	return check_vocabularies(model, error);
}

DlStatus
dl_model_encode(const DlModel *model, DlArena *arena, void **bytes, size_t *length, DlError *error)
{
	DlArena    *scratch;
	DlJsonWriter writer;
	DlStatus	status;

	/* before anything is copied */
	DL_TRY(dl_model_check_size(model, error));
	DL_TRY(dl_arena_create(0, &scratch, error));
	dl_json_writer_init(&writer, DL_SAFETENSORS_MAX_HEADER);
	status = encode(model, scratch, &writer, arena, bytes, length, error);
	dl_json_writer_free(&writer);
	dl_arena_destroy(scratch);
	return status;
}
