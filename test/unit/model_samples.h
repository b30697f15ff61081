/*
 * model_samples.h
 *    Small models of every task and kind of column, with random weights, for
 *    tests.
 */
#ifndef DL_TEST_MODEL_SAMPLES_H
#define DL_TEST_MODEL_SAMPLES_H

#include "core/random.h"
#include "model/model.h"

typedef struct ModelSample
{
	const char *name;
	DlTask		task;
	const char *columns;		/* a letter each: see model_samples.c */
	const char *network;
	int			members;
	int			outputs;		/* of regression and multi-label; labels of classes */
	const char *second;			/* network of every other member, or NULL */
} ModelSample;

extern const ModelSample model_samples[];
extern const int model_sample_count;

/* Destroyed by dl_model_destroy(). */
extern DlStatus model_sample_create(const ModelSample *sample, uint64_t seed, DlModel **result, DlError *error);

/* The features of a random row: now and then a number or a category is missing, or a code was never seen. */
extern void model_sample_row(const DlModel *model, DlRandom *random, uint32_t *features);

#endif							/* DL_TEST_MODEL_SAMPLES_H */
