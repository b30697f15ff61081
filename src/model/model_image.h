/*
 * model_image.h
 *    Decoding in two steps, with the weights in memory that the caller gives, and the
 *    same model again from that memory: an image, which several processes may share.
 *
 * An image has no pointers, so it may lie at another address in each process. It holds the
 * vectors of parameters as scoring reads them, the vocabularies as they are searched, the other tensors, and
 * what is left of the document. It is no file format: only the library that wrote one reads it, in the same run.
 * Nobody writes to it once it is complete.
 */
#ifndef DL_MODEL_MODEL_IMAGE_H
#define DL_MODEL_MODEL_IMAGE_H

#include "model/model.h"

typedef struct DlModelDecoding DlModelDecoding;

/* All of dl_model_decode() but reading the weights; bytes must stay until the end. */
extern DlStatus dl_model_decode_begin(const void *bytes, size_t length, size_t budget, DlModelDecoding **result,
									  DlError *error);

/* The size of its image; must be asked before one is made. */
extern DlStatus dl_model_image_bytes(DlModelDecoding *decoding, size_t *bytes, DlError *error);

/*
 * Reads the weights, into image, which is aligned to DL_ALIGNMENT, has the bytes that dl_model_image_bytes() gave and outlives
 * the model, or into the model's own arena where image is NULL.  Destroys decoding, also when it fails.
 */
extern DlStatus dl_model_decode_finish(DlModelDecoding *decoding, void *image, DlModel **result, DlError *error);
extern void dl_model_decode_abandon(DlModelDecoding *decoding); /* NULL is allowed */

/* The model of a complete image, which outlives it.  Reads the document, and none of the weights. */
extern DlStatus dl_model_from_image(const void *image, size_t size, size_t budget, DlModel **result, DlError *error);

#endif							/* DL_MODEL_MODEL_IMAGE_H */
