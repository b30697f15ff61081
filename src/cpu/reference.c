/*
 * reference.c
 *    The reference backends: every kernel in plain C, for float64 (the oracle
 *    of all tests) and for float32 (what the fast backend starts from).
 *
 * The kernels are in reference_*.inc, compiled once for each type with
 *   REAL     the type
 *   NAME(n)  the name of a function for this type
 *   MATH(f)  the C library's function f for this type
 * Sums of losses and of squares are in double for both.
 */
#include <math.h>
#include <string.h>

#include "core/backend.h"

#define BACKEND_NAME "reference_f64"
#define BACKEND_TYPE DL_F64
#define REAL double
#define NAME(n) n##_f64
#define MATH(function) function
#include "cpu/reference_kernels.inc"
#undef BACKEND_NAME
#undef BACKEND_TYPE
#undef REAL
#undef NAME
#undef MATH

#define BACKEND_NAME "reference_f32"
#define BACKEND_TYPE DL_F32
#define REAL float
#define NAME(n) n##_f32
#define MATH(function) function##f
#include "cpu/reference_kernels.inc"

const DlBackend *
dl_backend_reference_f64(void)
{
	return &backend_f64;
}

const DlBackend *
dl_backend_reference_f32(void)
{
	return &backend_f32;
}
