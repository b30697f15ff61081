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
 * What the image of a model will hold, and its size: all but the parameters is known.  begin writes all but
 * those, and points the members to where they go.
 */
typedef struct DlImagePlan DlImagePlan;

extern DlStatus dl_image_plan(DlArena *scratch, DlModel *model, DlImagePlan **result, size_t *size, DlError *error);
extern void dl_image_begin(const DlImagePlan *plan, void *image);

/* When the parameters are there. */
extern DlStatus dl_image_complete(const DlImagePlan *plan, void *image, DlError *error);

#endif							/* DL_MODEL_MODEL_IMAGE_INTERNAL_H */
