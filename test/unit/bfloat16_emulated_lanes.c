/* The kernel of AVX-512 BF16 with its instruction as the processor's manual has it: two fused steps, the odd pair first. */
#include "bfloat16_emulation.h"
#include "bfloat16_lanes.h"

typedef struct VB
{
	uint16_t	pair[W][2];
} VB;

INLINE VB
vb_load(const uint16_t *p)
{
	VB			a;

	memcpy(&a, p, sizeof(a));
	return a;
}

INLINE VB
vb_set_pair(const uint16_t *p)
{
	VB			a;

	for (int i = 0; i < W; i++)
		memcpy(a.pair[i], p, sizeof(a.pair[i]));
	return a;
}

INLINE V
vb_dot(V sum, VB a, VB b)
{
	for (int i = 0; i < W; i++)
		for (int k = 1; k >= 0; k--)
			sum.lane[i] = fmaf(bfloat16_value(a.pair[i][k]), bfloat16_value(b.pair[i][k]), sum.lane[i]);
	return sum;
}

#include "cpu/template_bfloat16_vector.h"
#include "cpu/template_bfloat16.h"

void
emulated_lanes(DlBackend *backend)
{
	backend->name = "emulated avx512_bf16";
	backend->dense = kernel_dense_bfloat16;
	backend->workspace_size = BFLOAT16_WORKSPACE;
}
