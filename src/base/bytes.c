/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/num.h"

sp_bytes *sp_bytes_try_new(size_t len)
{
	size_t total;
	if (!sp_add(len, sizeof(sp_bytes) + 1, &total))
		return NULL;
	sp_bytes *b = sp_try_alloc(total);
	if (b == NULL)
		return NULL;
	atomic_init(&b->n_refs, 1);
	b->len = len;
	return b;
}

sp_bytes *sp_bytes_try_dup(sp_str s)
{
	sp_bytes *b = sp_bytes_try_new(s.len);
	if (b != NULL && s.len != 0)
		memcpy(b->data, s.ptr, s.len);
	return b;
}

sp_bytes *sp_bytes_ref(sp_bytes *b)
{
	uint32_t before = atomic_fetch_add_explicit(&b->n_refs, 1, memory_order_relaxed);
	SP_ASSERT(before != 0 && before != UINT32_MAX);
	return b;
}

sp_bytes *sp_bytes_unref(sp_bytes *b)
{
	if (b == NULL)
		return NULL;
	uint32_t before = atomic_fetch_sub_explicit(&b->n_refs, 1, memory_order_acq_rel);
	SP_ASSERT(before != 0);
	if (before == 1)
		sp_free(b);
	return NULL;
}

void sp_bytes_cleanup(sp_bytes **b)
{
	*b = sp_bytes_unref(*b);
}
