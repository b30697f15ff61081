/*
 * model_image_internal.h
 *    What decoding (model_decode.c) and images (model_image.c) do for each other.
 */
#ifndef DL_MODEL_MODEL_IMAGE_INTERNAL_H
#define DL_MODEL_MODEL_IMAGE_INTERNAL_H

#include "model/model_image.h"
#include "model/model_internal.h"

/* Nothing in it but its arena; model_decode.c. */
extern DlStatus dl_model_create(size_t budget, DlModel **result, DlError *error);

/* All that the document says, and the graphs; model_decode.c. */
extern DlStatus dl_model_read_document(DlModel *model, const char *document, DlTensorIndex *tensors, size_t budget,
									   DlError *error);

/*
 * Of a model whose document was read, and before its parameters are: tensors->taken says which
 * tensors belong to the document.  begin writes all but the parameters, and points the members to where they go.
 */
extern DlStatus dl_image_measure(const DlModel *model, const DlTensorIndex *tensors, const char *document, size_t *size,
								 DlError *error);
extern DlStatus dl_image_begin(DlModel *model, const DlTensorIndex *tensors, const char *document, void *image,
							   DlError *error);
extern void dl_image_complete(void *image);

#endif							/* DL_MODEL_MODEL_IMAGE_INTERNAL_H */
