/*
 * kernels_plain.c
 *    The kernels for any processor, as the compiler's target has it.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cpu/kernels.h"
#include "cpu/simd_plain.h"

#define KERNELS_FILL dl_cpu_kernels_plain
#include "cpu/template_table.h"
