/*
 * model_internal.h
 *    What encoding and decoding share: the parts of the document, the tensors
 *    by name, and what the graph says of each parameter.
 *
 * Each part of the document is written and read by one file, so that both sides
 * stand beside each other.  Reading checks all that scoring relies on.
 */
#ifndef DL_MODEL_MODEL_INTERNAL_H
#define DL_MODEL_MODEL_INTERNAL_H

#include "format/json.h"
#include "format/safetensors.h"
#include "model/model.h"

#define DL_MODEL_MAX_COLUMNS 4096
#define DL_MODEL_MAX_WORDS (1 << 20)	/* of the features of a row, and inputs of a network */
#define DL_MODEL_MAX_LEVEL_NUMBERS 1024	/* of each level of a category */
#define DL_MODEL_MAX_NAME 1024	/* bytes of a column's name, a type's name and the like */
#define DL_MODEL_MAX_TEXT DL_SAFETENSORS_MAX_HEADER
#define DL_MODEL_MAX_KNOTS 1024	/* of prediction intervals */
#define DL_MODEL_MAX_ITEMS (1 << 24)	/* of any array of the document */

/* Tensors to write, growing in an arena. */
typedef struct DlTensorList
{
	DlArena    *arena;
	DlNamedTensor *items;
	int32_t		count;
	int32_t		capacity;

	/* NULL: the document has its vocabularies; else they are listed here in its order, and it has none */
	const DlVocabulary **vocabularies;
	int32_t		vocabulary_count;
} DlTensorList;

/* name is copied, data is not. */
extern DlStatus dl_tensor_list_add(DlTensorList *list, const char *name, DlDtype dtype, DlShape shape,
								   const void *data, DlError *error);

/* Tensors read, found by name. */
typedef struct DlTensorIndex
{
	const DlNamedTensor **sorted;
	int32_t		count;
	int32_t		found;			/* how many were asked for: all must be, in the end */
	size_t		bytes;			/* of the whole file */

	/* of an image: what is read stays where it is; NULL for bytes */
	const void *const *vocabularies;	/* flat, in the order of the document, which has none */
	int32_t		vocabulary_count;
	int32_t		vocabularies_found;
} DlTensorIndex;

extern DlStatus dl_tensor_index_create(DlArena *arena, const DlSafetensors *content, size_t bytes,
									   DlTensorIndex *index, DlError *error);

/* The tensor of that name, which must have this type and shape. */
extern DlStatus dl_tensor_index_find(DlTensorIndex *index, const char *name, DlDtype dtype, const DlShape *shape,
									 const DlNamedTensor **result, DlError *error);

/* A vector of any length, as dl_tensor_index_data() gives it. */
extern DlStatus dl_tensor_index_vector(DlTensorIndex *index, DlArena *arena, const char *name, DlDtype dtype,
									   void *result, int64_t *count, DlError *error);

/* Its elements, in new memory of arena, or in an image where they are. */
extern DlStatus dl_tensor_index_data(const DlTensorIndex *index, DlArena *arena, const DlNamedTensor *tensor,
									 void *result, DlError *error);

/* A vector of exactly count elements. */
extern DlStatus dl_tensor_index_vector_of(DlTensorIndex *index, DlArena *arena, const char *name, DlDtype dtype,
										  int64_t count, void *result, DlError *error);

/*
 * Parts of the document: document_members.c, document_columns.c, document_preparation.c, document_record.c,
 * document_statistics.c.
 */
extern void dl_document_write_members(const DlModel *model, DlJsonWriter *writer);
extern DlStatus dl_document_read_members(DlModel *model, const DlJson *root, DlError *error);
extern void dl_document_write_columns(const DlModel *model, DlJsonWriter *writer, DlTensorList *tensors);
extern DlStatus dl_document_read_columns(DlModel *model, const DlJson *root, DlTensorIndex *tensors, DlError *error);
extern DlStatus dl_document_write_preparation(const DlModel *model, DlJsonWriter *writer, DlTensorList *tensors,
											  DlError *error);
extern DlStatus dl_document_read_preparation(DlModel *model, const DlJson *root, DlTensorIndex *tensors, DlError *error);
extern void dl_document_write_record(const DlTrainRecord *record, DlJsonWriter *writer);
extern DlStatus dl_document_read_record(DlModel *model, const DlJson *root, DlError *error);
extern void dl_document_write_statistics(const DlModel *model, DlJsonWriter *writer);
extern DlStatus dl_document_read_statistics(DlModel *model, const DlJson *root, DlError *error);

/*
 * The operators of the graph in the order of their work, for readers without the
 * network language; derived from the network, and ignored when a model is read.
 */
extern void dl_document_write_graph(const DlModelNetwork *network, DlJsonWriter *writer);

/*
 * Weights of all members as dl_model_backend() reads them, one after the other: the bytes that they take (0: the model
 * needs none), filling memory of that size from the members' parameters, and telling the model where they are.
 */
extern DlStatus dl_model_packed_bytes(const DlModel *model, size_t *bytes, DlError *error);
extern DlStatus dl_model_attach_packed(DlModel *model, const void *memory, DlError *error);
extern void dl_model_pack(const DlModel *model, void *memory);

/* An array of that many numbers. */
extern void dl_document_write_doubles(DlJsonWriter *writer, const char *key, const double *values, int32_t count);
extern DlStatus dl_document_read_doubles(const DlModel *model, const DlJson *object, const char *key, int32_t expected,
										 bool finite, double **result, DlError *error);

/* All of it: model_document.c. */
extern DlStatus dl_document_write(const DlModel *model, DlJsonWriter *writer, DlTensorList *tensors, DlError *error);
extern DlStatus dl_document_read(DlModel *model, const DlJson *root, DlTensorIndex *tensors, DlError *error);

/* A list of texts, which must be distinct; or it stands aside, where tensors says so. */
extern void dl_document_write_vocabulary(const DlVocabulary *vocabulary, const char *key, DlJsonWriter *writer,
										 DlTensorList *tensors);
extern DlStatus dl_document_read_vocabulary(DlArena *arena, const DlJson *object, const char *key, DlTensorIndex *tensors,
											DlVocabulary **result, DlError *error);

/* What a parameter is used for. */
typedef enum DlParameterUse
{
	DL_USE_OTHER,
	DL_USE_DENSE_WEIGHT,		/* [in, out] in memory, [out, in] in bytes */
	DL_USE_VARIANCE,			/* must not be negative */
	DL_USE_EDGES				/* of bins: each row ascends, and repeats its last at most */
} DlParameterUse;

/* uses[dl_graph_parameter_count()]; model_graph.c. */
extern void dl_model_parameter_uses(const DlGraph *graph, DlParameterUse *uses);

/*
 * Adds what one member's outputs [rows, outputs] mean, in units of the target or as probabilities, times the
 * member's weight, to results [rows, outputs].
 */
extern void dl_model_add_results(const DlModel *model, const DlModelMember *member, int64_t rows, const float *outputs,
								 double *results);

/* What values of output k are limited to: finite numbers. */
extern void dl_model_limits(const DlModel *model, int32_t k, double *low, double *high);

/* NaN becomes low. */
static inline double
dl_limit(double value, double low, double high)
{
	if (!(value >= low))
		return low;
	return value > high ? high : value;
}

/*
 * Divides the logits of probabilities by temperature: softmax over all n, or of each alone (Guo et
 * al., 2017, "On Calibration of Modern Neural Networks").
 */
extern void dl_probabilities_temper(double *probabilities, int32_t n, bool softmax, double temperature);

/* One step of a network that is a chain: y = activation(x weight + bias), then further activations. */
typedef struct DlChainStep
{
	bool		dense;			/* else only the activation */
	int64_t		in;
	int64_t		out;
	int64_t		weight;			/* offsets in the vector of parameters */
	int64_t		bias;			/* -1: none */
	DlActivation activation;
} DlChainStep;

/*
 * The steps from nodes->numbers to nodes->output when each layer is dense, an
 * activation or nothing in inference; *count is 0 when the network is no such chain.
 */
extern DlStatus dl_model_chain(DlArena *arena, const DlModelNetwork *network, DlChainStep **steps, int *count,
							   DlError *error);

#endif							/* DL_MODEL_MODEL_INTERNAL_H */
