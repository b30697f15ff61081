/*
 * vocabulary.h
 *    Texts to codes 0, 1, 2, ... in the order of their first appearance, and
 *    back.  Memory: one arena.  One thread adds; reading is free for all.
 */
#ifndef DL_DATA_VOCABULARY_H
#define DL_DATA_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"

typedef struct DlVocabulary DlVocabulary;

extern DlStatus dl_vocabulary_create(DlArena *arena, DlVocabulary **result, DlError *error);

/* The code of text, added if it is new.  DL_ERROR_MEMORY over the arena's budget. */
extern DlStatus dl_vocabulary_add(DlVocabulary *vocabulary, const char *text, size_t length, int32_t *code, DlError *error);

/* The code of text, or -1. */
extern int32_t dl_vocabulary_find(const DlVocabulary *vocabulary, const char *text, size_t length);

extern int32_t dl_vocabulary_size(const DlVocabulary *vocabulary);

/* Not terminated by zero; *length bytes. */
extern const char *dl_vocabulary_text(const DlVocabulary *vocabulary, int32_t code, size_t *length);

/*
 * The same without pointers, to read where it lies, at another address in each process: memory of
 * dl_vocabulary_flat_bytes(), aligned to DL_ALIGNMENT.  A vocabulary that is attached
 * to it takes no more texts, and the memory outlives it.
 */
extern DlStatus dl_vocabulary_flat_bytes(const DlVocabulary *vocabulary, size_t *bytes, DlError *error);
extern void dl_vocabulary_flatten(const DlVocabulary *vocabulary, void *memory);
extern DlStatus dl_vocabulary_attach(DlArena *arena, const void *memory, DlVocabulary **result, DlError *error);

#endif							/* DL_DATA_VOCABULARY_H */
