/*
 * bfloat16_emulation.h
 *    The kernels in bfloat16 with their instructions written out in C, so that
 *    their logic is tested on every processor.
 */
#ifndef DL_TEST_BFLOAT16_EMULATION_H
#define DL_TEST_BFLOAT16_EMULATION_H

#include "core/backend.h"

/* Put their dense() into a backend; bfloat16_emulated_lanes.c, bfloat16_emulated_tiles.c. */
extern void emulated_lanes(DlBackend *backend);
extern void emulated_tiles(DlBackend *backend);

/* Calls of tiles before they were configured or after they were released, and whether they still are. */
extern int	emulated_tiles_misused(void);
extern bool emulated_tiles_held(void);

#endif							/* DL_TEST_BFLOAT16_EMULATION_H */
